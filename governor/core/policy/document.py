"""The policy as a whole: the one value that every rule reads its limits from."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, RootModel
from pydantic_core import PydanticKnownError

from governor.core.instant import DAY, HOUR
from governor.core.policy.checks import RULES, flaws_between
from governor.core.policy.contact import HumanTouch
from governor.core.policy.entries import Cap, Category, QuietHours
from governor.core.policy.values import (
    Country,
    Depth,
    Duration,
    DurationOrZero,
    Flaw,
    Id,
    Match,
    Name,
    Section,
    Share,
    listed,
    quoted,
)
from governor.core.policy.weighing import (
    Fairness,
    Intrusiveness,
    PersonalData,
    Persuasion,
)

CHANNELS = frozenset({"email", "sms", "push", "in_app", "web", "whatsapp", "call", "mail"})


class Defaults(Section):
    """What holds where a person or a message says nothing."""

    country: Country | None = Field(
        default=None,
        description="Country of people whose profile names none, two letters, as `DE`.",
    )
    time_zone: Name | None = Field(
        default=None,
        description="Clock of people of whom no zone is known, as `Europe/Berlin`.",
    )
    expires_after: Duration = Field(
        default=7 * DAY,
        description="A message without an end is dropped this long after it came. Default: `7d`.",
    )


class Retention(Section):
    """How long governor remembers."""

    verdicts: Duration = Field(
        default=72 * HOUR,
        description="An id that comes again within this time keeps its verdict; an older message "
        "is never judged anew. Default: `72h`.",
    )
    history: Duration = Field(
        default=180 * DAY,
        description="How long sends and consents are kept, no window is longer. Default: `180d`.",
    )


class Arbitration(Section):
    """Which of several messages to one person goes first."""

    window: DurationOrZero = Field(
        default=0,
        description="A message waits this long for others to the same person, counted from the "
        "first; then they are judged together, the best first. Exempt: the urgent topic, and "
        "categories that skip `arbitration`. Default: `0s`, no waiting.",
    )
    rank: Annotated[
        tuple[Literal["priority", "value", "created_at"], ...],
        Field(min_length=1, strict=False),
    ] = Field(
        default=("priority", "value", "created_at"),
        description="What decides which of several messages goes first: the first of these that "
        "differs, at last the id. Default: priority, value, created_at.",
    )
    losers: Literal["wait", "suppress"] = Field(
        default="wait",
        description="What becomes of a message that could go but for a better one of the same "
        "window: `wait` (default) lets it go later as its limits allow, `suppress` drops it.",
    )

    @classmethod
    def flaws(cls, written: Mapping[str, Any], /) -> Iterator[Flaw]:
        """Refuse a key that decides twice."""
        found = listed(written.get("rank"))
        ranked = found if isinstance(found, list) else []
        for at, name in enumerate(ranked):
            if name in ranked[:at]:
                yield ("rank", at), f"{quoted(name)} is there twice"


class When(Match):
    """Which messages a review rule sends to a reviewer."""

    depth_at_least: Depth | None = Field(
        default=None,
        description="Only variants that are at least this personal, 0 to 5. Absent: all.",
    )


class ReviewRule(Section):
    """One reason for which a human looks before a message goes out."""

    id: Id = Field(
        description="Its name in explanations and metrics: a-z, 0-9, dot, dash, underscore."
    )
    when: When = Field(
        default=When(), description="Which messages it is about; absent or `{}`: every message."
    )
    sample: Share = Field(
        default=1.0,
        description="The share of them that is taken, 0 to 1. Default: 1, all of them.",
    )
    reviewers: Annotated[int, Field(ge=1, le=100)] = Field(
        default=1, description="So many different reviewers must approve. Default: 1."
    )


class Review(Section):
    """What needs a human eye, and for how long it waits for one."""

    rules: Annotated[tuple[ReviewRule, ...], Field(strict=False)] = Field(
        default=(),
        description="The reasons for which a message goes to a reviewer. Default: none.",
    )
    deadline: Duration = Field(
        default=DAY, description="How long a message waits for its answer. Default: `24h`."
    )
    on_deadline: Literal["suppress", "release"] = Field(
        default="suppress",
        description="What happens then: `suppress` (default) drops it, `release` lets it go if "
        "every other rule agrees.",
    )


class Unavailable(Section):
    """What happens while governor cannot know."""

    ledger: Literal["hold", "suppress"] = Field(
        default="hold",
        description="While the ledger is away: `hold` (default) keeps messages until it is back, "
        "`suppress` drops them. Nothing is ever released then.",
    )


class Modes(RootModel[Mapping[str, Literal["enforce", "shadow"]]]):
    """Which rules are only watched: judged, counted and shown, without effect."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        json_schema_extra={
            "propertyNames": {"pattern": f"^({'|'.join(RULES)})(\\.[a-z0-9._-]+)?$"}
        },
    )

    def enforced(self, rule: str, id: str) -> bool:
        """Tell whether a finding binds; the mode of `rule.id` goes before that of `rule`."""
        modes = self.root
        return not modes or modes.get(f"{rule}.{id}", modes.get(rule, "enforce")) == "enforce"


def _whole(written: Any) -> Any:
    # For the literal both are equal to 1.
    if isinstance(written, bool | float):
        raise PydanticKnownError("int_type")
    return written


class Policy(Section):
    """All that ops decide: what may be said to whom, how often, when and on which ground."""

    version: Annotated[Literal[1], BeforeValidator(_whole)] = Field(
        description="The version of this file's form: 1."
    )
    presets: Annotated[tuple[Id, ...], Field(strict=False)] = Field(
        default=(),
        description="Ready-made rules of a law or a mailbox provider, as `eu-gdpr`. Default: none.",
    )
    defaults: Defaults = Field(
        default=Defaults(), description="What holds where a person or a message says nothing."
    )
    retention: Retention = Field(default=Retention(), description="How long governor remembers.")
    categories: Annotated[Mapping[Name, Category], Field(min_length=1)] = Field(
        description="The kinds of messages; a message of a kind that is not listed is refused."
    )
    caps: Annotated[tuple[Cap, ...], Field(strict=False)] = Field(
        default=(),
        description="How much one person or household gets. Every cap that matches must pass.",
    )
    quiet_hours: Annotated[tuple[QuietHours, ...], Field(strict=False)] = Field(
        default=(),
        description="When messages may arrive. Every entry that matches must allow it.",
    )
    intrusiveness: Intrusiveness | None = Field(
        default=None,
        description="How much may weigh on one person at a time. Absent: no such limit.",
    )
    personal_data: PersonalData | None = Field(
        default=None, description="What a message may know of the person. Absent: no such rule."
    )
    persuasion: Persuasion | None = Field(
        default=None,
        description="Which pressing is allowed, and to whom. Absent: no such rule.",
    )
    arbitration: Arbitration | None = Field(
        default=None,
        description="Which of several messages goes first. Absent: each as it comes.",
    )
    review: Review = Field(
        default=Review(), description="What needs a human eye. Absent: nothing does."
    )
    human_touch: HumanTouch | None = Field(
        default=None,
        description="When a human has to take over from the machine. Absent: never.",
    )
    fairness: Fairness | None = Field(
        default=None,
        description="When groups are treated too differently. Absent: no such rule.",
    )
    unavailable: Unavailable = Field(
        default=Unavailable(), description="What happens while governor cannot know."
    )
    modes: Modes = Field(
        default=Modes({}),
        description="Put a rule (`caps`) or an entry (`caps.push-gap`) in `shadow`: judged, "
        "counted and shown, not enforced. Default: `enforce`. Consent, validity and control are "
        "always enforced.",
    )

    @cached_property
    def revision(self) -> str:
        """Name this policy by what it says, whatever its comments and the order of its keys."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @cached_property
    def channels(self) -> frozenset[str]:
        """List the channels that a message may name: the known and those that the policy names."""
        matches: list[Match] = [cap.match for cap in self.caps]
        matches += [hours.match for hours in self.quiet_hours]
        matches += [rule.when for rule in self.review.rules]
        named = [match.channel for match in matches if match.channel is not None]
        weighed = self.intrusiveness.channels if self.intrusiveness else ()
        return CHANNELS.union(*named, weighed)

    @cached_property
    def by_household(self) -> bool:
        """Tell whether any cap counts by household, so that households are written down."""
        return any(cap.by_household for cap in self.caps)

    @classmethod
    def flaws(cls, written: Mapping[str, Any], /) -> Iterator[Flaw]:
        """Name what the sections say against each other."""
        yield from flaws_between(written)
