"""The values that come in on the wire, as the contract names them.

Types are strict (a number is no text), fields that are not named here are passed over by these
models and kept in the raw record, because engines may be newer than the governor.
"""

from datetime import date
from typing import Annotated, Any, Literal, Self

from msgspec import Meta, Struct
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


def _whole(number: Any) -> Any:
    return int(number) if isinstance(number, float) and number.is_integer() else number


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
# So many characters have at least as many bytes; a schema can count no bytes.
Identifier = Annotated[
    str,
    Field(min_length=1, json_schema_extra={"maxLength": PERSON_BYTES}),
    AfterValidator(_bounded),
]
Whole = Annotated[int, BeforeValidator(_whole)]
"""A whole number, however it is written: in JSON `5.0` is the same as `5`."""
Date = Annotated[str, AfterValidator(_iso_date), Field(json_schema_extra={"format": "date"})]

Source = Literal["declared", "observed", "inferred", "third_party"]
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


_Named = Annotated[str, Meta(min_length=1, max_length=PERSON_BYTES // 4)]


class Use(Struct, frozen=True, gc=False):
    """A piece of personal data that a variant makes use of; None where it is not said."""

    attribute: _Named
    source: Source | None = None


class Variant(Struct, frozen=True, gc=False):
    """One way of saying the message, on one channel; `offer_ends_at` in ms."""

    id: _Named
    channel: _Named
    uses: list[Use] = []
    techniques: list[_Named] = []
    offer_ends_at: int | None = None
    justification: str | None = None
    ai_generated: bool = False
    content: Any = None


class Candidate(Struct, frozen=True, kw_only=True, gc=False):
    """A message that an engine would like to send to a person; times in ms.

    It is made by `form.candidate_of`. The bounds that stand here are for its quick way only.
    """

    id: _Named
    person: _Named
    campaign: _Named
    category: _Named
    topic: _Named | None = None
    household: _Named | None = None
    priority: Annotated[int, Meta(ge=0, le=100)] = 50
    value: float = 0.0
    address_hash: str | None = None
    created_at: int
    not_before: int | None = None
    expires_at: int | None = None
    variants: Annotated[list[Variant], Meta(min_length=1, max_length=8)]
    model: dict[str, Any] | None = None
    payload: Any = None


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

    notice_version: str | int | float | None = None
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
    max_per_week: Whole | None = Field(default=None, ge=0, le=1_000_000)


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
    detail: Any = None


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
