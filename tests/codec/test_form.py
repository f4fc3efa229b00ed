"""The quick way to read a candidate and the form agree on whatever is written."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from governor.core import form, model
from governor.core.form import candidate_of
from tests.codec.examples import CANDIDATE, SHORT
from tests.fuzz.nonsense import changed

LATE = {**CANDIDATE["variants"][0], "offer_ends_at": "2026-05-06T22:00:00.0019+02:00"}
TWICE = [*CANDIDATE["variants"], CANDIDATE["variants"][0]]


def by_the_form(raw: dict[str, Any]) -> str | list[Any]:
    try:
        read = form.Candidate.model_validate(raw)
    except ValidationError as error:
        return str(error)
    return [*read.model_dump().items()]


def in_fact(raw: dict[str, Any]) -> str | list[Any]:
    try:
        read = candidate_of(raw)
    except ValidationError as error:
        return str(error)
    assert type(read) is model.Candidate
    plain = form.Candidate.model_construct(**_plain(read)).model_dump(warnings=False)
    return [*plain.items()]


def _plain(value: Any) -> Any:
    if isinstance(value, model.Candidate | model.Variant | model.Use):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return [_plain(one) for one in value] if isinstance(value, list) else value


@given(st.integers(0, 2**63), st.sampled_from([CANDIDATE, SHORT]))
def test_the_quick_way_and_the_form_agree(seed: int, base: dict[str, Any]) -> None:
    raw = changed(Random(seed), base)
    before = json.dumps(raw)
    assert repr(in_fact(raw)) == repr(by_the_form(raw))
    assert json.dumps(raw) == before


@pytest.mark.parametrize(
    "change",
    [
        {"priority": None, "value": None, "model": None, "payload": None},
        {"priority": True},
        {"priority": 101},
        {"value": 5},
        {"value": 10**400},
        {"value": "1"},
        {"person": "p" * 65},
        {"person": "\u00e9" * 128},
        {"person": "\u00e9" * 129},
        {"created_at": 1_777_975_200_000},
        {"not_before": 1_777_975_200_000},
        {"variants": []},
        {"variants": "offer_ends_at"},
        {"variants": ["offer_ends_at"]},
        {"variants": [{**LATE, "offer_ends_at": 5}]},
        {"variants": [{**LATE, "offer_ends_at": None, "uses": None, "ai_generated": None}]},
        {"variants": [LATE]},
        {"variants": TWICE},
        {"variants": TWICE * 3},
        {"channel": None},
        {"channel": "email"},
    ],
)
def test_the_two_agree_on_what_is_unusual(change: dict[str, Any]) -> None:
    raw = CANDIDATE | change
    assert repr(in_fact(raw)) == repr(by_the_form(raw))


@pytest.mark.parametrize("raw", [CANDIDATE, SHORT])
def test_what_is_in_order_goes_the_quick_way(
    raw: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(form.Candidate, "model_validate", None)
    assert candidate_of(raw).id == raw["id"]
