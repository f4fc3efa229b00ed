"""The section of a policy that says when a human has to take over."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from governor.core.policy.values import Flaw, Names, Section, listed

HumanSignal = Literal[
    "dismissed", "converted", "replied", "complained", "unsubscribed", "too_much", "less", "more"
]
"""Feedback that a person gives themselves, and that a human may have to answer."""

_SIGNAL = {"type": "string", "enum": list(get_args(HumanSignal))}

HumanSignals = Annotated[
    tuple[HumanSignal, ...],
    Field(min_length=1, strict=False),
    BeforeValidator(listed),
    WithJsonSchema(
        {"anyOf": [_SIGNAL, {"type": "array", "items": _SIGNAL, "minItems": 1}]},
        mode="validation",
    ),
]


class HumanTouch(Section):
    """When automated messages stop until a human has been in touch with the person."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["messages"]}, {"required": ["signals"]}]}
    )

    messages: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="After so many automated messages without a human contact. All that count "
        "are counted, whatever their category; what bounced or failed is not. Absent: however "
        "many there were.",
    )
    signals: HumanSignals | None = Field(
        default=None,
        description="After one of these from the person, as `complained`, `too_much`, `replied`. "
        "Absent: whatever they did.",
    )
    hold: Names = Field(
        description="The categories that are held until then. The others go on as before."
    )
    then: Literal["defer", "review", "suppress"] = Field(
        default="defer",
        description="What happens to them: `defer` (default) waits for the human contact until "
        "the message expires, `review` asks a reviewer, `suppress` drops it.",
    )

    @classmethod
    def flaws(cls, written: Mapping[str, Any], /) -> Iterator[Flaw]:
        """Ask for a reason to hold."""
        if "messages" not in written and "signals" not in written:
            yield (), "`messages` or `signals` is missing: without one nothing is ever held"
