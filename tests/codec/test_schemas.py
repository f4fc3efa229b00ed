"""The published schemas describe what is read and written, and are up to date."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from governor import schemas
from governor.codec.decode import EventKind, Headers, Rejected, decode_event
from governor.codec.encode import (
    dead_letter_headers,
    decision_headers,
    encode_decision,
    encode_released,
    released_headers,
)
from governor.core.incoming import Told
from governor.core.model import ComfortChoice, Profile
from governor.core.resolution import Resolution
from governor.core.standing import Entry
from governor.core.verdict import Finding, Outcome, Score, Verdict
from governor.schemas.values import VALUES, schema_of
from tests.codec.examples import AT, CANDIDATE, CONTROL, FACTS, POLICY, SHORT, decoded

FOLDER = Path(__file__).parents[2] / "schemas"
KINDS: dict[EventKind, str] = {
    "candidate": "candidate",
    "control": "control",
    "cancellation": "cancellation",
    "consent": "consent-change",
    "profile": "profile",
    "feedback": "feedback",
    "review": "review-answer",
}
EXAMPLES = {"candidate": CANDIDATE, "control": CONTROL} | FACTS

ENTRY = Entry(1, AT, "promotional", 2, "email", techniques=("urgency",), offer_ends_at=AT)
FINDING = Finding("caps", "promo", "only", Outcome.DEFER, "cap_reached", True, 2, 2, "24h", AT)
RELEASE = Verdict(Outcome.RELEASE, 0, None, None, (FINDING,), score=Score(1.0, 2.0, 3.0, 4.0))
DEFER = Verdict(Outcome.DEFER, 0, "cap_reached", AT, (FINDING,))


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(read(name))


def test_the_files_are_fresh() -> None:
    assert schemas.stale(FOLDER) == [], "run `governor schema`"
    expected = {f"{name}.json" for name in VALUES} | {"asyncapi.json"}
    assert {path.name for path in FOLDER.iterdir()} == expected


def test_what_is_missing_or_changed_is_stale_until_it_is_written(tmp_path: Path) -> None:
    schemas.write(tmp_path / "new")
    (tmp_path / "new" / "control.json").unlink()
    (tmp_path / "new" / "profile.json").write_text("{}")
    (tmp_path / "new" / "of-somebody-else.json").write_text("{}")
    assert schemas.stale(tmp_path / "new") == ["control.json", "profile.json"]
    schemas.write(tmp_path / "new")
    assert schemas.stale(tmp_path / "new") == []
    assert (tmp_path / "new" / "of-somebody-else.json").exists()


@pytest.mark.parametrize("name", VALUES)
def test_every_schema_is_one_of_its_dialect(name: str) -> None:
    written = read(name)
    assert written["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(written)
    assert written["description"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_examples_of_the_contract_are_valid(kind: EventKind) -> None:
    validator = schema(KINDS[kind])
    validator.validate(EXAMPLES[kind])
    validator.validate(EXAMPLES[kind] | {"a field of a newer engine": [1]})
    for name in read(KINDS[kind])["required"]:
        less = {field: value for field, value in EXAMPLES[kind].items() if field != name}
        assert not validator.is_valid(less)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("candidate", SHORT | {"variants": CANDIDATE["variants"]}),
        ("candidate", {name: SHORT[name] for name in SHORT if name != "channel"}),
        ("candidate", SHORT | {"uses": [{}]}),
        ("candidate", CANDIDATE | {"channel": ""}),
        ("candidate", SHORT | {"id": "x" * 257}),
        ("candidate", CANDIDATE | {"variants": CANDIDATE["variants"] * 5}),
        ("cancellation", {"id": "x", "person": "p", "at": "2026-05-05T10:00:00Z"}),
        ("consent-change", FACTS["consent"] | {"basis": None}),
        ("consent-change", FACTS["consent"] | {"purpose": "*"}),
        ("control", CONTROL | {"scope": {"campain": "x"}}),
        ("decision", {}),
        ("released", CANDIDATE),
    ],
)
def test_what_would_be_refused_is_invalid(name: str, wrong: dict[str, Any]) -> None:
    assert not schema(name).is_valid(wrong)


def test_a_whole_number_is_accepted_however_it_is_written() -> None:
    written = SHORT | {"priority": 70.0}
    schema("candidate").validate(written)
    assert decoded(written).candidate.priority == 70
    chosen = FACTS["profile"] | {"comfort": {"max_per_week": 3.0}}
    schema("profile").validate(chosen)
    told = decode_event("profile", chosen, AT, POLICY)
    assert isinstance(told, Told)
    assert isinstance(told.fact, Profile)
    assert told.fact.comfort == ComfortChoice(max_per_week=3)
    assert not schema("candidate").is_valid(SHORT | {"priority": 70.5})


def test_the_short_form_and_undoing_an_objection_to_everything_are_valid() -> None:
    schema("candidate").validate(SHORT)
    schema("candidate").validate(CANDIDATE | {"uses": "of the engine, since there are variants"})
    schema("candidate").validate(CANDIDATE | {"channel": None})
    schema("candidate").validate(SHORT | {"variants": None})
    undone = FACTS["consent"] | {"action": "unobject", "purpose": "*", "basis": None}
    schema("consent-change").validate(undone)


values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just([]) | st.just({})
)
VALIDATORS = {kind: Draft202012Validator(schema_of(name)) for kind, name in KINDS.items()}


@given(st.sampled_from(sorted(KINDS)), st.data())
def test_what_is_accepted_is_valid(kind: EventKind, data: st.DataObject) -> None:
    base = (
        data.draw(st.sampled_from([SHORT, CANDIDATE])) if kind == "candidate" else FACTS.get(kind)
    )
    base = base or CONTROL
    fields = sorted({*base, *schema_of(KINDS[kind])["properties"], "channel", "uses"})
    changes = st.dictionaries(st.sampled_from(fields), values, max_size=3)
    changed = base | data.draw(changes)
    try:
        decode_event(kind, changed, AT, POLICY)
    except Rejected as rejected:
        if rejected.reason not in ("invalid", "undecodable"):
            VALIDATORS[kind].validate(changed)
    else:
        VALIDATORS[kind].validate(changed)


@pytest.mark.parametrize("verdict", [RELEASE, DEFER], ids=["release", "defer"])
def test_decisions_are_valid_as_published(verdict: Verdict) -> None:
    entry = ENTRY if verdict is RELEASE else None
    for reconstructed in (False, True):
        resolution = Resolution(
            decoded(SHORT),
            "k",
            verdict,
            "d-1",
            "9f3c",
            1,
            3,
            AT,
            entry=entry,
            reconstructed=reconstructed,
        )
        schema("decision").validate(json.loads(encode_decision(resolution, person="p")))


@pytest.mark.parametrize("raw", [SHORT, CANDIDATE], ids=["short", "whole"])
def test_released_messages_are_valid_as_published(raw: dict[str, Any]) -> None:
    resolution = Resolution(decoded(raw), "k", RELEASE, "d-1", "9f3c", 1, 3, AT, entry=ENTRY)
    link = {"url": "https://example.org/u", "one_click": True}
    for released in (
        encode_released(resolution, None, None),
        encode_released(resolution, link, AT),
    ):
        schema("released").validate(json.loads(released))


def resolved(document: dict[str, Any], reference: dict[str, str]) -> Any:
    """Follow a reference inside *document*."""
    found: Any = document
    for step in reference["$ref"].removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_every_topic_of_the_contract_is_a_channel_with_its_key_and_direction() -> None:
    whole = read("asyncapi")
    assert whole["asyncapi"] == "3.0.0"
    found: dict[str, tuple[str, str]] = {}
    for operation in whole["operations"].values():
        channel = resolved(whole, operation["channel"])
        (message,) = (resolved(whole, one) for one in operation["messages"])
        message = resolved(whole, message)
        key = message["bindings"]["kafka"]["key"]["description"]
        directions, _ = found.get(channel["address"], ("", ""))
        found[channel["address"]] = (f"{directions} {operation['action']}".strip(), key)
        assert channel["bindings"]["kafka"]["topic"] == channel["address"]
    waiting = "the pseudonym and the message, with `|` between"
    assert found == {
        "outreach.candidates": ("receive", "the person"),
        "outreach.candidates.urgent": ("receive", "the person"),
        "outreach.cancellations": ("receive", "the person"),
        "outreach.released": ("send", "the person"),
        "outreach.decisions": ("send", "the pseudonym of the person"),
        "outreach.feedback": ("receive", "the person"),
        "outreach.handovers": ("send", "the person"),
        "people.consents": ("receive", "the person"),
        "people.profiles": ("receive", "the person"),
        "governor.reviews": ("receive", "the person or their pseudonym"),
        "governor.control": ("receive", "`control`"),
        "governor.waiting": ("send receive", waiting),
        "outreach.dead-letters": ("send", "as it came"),
    }


def test_every_reference_of_the_document_leads_somewhere() -> None:
    whole = read("asyncapi")
    referred = set()

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node and node["$ref"].startswith("#"):
                assert resolved(whole, node)
            elif "$ref" in node:
                referred.add(node["$ref"])
            for inner in node.values():
                follow(inner)
        elif isinstance(node, list):
            for inner in node:
                follow(inner)

    follow(whole)
    assert referred == {f"./{name}.json" for name in VALUES}


def test_the_documented_headers_are_those_that_are_written() -> None:
    trace = [("traceparent", b"00"), ("tracestate", b"a")]
    resolution = Resolution(decoded(SHORT, trace), "k", RELEASE, "d-1", "9f3c", 1, 3, AT)
    written: dict[str, Headers] = {
        "Released": released_headers(resolution),
        "Decisions": decision_headers(resolution),
        "DeadLetters": dead_letter_headers([], "invalid", "t", 0, 0, AT),
    }
    messages = read("asyncapi")["components"]["messages"]
    for title, headers in written.items():
        assert {name for name, _ in headers} == set(messages[title]["headers"]["properties"])


def test_only_what_waits_is_compacted() -> None:
    compacted = {
        channel["address"]
        for channel in read("asyncapi")["channels"].values()
        if "compact" in channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"]
    }
    assert compacted == {"governor.waiting"}


def test_the_writing_is_the_same_every_time() -> None:
    one = msgspec.json.encode([schema_of(name) for name in VALUES])
    assert one == msgspec.json.encode([schema_of(name) for name in VALUES])
