"""The values that go out on the wire, as the contract names them: for their schema and readers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from governor.core.form import Use
from governor.core.model import Identifier, Instant

OutcomeName = Literal["release", "defer", "review", "suppress"]
Code = Literal[
    "paused_campaign",
    "kill_switch",
    "cancelled",
    "expired",
    "not_yet",
    "policy_fault",
    "no_consent",
    "consent_withdrawn",
    "consent_expired",
    "consent_unproven",
    "objected",
    "person_paused",
    "personalisation_refused",
    "sensitive_data",
    "minor",
    "false_urgency",
    "pressure_budget",
    "vulnerable",
    "cap_reached",
    "min_gap",
    "silence_after_refusal",
    "household_cap",
    "bypass_quota",
    "too_intrusive",
    "quiet_hours",
    "needs_review",
    "review_refused",
    "review_expired",
    "needs_human",
    "outranked",
    "ledger_unavailable",
]
"""Why a message did not go out, or not yet: all that a finding or a decision may say."""


class Published(BaseModel):
    """The base of what governor publishes; a reader passes over fields that are newer than it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class PublishedFinding(Published):
    """What one rule said of one variant; a rule that passed has outcome release and no code."""

    rule: str = Field(description="the rule, such as caps")
    id: str = Field(description="the entry of the policy, such as promo-per-day")
    variant: str = Field(description="the id of the variant that this is about")
    outcome: OutcomeName
    enforced: bool = Field(description="false where the policy has the entry in shadow")
    code: Code | None
    limit: float | str | None = Field(description="in the same unit as `observed`")
    observed: float | str | None
    window: str | None = Field(description="as the policy writes it, such as 24h")
    eligible_at: Instant | None = Field(
        description="the first second at which this rule would pass on the standing as it was"
    )


class Intrusiveness(Published):
    """The sum behind the intrusiveness finding of the deciding variant, in points."""

    exposure: float = Field(description="what this message adds")
    pressure: float = Field(description="what earlier messages left")
    after: float
    ceiling: float


class PublishedEntry(Published):
    """What the send log keeps of a release and the decision does not say elsewhere."""

    household: str | None
    counts: bool
    techniques: list[str]
    offer_ends_at: Instant | None
    exposure: float


class Decision(Published):
    """What was decided on a message at one moment, and why."""

    id: Identifier = Field(description="the same however often this decision is published")
    message: Identifier
    person: Identifier = Field(description="an opaque pseudonym: it may change, never parse it")
    campaign: Identifier
    category: Identifier
    topic: Identifier | None
    outcome: OutcomeName
    final: bool = Field(description="true for release and suppress: nothing follows")
    variant: Identifier = Field(description="the id of the deciding variant")
    channel: Identifier = Field(description="the channel of the deciding variant")
    code: Code | None = Field(description="that of the deciding finding; null for a release")
    eligible_at: Instant | None = Field(description="when it may go at the earliest, if known")
    attempt: int = Field(ge=1, description="counts the decisions on this message")
    seq: int = Field(ge=0, description="the version of the person's standing after it")
    decided_at: Instant
    policy: str = Field(description="the revision of the policy")
    mode: Literal["enforce"]
    findings: list[PublishedFinding]
    intrusiveness: Intrusiveness | None
    entry: PublishedEntry | None = Field(description="null unless released")
    variant_index: int = Field(ge=0, description="the place of `variant` in the candidate's list")
    digest: str = Field(
        pattern="^[0-9a-f]{16}$", description="hashes the candidate as a JSON value"
    )
    content_digest: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{8}$",
        description="hashes what was said to this person, null unless something was",
    )
    reconstructed: bool = Field(
        default=False, description="the findings were made again when the decision was repeated"
    )


class Unsubscribe(Published):
    """Where the person can say no, for the channels on which the policy asks for it."""

    url: str
    one_click: bool


class Handover(Published):
    """A human is to be in touch with the person; answer with feedback `human_contacted`.

    Until then automated messages of the categories that the policy holds stay back. Where
    `message` is null the answer names this record's `id` instead.
    """

    id: Identifier = Field(description="the same however often this is published")
    person: Identifier
    why: str = Field(description="`messages`: so many since a human contact; else the feedback")
    since: Instant = Field(description="when it became necessary")
    message: Identifier | None = Field(description="the message that set it off, where known")
    campaign: Identifier | None = Field(description="its campaign, where known")
    channel: Identifier | None = Field(description="where something was sent last, null: nowhere")


class Released(Published):
    """The candidate as it came, with the chosen variant alone, for the sender to send.

    Fields that the candidate did not carry are absent; those that it carried beyond the
    contract are there as well.
    """

    id: Identifier
    person: Identifier
    campaign: Identifier
    category: Identifier
    topic: Identifier | None = None
    household: Identifier | None = None
    priority: int = Field(default=50, ge=0, le=100)
    value: float = 0.0
    address_hash: str | None = None
    created_at: Instant
    not_before: Instant | None = None
    expires_at: Instant | None = None
    model: dict[str, Any] | None = None
    payload: Any = None
    channel: Identifier
    content: Any = None
    uses: list[Use] = []
    techniques: list[Identifier] = []
    ai_generated: bool = False
    decision: Identifier = Field(description="the id of the decision that released it")
    variant: Identifier = Field(description="the id of the chosen variant")
    send_before: Instant | None = Field(
        description="later than this it must not go: answer `failed` with detail `too_late`"
    )
    unsubscribe: Unsubscribe | None = Field(description="to be put into the message")
