"""The entries of a policy that are built on counting and hours: categories, caps, quiet hours."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

from governor.core.model import Basis, FeedbackKind, TrackAction
from governor.core.policy.hours import AllowedHours
from governor.core.policy.values import (
    Count,
    Duration,
    DurationOrZero,
    Flaw,
    Id,
    Match,
    Purpose,
    Section,
    SomeWindow,
    listed,
    quoted,
    wrong,
)

Skippable = Literal[
    "purpose",
    "persuasion",
    "caps",
    "intrusiveness",
    "quiet_hours",
    "oversight",
    "arbitration",
]
Per = Literal["person", "household", "topic", "campaign", "category", "channel"]
Signal = Literal[TrackAction, FeedbackKind]

ASSERTED: frozenset[Basis] = frozenset({"contract", "legal_obligation", "legitimate_interest"})
CONTRACTUAL: frozenset[Basis] = frozenset({"contract", "legal_obligation"})


def _choices(literal: Any, at_least: int = 1) -> WithJsonSchema:
    one = {"type": "string", "enum": list(get_args(literal))}
    several = {"type": "array", "items": one, "minItems": at_least}
    return WithJsonSchema({"anyOf": [one, several]}, mode="validation")


def _may_be_skipped(written: object) -> object:
    if written in ("consent", "validity", "control"):
        raise wrong(f"{quoted(written)} cannot be skipped")
    return written


Bases = Annotated[
    tuple[Basis, ...],
    Field(min_length=1, strict=False),
    BeforeValidator(listed),
    _choices(Basis),
]
Skips = Annotated[
    frozenset[Annotated[Skippable, BeforeValidator(_may_be_skipped)]],
    Field(strict=False),
    BeforeValidator(listed),
    PlainSerializer(sorted, return_type=list[str]),
    _choices(Skippable, at_least=0),
]
Groups = Annotated[
    tuple[Per, ...],
    Field(min_length=1, strict=False),
    BeforeValidator(listed),
    _choices(Per),
]
Signals = Annotated[
    tuple[Signal, ...],
    Field(min_length=1, strict=False),
    BeforeValidator(listed),
    _choices(Signal),
]


class Quota(Section):
    """How many messages of a category one person may get, whatever the category skips."""

    limit: Count = Field(
        description="So many messages of this category to one person; 0 lets nothing through."
    )
    window: Duration = Field(description="In this much time, always rolling: `24h`, `7d`.")
    at_quota: Literal["defer", "suppress", "review"] = Field(
        default="defer",
        description="What happens to one more: `defer` (default) waits for a free slot, `suppress` "
        "drops it, `review` asks a reviewer.",
    )


class Category(Section):
    """A kind of message and the permission that it goes out on."""

    purpose: Purpose = Field(
        description="What people consent to or object to, as `marketing` or `service`."
    )
    basis: Bases = Field(
        default=("consent",),
        description="The grounds on which it may go out, any one is enough. `consent` (default) "
        "and `soft_opt_in` need a grant on record; `contract`, `legal_obligation` and "
        "`legitimate_interest` need none.",
    )
    proof: Literal["required"] | None = Field(
        default=None,
        description="`required`: a grant counts only when its evidence names the notice that was "
        "shown and how consent was given. Absent: the grant is enough.",
    )
    skips: Skips = Field(
        default=frozenset(),
        description="Rules that this category is exempt from, as `caps` or `quiet_hours`; its "
        "sends still count for others. Consent, validity and control cannot be skipped. "
        "Default: none.",
    )
    counts: bool = Field(
        default=True,
        description="`false`: these messages use up no cap and build no pressure. Default: `true`.",
    )
    quota: Quota | None = Field(
        default=None, description="A limit of its own, not skipped with the caps. Absent: none."
    )

    @cached_property
    def contractual(self) -> bool:
        """Tell whether people can neither refuse nor pause it: it rests on contract or law."""
        return not CONTRACTUAL.isdisjoint(self.basis)

    @cached_property
    def asserted(self) -> bool:
        """Tell whether a listed basis needs no grant on record."""
        return not ASSERTED.isdisjoint(self.basis)


class Reserve(Section):
    """Slots of a cap that are kept for what matters most."""

    priority_at_least: Annotated[int, Field(ge=0, le=100)] = Field(
        description="Only messages with at least this priority may take the reserved slots; for "
        "others the limit is lower by so many."
    )
    slots: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        description="How many of the limit's slots are kept for them, fewer than the limit."
    )


def _without(*keys: str) -> dict[str, Any]:
    return {"properties": dict.fromkeys(keys, False)}


class Cap(Section):
    """One limit on what a person or household gets: a number, a distance or a silence."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["limit", "window"], **_without("min_gap", "silence_after")},
                {"required": ["min_gap"], **_without("limit", "silence_after", "window")},
                {"required": ["silence_after", "window"], **_without("limit", "min_gap")},
            ]
        }
    )

    id: Id = Field(
        description="Its name in explanations and metrics: a-z, 0-9, dot, dash, underscore."
    )
    match: Match = Field(
        default=Match(),
        description="Which messages it is about; absent or `{}`: every message.",
    )
    per: Groups = Field(
        default=("person",),
        description="Count separately for each of these; holds `person` (default) or `household`, "
        "what all its people get together (somebody without a household counts alone).",
    )
    limit: Count | None = Field(
        default=None,
        description="At most so many in the window; 0 lets nothing through. Needs `window`.",
    )
    window: SomeWindow | None = Field(
        default=None,
        description="Counted in: `24h`, `7d` reach back from now; `calendar hour`, `day`, `week` "
        "or `month` start anew in the person's own time zone.",
    )
    min_gap: Duration | None = Field(
        default=None, description="At least this long between two messages. Takes no `window`."
    )
    silence_after: Signals | None = Field(
        default=None,
        description="Nothing for as long as `window` after the person did one of these, as "
        "`refuse` or `complained`.",
    )
    at_cap: Literal["defer", "suppress"] = Field(
        default="defer",
        description="What happens to one more: `defer` (default) waits for a free slot, `suppress` "
        "drops it.",
    )
    reserve: Reserve | None = Field(
        default=None,
        description="Keep some slots for messages of high priority. Absent: none are kept.",
    )

    def open_to(self, priority: int) -> int:
        """Return how much of the limit messages of *priority* may use."""
        limit, reserve = self.limit or 0, self.reserve
        if reserve is None or priority >= reserve.priority_at_least:
            return limit
        return limit - reserve.slots

    @cached_property
    def by_household(self) -> bool:
        """Tell whether it counts what a whole household gets."""
        return "household" in self.per and "person" not in self.per

    @classmethod
    def flaws(cls, written: Mapping[str, Any], /) -> Iterator[Flaw]:
        """Hold the cap to one measure, with the window that this measure needs."""
        measures = [key for key in ("limit", "min_gap", "silence_after") if key in written]
        if not measures:
            yield (), "`limit`, `min_gap` or `silence_after` is missing"
        for extra in measures[1:]:
            yield (
                (extra,),
                f"`{extra}` cannot stand beside `{measures[0]}`, make it a cap of its own",
            )
        yield from _window_flaws(written, measures[:1])
        yield from _per_flaws(written, measures[:1])
        if "reserve" in written and measures[:1] != ["limit"]:
            yield ("reserve",), "`reserve` needs a `limit`"
        yield from _reserve_flaws(written)


def _window_flaws(written: Mapping[str, Any], measure: list[str]) -> Iterator[Flaw]:
    if measure == ["min_gap"] and "window" in written:
        yield ("window",), "`window` has no meaning with `min_gap`, leave it out"
    if measure in (["limit"], ["silence_after"]) and "window" not in written:
        yield (), f"`window` is missing, `{measure[0]}` needs one"
    if measure == ["silence_after"] and str(written.get("window", "")).startswith("calendar "):
        yield ("window",), "`silence_after` needs a length of time, such as `60d`"


def _reserve_flaws(written: Mapping[str, Any]) -> Iterator[Flaw]:
    reserve, limit = written.get("reserve"), written.get("limit")
    slots = reserve.get("slots") if isinstance(reserve, Mapping) else None
    if isinstance(slots, int) and isinstance(limit, int) and slots >= limit:
        yield (
            ("reserve", "slots"),
            f"{quoted(slots)} of {quoted(limit)} leaves nothing to others, reserve fewer",
        )


def _per_flaws(written: Mapping[str, Any], measure: list[str]) -> Iterator[Flaw]:
    per = listed(written.get("per", ["person"]))
    if not isinstance(per, list) or not per:
        return
    if "person" not in per and "household" not in per:
        yield ("per",), "`per` needs `person` or `household`"
    for at, name in enumerate(per):
        if name in per[:at]:
            yield ("per", at), f"{quoted(name)} is there twice"
    if measure == ["silence_after"] and per != ["person"]:
        yield ("per",), "`silence_after` is about the person alone, leave `per` out"


class QuietHours(Section):
    """When messages may arrive, on the person's own clock."""

    id: Id = Field(
        description="Its name in explanations and metrics: a-z, 0-9, dot, dash, underscore."
    )
    match: Match = Field(
        default=Match(),
        description="Which messages it is about; absent or `{}`: every message.",
    )
    allow: AllowedHours = Field(
        description="The hours in which messages may arrive: days, ranges (`mon-sat`) or lists "
        "(`mon,wed`), each of the seven days once, and `holiday` (absent: as the weekday). Values: "
        "`none`, `08:00-21:00` or a list of such."
    )
    outside: Literal["defer", "suppress"] = Field(
        default="defer",
        description="What happens outside of them: `defer` (default) waits for the opening, "
        "`suppress` drops it.",
    )
    jitter: DurationOrZero = Field(
        default=0,
        description="Spread what waited over this time after the opening, so that not everything "
        "leaves at once. Default: `0s`, no spreading.",
    )
