"""The sections of a policy that weigh how personal, intrusive and pressing a message is."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from governor.core.instant import DAY, HOUR
from governor.core.policy.values import (
    Count,
    Depth,
    Duration,
    Factor,
    Name,
    Points,
    Purpose,
    Section,
    Share,
    listed,
)

SomeNames = Annotated[
    frozenset[Name],
    Field(strict=False),
    BeforeValidator(listed),
    PlainSerializer(sorted, return_type=list[str]),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        mode="validation",
    ),
]


class Comfort(Section):
    """The ceilings of people who said how much they want."""

    low: Points = Field(
        default=30.0, description="Ceiling for people who want little. Default: 30."
    )
    normal: Points = Field(
        default=60.0, description="Ceiling for people who want the usual. Default: 60."
    )
    high: Points = Field(default=80.0, description="Ceiling for people who want much. Default: 80.")
    learn: bool = Field(
        default=True,
        description="`true` (default): dismissals and complaints lower a person's ceiling, clicks "
        "raise it slowly, never above what they said themselves.",
    )


class Sources(Section):
    """How much a use weighs by where the attribute came from."""

    declared: Factor = Field(
        default=0.7, description="The person told it themselves. Default: 0.7."
    )
    observed: Factor = Field(default=1.0, description="Seen in what they did. Default: 1.0.")
    third_party: Factor = Field(
        default=1.2, description="Bought or shared by others. Default: 1.2."
    )
    inferred: Factor = Field(default=1.4, description="Concluded by a model. Default: 1.4.")


class Repeat(Section):
    """How repeats of a topic weigh."""

    step: Factor = Field(
        default=0.25, description="Added for each message on the same topic. Default: 0.25."
    )
    window: Duration = Field(default=7 * DAY, description="Looking back this far. Default: `7d`.")
    max: Annotated[float, Field(ge=1, le=1_000, allow_inf_nan=False)] = Field(
        default=2.0, description="The most that repeats multiply by. Default: 2."
    )


class Learned(Section):
    """How what people do moves their ceiling."""

    complained: Share = Field(
        default=0.5, description="The ceiling is multiplied by this. Default: 0.5."
    )
    unsubscribed: Share = Field(
        default=0.7, description="The ceiling is multiplied by this. Default: 0.7."
    )
    too_much: Share = Field(
        default=0.7, description="The ceiling is multiplied by this. Default: 0.7."
    )
    dismissed: Share = Field(
        default=0.97, description="The ceiling is multiplied by this. Default: 0.97."
    )
    clicked: Share = Field(default=0.02, description="Added to the factor. Default: 0.02.")
    converted: Share = Field(default=0.02, description="Added to the factor. Default: 0.02.")
    replied: Share = Field(default=0.02, description="Added to the factor. Default: 0.02.")
    lowest: Share = Field(
        default=0.5, description="The factor never falls below this. Default: 0.5."
    )
    highest: Annotated[float, Field(ge=1, le=10, allow_inf_nan=False)] = Field(
        default=1.25, description="The factor never rises above this. Default: 1.25."
    )
    half_life: Duration = Field(
        default=90 * DAY,
        description="In this time half of what was learned is forgotten. Default: `90d`.",
    )


class Intrusiveness(Section):
    """How much may weigh on one person at a time, in points."""

    ceiling: Points = Field(
        default=60.0, description="Points, 0 to 100, for people who said nothing. Default: 60."
    )
    half_life: Duration = Field(
        default=3 * DAY,
        description="In this time the weight of what was sent halves. Default: `3d`.",
    )
    above: Literal["defer", "review", "suppress"] = Field(
        default="defer",
        description="What happens above the ceiling: `defer` (default) waits, `review` asks a "
        "reviewer, `suppress` drops it. A quieter variant is tried first.",
    )
    channels: Mapping[Name, Share] = Field(
        default={"call": 1.0, "sms": 0.7, "push": 0.5, "email": 0.3, "in_app": 0.2},
        description="How obtrusive each channel is, 0 to 1; an unlisted one is 1. Replaces the "
        "default table as a whole.",
    )
    depth: Mapping[Name, Depth] = Field(
        default={
            "segment": 1,
            "browsing_history": 2,
            "name": 3,
            "purchase_history": 4,
            "location": 4,
            "health": 5,
        },
        description="How personal each attribute is, 0 to 5; an unlisted one is 5. Replaces the "
        "default table as a whole.",
    )
    comfort: Comfort = Field(
        default=Comfort(), description="Ceilings of people who said what they want."
    )
    base: Factor = Field(
        default=20.0,
        description="Points of the plainest message on the loudest channel. Default: 20.",
    )
    depth_weight: Factor = Field(default=0.6, description="How much depth adds. Default: 0.6.")
    interaction: Factor = Field(
        default=0.8, description="How much a loud channel and depth together add. Default: 0.8."
    )
    sources: Sources = Field(
        default=Sources(), description="Weight of an attribute by where it came from."
    )
    justification: Share = Field(
        default=0.1,
        description="Taken off the depth when the message says why it knows. Default: 0.1.",
    )
    edge_factor: Factor = Field(
        default=1.5, description="Multiplies near the edges of the allowed hours. Default: 1.5."
    )
    edge: Duration = Field(default=HOUR, description="How near an edge is near. Default: `1h`.")
    repeat: Repeat = Field(default=Repeat(), description="How repeats of one topic weigh.")
    learned: Learned = Field(
        default=Learned(), description="How what people do moves their ceiling."
    )


class PersonalData(Section):
    """What a message may know of the person."""

    purpose: Purpose = Field(
        default="personalisation",
        description="Consent to this is asked for when a variant uses more than `free`. Default: "
        "`personalisation`.",
    )
    free: Depth = Field(
        default=0,
        description="Attributes up to this depth, 0 to 5, need no consent. Default: 0.",
    )
    sensitive: SomeNames = Field(
        default=frozenset(),
        description="Attributes that need consent to the purpose `sensitive` and may never be "
        "inferred or bought. Default: none.",
    )


class Urgency(Section):
    """What a hurry must be backed by."""

    needs: Literal["offer_ends_at"] = Field(
        default="offer_ends_at",
        description="A variant that hurries must say when its offer really ends.",
    )


class Budget(Section):
    """How often one person may be pressed."""

    limit: Count = Field(description="So many messages that use any technique, to one person.")
    window: Duration = Field(description="In this much time, always rolling.")


class Persuasion(Section):
    """Which pressing is allowed, and to whom; each part holds where its key is there."""

    urgency: Urgency | None = Field(
        default=None, description="Urgency and scarcity need a true end of the offer."
    )
    budget: Budget | None = Field(default=None, description="How often one person may be pressed.")
    vulnerable: SomeNames | None = Field(
        default=None,
        description="People with one of these, and minors, get no variant that uses a technique.",
    )


class Fairness(Section):
    """When groups of people are treated so differently that somebody must look."""

    groups: Annotated[tuple[Name, ...], Field(min_length=1, strict=False)] = Field(
        description="Compare these groups of the profiles, as `age_band`."
    )
    window: Duration = Field(default=DAY, description="Over this much time. Default: `24h`.")
    minimum_cell: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        default=30, description="Groups with fewer messages are not judged. Default: 30."
    )
    ratio_below: Share = Field(
        default=0.8,
        description="A group with less than this share of the best one raises it. Default: 0.8.",
    )
    then: Literal["review"] = Field(
        default="review", description="What happens to the campaign: `review`."
    )
