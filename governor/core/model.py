"""The values that come in on the wire, as the contract names them.

Types are strict (a number is no text), fields that are not named here are passed over by these
models and kept in the raw record, because engines may be newer than the governor.
"""

from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from governor.core.instant import parse_instant

PERSON_BYTES = 256


def _bounded(text: str) -> str:
    if len(text) > PERSON_BYTES // 4 and len(text.encode()) > PERSON_BYTES:
        raise ValueError(f"is longer than {PERSON_BYTES} bytes")
    return text


def _iso_date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"`{text[:40]}` is no date, such as 1990-12-31") from None


Instant = Annotated[
    int,
    BeforeValidator(parse_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Identifier = Annotated[str, Field(min_length=1), AfterValidator(_bounded)]
Date = Annotated[str, AfterValidator(_iso_date), Field(json_schema_extra={"format": "date"})]

Basis = Literal["consent", "legitimate_interest", "soft_opt_in", "contract", "legal_obligation"]
Restriction = Literal["refuse", "withdraw", "object", "pause"]
TrackAction = Literal["grant", "refuse", "withdraw", "object", "unobject", "pause", "resume"]
ConsentAction = Literal[TrackAction, "comfort_reset"]
FeedbackKind = Literal[
    "delivered",
    "bounced",
    "failed",
    "opened",
    "clicked",
    "converted",
    "dismissed",
    "replied",
    "complained",
    "unsubscribed",
    "too_much",
    "less",
    "more",
    "human_contacted",
]


class Wire(BaseModel):
    """The base of what is read from the wire."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, data: Any) -> Any:
        if isinstance(data, dict) and None in data.values():
            return {name: value for name, value in data.items() if value is not None}
        return data


class Use(Wire):
    """A piece of personal data that a variant makes use of."""

    attribute: Identifier = Field(description="what is used, such as browsing_history")
    source: Literal["declared", "observed", "inferred", "third_party"] | None = Field(
        default=None, description="how it came to be known"
    )


class Variant(Wire):
    """One way of saying the message, on one channel."""

    id: Identifier
    channel: Identifier
    uses: list[Use] = Field(default_factory=list, description="the personal data it makes use of")
    techniques: list[Identifier] = Field(
        default_factory=list, description="declared persuasion techniques"
    )
    offer_ends_at: Instant | None = Field(default=None, description="when the offer ends")
    justification: str | None = Field(default=None, description="how it says why it knows")
    ai_generated: bool = False
    content: Any = None


_VARIANT_FIELDS = tuple(name for name in Variant.model_fields if name != "id")


class Candidate(Wire):
    """A message that an engine would like to send to a person."""

    id: Identifier = Field(description="unique for the person")
    person: Identifier
    campaign: Identifier
    category: Identifier
    topic: Identifier | None = None
    household: Identifier | None = None
    priority: int = Field(default=50, ge=0, le=100)
    value: float = Field(default=0.0, allow_inf_nan=False)
    address_hash: str | None = None
    created_at: Instant
    not_before: Instant | None = None
    expires_at: Instant | None = None
    variants: list[Variant] = Field(min_length=1, max_length=8)
    model: dict[str, Any] | None = None
    payload: Any = None

    @model_validator(mode="before")
    @classmethod
    def _widen_the_short_form(cls, data: Any) -> Any:
        """Turn a top-level channel into one variant with the id `only`."""
        if not isinstance(data, dict) or "channel" not in data:
            return data
        if "variants" in data:
            raise ValueError("has both `channel` and `variants`, which say the same thing twice")
        only = {name: data[name] for name in _VARIANT_FIELDS if name in data}
        return {**data, "variants": [{"id": "only", **only}]}

    @model_validator(mode="after")
    def _variants_differ(self) -> Self:
        if len({variant.id for variant in self.variants}) < len(self.variants):
            raise ValueError("has two variants with the same id")
        return self


class Cancellation(Wire):
    """An engine takes back one message, or all that waits of one campaign."""

    id: Identifier
    person: Identifier
    message: Identifier | None = None
    campaign: Identifier | None = None
    at: Instant
    reason: str | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.message is None and self.campaign is None:
            raise ValueError("names neither a `message` nor a `campaign`")
        return self


class Evidence(Wire):
    """What proves a consent."""

    notice_version: str | None = None
    method: str | None = None
    source: str | None = None
    text_sha256: str | None = None
    double_opt_in_at: Instant | None = None


class ConsentChange(Wire):
    """A person grants, refuses, withdraws, objects, pauses or takes one of these back.

    `comfort_reset` forgets what their feedback has taught until then about how much they want.
    """

    id: Identifier
    person: Identifier
    at: Instant
    action: ConsentAction
    purpose: Identifier
    channel: Identifier | None = None
    topic: Identifier | None = None
    basis: Basis | None = None
    expires_at: Instant | None = None
    evidence: Evidence | None = None
    jurisdiction: str | None = None
    until: Instant | None = None

    @model_validator(mode="before")
    @classmethod
    def _comfort_is_no_matter_of_purpose(cls, data: Any) -> Any:
        reset = isinstance(data, dict) and data.get("action") == "comfort_reset"
        return {**data, "purpose": data.get("purpose") or "*"} if reset else data

    @model_validator(mode="after")
    def _grants_are_specific(self) -> Self:
        if self.action == "comfort_reset" and self.purpose != "*":
            raise ValueError("is a `comfort_reset`, which has no `purpose`, leave it out")
        if self.action == "grant" and self.basis is None:
            raise ValueError("is a grant without a `basis`")
        if self.action == "grant" and self.purpose == "*":
            raise ValueError("is a grant for `*`, which is no purpose")
        return self

    @property
    def loosens(self) -> bool:
        """Tell whether it permits more than before."""
        return self.action in ("grant", "unobject", "resume", "comfort_reset")


class ComfortChoice(Wire):
    """How much the person said they are comfortable with."""

    level: Literal["low", "normal", "high"] | None = None
    max_per_week: int | None = Field(default=None, ge=0, le=1_000_000)


class Profile(Wire):
    """What the CRM knows of a person; it replaces the whole earlier profile."""

    person: Identifier
    at: Instant
    time_zone: str | None = None
    country: str | None = None
    region: str | None = None
    locale: str | None = None
    born: Date | None = None
    minor: bool | None = None
    vulnerabilities: list[str] | None = None
    groups: dict[str, str] | None = None
    household: Identifier | None = None
    comfort: ComfortChoice | None = None


class Feedback(Wire):
    """What became of a message, as the sender or the person tells it."""

    id: Identifier
    message: Identifier
    person: Identifier
    at: Instant
    kind: FeedbackKind
    channel: Identifier | None = None
    detail: str | None = None


class ReviewAnswer(Wire):
    """A reviewer's answer; `person` may be the pseudonym of the decision."""

    id: Identifier
    message: Identifier
    person: Identifier
    reviewer: Identifier
    at: Instant
    answer: Literal["approve", "refuse"]
    variant: Identifier | None = None
    reason: str | None = None


class ControlScope(Wire):
    """What a control covers; empty is everything, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    campaign: Identifier | None = None
    channel: Identifier | None = None
    category: Identifier | None = None


class Control(Wire):
    """Ops pause, resume, stop or start what is in scope."""

    id: Identifier
    at: Instant
    by: Identifier
    action: Literal["pause", "resume", "stop", "start"]
    scope: ControlScope = ControlScope()
    reason: str | None = None

    @model_validator(mode="after")
    def _only_a_restriction_may_leave_its_scope_out(self) -> Self:
        if self.loosens and "scope" not in self.model_fields_set:
            raise ValueError("has no `scope`, write {} to lift everything")
        return self

    @property
    def loosens(self) -> bool:
        """Tell whether it permits more than before."""
        return self.action in ("resume", "start")


Fact = ConsentChange | Profile | Feedback | Cancellation | ReviewAnswer
"""What is told about one person, other than a candidate."""
