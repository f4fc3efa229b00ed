"""A candidate as engines write it: what is asked of it, and the quick way to read one."""

from typing import Any, Self

import msgspec
from pydantic import Field, model_validator

from governor.core import model
from governor.core.instant import parse_instant
from governor.core.model import Identifier, Instant, Wire

_ODD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, msgspec.MsgspecError)
_MOMENTS = ("created_at", "not_before", "expires_at")


class Use(Wire):
    """A piece of personal data that a variant makes use of."""

    attribute: Identifier = Field(description="what is used, such as browsing_history")
    source: model.Source | None = Field(default=None, description="how it came to be known")


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
        return _widened(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _variants_differ(self) -> Self:
        if len({variant.id for variant in self.variants}) < len(self.variants):
            raise ValueError("has two variants with the same id")
        return self


def candidate_of(raw: dict[str, Any]) -> model.Candidate:
    """Read *raw*, which is left as it is; raises pydantic's ValidationError.

    Nearly all are in order and go the quick way, which takes 4 us where the form takes 20. The
    form reads what is unusual and yet allowed, and says of the rest all that is wrong with it.
    """
    try:
        return _quickly(raw)
    except _ODD:
        return _value_of(Candidate.model_validate(raw))


def _value_of(form: Candidate) -> model.Candidate:
    variants = [
        model.Variant(**{**dict(one), "uses": [model.Use(**dict(use)) for use in one.uses]})
        for one in form.variants
    ]
    return model.Candidate(**{**dict(form), "variants": variants})


def _quickly(raw: dict[str, Any]) -> model.Candidate:
    data = _widened(raw)
    read: dict[str, Any] = {
        name: parse_instant(data[name]) for name in _MOMENTS if data.get(name) is not None
    }
    if any("offer_ends_at" in one for one in data["variants"]):
        read["variants"] = [_with_its_end(one) for one in data["variants"]]
    found = msgspec.convert(data | read, model.Candidate)
    several = len(found.variants)
    if several > 1 and len({variant.id for variant in found.variants}) < several:
        raise ValueError
    return found


def _with_its_end(variant: dict[str, Any]) -> dict[str, Any]:
    end = variant.get("offer_ends_at")
    return {**variant, "offer_ends_at": None if end is None else parse_instant(end)}


def _widened(data: dict[str, Any]) -> dict[str, Any]:
    """Turn a top-level channel into one variant with the id `only`."""
    if data.get("channel") is None:
        return data
    if data.get("variants") is not None:
        raise ValueError("has both `channel` and `variants`, which say the same thing twice")
    only = {name: data[name] for name in _VARIANT_FIELDS if name in data}
    return {**data, "variants": [{"id": "only", **only}]}
