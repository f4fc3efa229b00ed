"""Every code has words for ops and for the person, and `explain` finds what was decided."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from governor.core.published import Code
from governor.explain import OPS, PERSON, for_ops, for_person, texts
from tests.cli.commands import POLICY, ROOT, events, governor, written

# The contract's list.
CODES = """
no_consent consent_withdrawn consent_expired consent_unproven objected personalisation_refused
sensitive_data minor cap_reached min_gap silence_after_refusal bypass_quota quiet_hours
too_intrusive person_paused false_urgency pressure_budget vulnerable outranked paused_campaign
kill_switch needs_review review_refused review_expired expired cancelled not_yet household_cap
ledger_unavailable policy_fault needs_human
""".split()


def finding(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"rule": "caps", "id": "x", "variant": "v", "outcome": "suppress"}
    found |= {"enforced": True, "code": "cap_reached", "limit": 2, "observed": 3}
    return {**found, "window": None, "eligible_at": None, **more}


def decision(*findings: dict[str, Any], **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"outcome": "suppress", "variant": "v", "channel": "email"}
    made |= {"code": findings[0]["code"], "attempt": 1, "policy": "r", "eligible_at": None}
    made |= {"decided_at": "2026-05-05T10:00:00.000Z", "findings": list(findings)}
    return {**made, **more}


def test_the_codes_with_words_are_those_of_the_contract() -> None:
    assert set(OPS) == set(CODES)
    assert set(PERSON) == set(CODES)


def test_the_codes_are_a_closed_list_in_schema_and_documentation() -> None:
    assert set(get_args(Code)) == set(CODES)
    schema = json.loads((ROOT / "schemas" / "decision.json").read_text())
    for value in (schema, schema["$defs"]["PublishedFinding"]):
        words = [one.get("enum") for one in value["properties"]["code"]["anyOf"]]
        assert words == [list(get_args(Code)), None]
    table = (ROOT / "docs" / "codes.md").read_text()
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(get_args(Code))


def test_every_code_that_a_rule_gives_has_words() -> None:
    rules = (ROOT / "governor" / "core").rglob("*.py")
    given = {code for path in rules for code in re.findall(r'code="(\w+)"', path.read_text())}
    assert given
    assert given <= set(OPS)


@pytest.mark.parametrize("code", CODES)
def test_every_code_gives_a_whole_sentence_with_and_without_numbers(code: str) -> None:
    for values in ({}, {"limit": None, "observed": None}, {"limit": "a or b", "observed": "c"}):
        one = decision(finding(code=code, window="7d", **values))
        [text] = texts(one)
        assert text.startswith("caps x, variant v: suppressed, ")
        assert "{" not in text
        assert "_" not in for_person(one)
        assert for_person(one).endswith(".")


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (finding(window="24h"), "3 of 2 are used up in 24h"),
        (
            finding(code="min_gap", limit=14_400.0, observed=5_400.0),
            "the last message was 1 h 30 min ago; at least 4 h must lie between",
        ),
        (
            finding(code="silence_after_refusal", observed=90_061.0, window="60d"),
            "the person said no 1 d 1 h ago; then there is silence for 60d",
        ),
        (
            finding(code="no_consent", limit="consent or soft_opt_in"),
            "needs consent or soft_opt_in",
        ),
        (
            finding(eligible_at="2026-05-06T08:00:00Z"),
            "possible from 2026-05-06T08:00:00Z",
        ),
        (finding(enforced=False), "(shadow: not enforced)"),
        (
            finding(rule="arbitration", id="losers", code="outranked", limit=None, observed=1),
            "better messages to the person went first in the same window: 1",
        ),
        (
            finding(outcome="release", code=None, observed=1, window="24h"),
            "caps x, variant v: passed, 1 of 2 in 24h",
        ),
    ],
)
def test_a_finding_says_the_limit_what_was_observed_and_when(
    found: dict[str, Any], says: str
) -> None:
    assert says in texts(decision(found))[0]


def test_ops_read_first_what_decided() -> None:
    shadow = finding(id="shadow", enforced=False)
    passed = finding(id="passed", outcome="release", code=None)
    [head, *rest] = for_ops(decision(passed, shadow, finding(id="real"), code="cap_reached"))
    assert "suppressed, variant v by email" in head
    assert [line.split(",")[0] for line in rest] == [
        "* caps real",
        "- caps shadow",
        "- caps passed",
    ]


def test_the_person_reads_what_became_of_it_and_from_when_on() -> None:
    basis = finding(rule="consent", id="basis", outcome="release", code=None, limit="consent")
    released = for_person(decision(basis, outcome="release"))
    assert released.startswith("It was sent to you by email on the ground of consent")
    later = decision(finding(), outcome="defer", eligible_at="2026-05-06T08:00:00Z")
    assert for_person(later).endswith("It may come from 2026-05-06T08:00:00Z on.")


def played() -> None:
    written("p.yaml", POLICY)
    night = "2026-05-05T22:00:00Z"
    events(("2026-05-05T09:00:00Z", "consent", {}), (night, "candidate", {}))
    arguments = ["--policy", "p.yaml", "--events", "events.jsonl", "--out", "d.jsonl"]
    assert governor("simulate", *arguments).exit_code == 0


def test_explain_tells_every_decision_on_a_message() -> None:
    played()
    result = governor("explain", "m-2", "--decisions", "d.jsonl")
    assert result.exit_code == 0
    assert result.stdout.count("m-2 of p-1") == 2
    assert "* quiet_hours day" in result.stdout
    assert "It may come from 2026-05-06T08:00:00Z on." in result.stdout
    assert "It was sent to you by email" in result.stdout


def test_explain_gives_json_with_its_texts() -> None:
    played()
    found = json.loads(governor("explain", "m-2", "--decisions", "d.jsonl", "--json").stdout)
    assert [one["outcome"] for one in found] == ["defer", "release"]
    assert found[0]["text"]["person"].startswith("It has not been sent yet.")


def test_a_decision_that_was_published_again_is_told_once_as_it_was_first() -> None:
    played()
    deferred, released = Path("d.jsonl").read_text().splitlines()
    again = json.dumps(json.loads(deferred) | {"reconstructed": True})
    written("d.jsonl", f"{again}\n{deferred}\n{released}\n{again}\n{released}\n")
    found = json.loads(governor("explain", "m-2", "--decisions", "d.jsonl", "--json").stdout)
    assert [one["outcome"] for one in found] == ["defer", "release"]
    assert not any("reconstructed" in one for one in found)


def test_whom_the_topic_knows_by_a_pseudonym_only_is_not_looked_for_without_the_key() -> None:
    result = governor("explain", "m-2", "--person", "p-1")
    assert result.exit_code == 2
    assert result.stderr.startswith("GOVERNOR_PSEUDONYM_KEY: is missing")


@pytest.mark.parametrize("whose", [["m-9"], ["m-2", "--person", "p-9"]])
def test_a_message_without_a_decision_is_1(whose: list[str]) -> None:
    played()
    result = governor("explain", *whose, "--decisions", "d.jsonl")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"there is no decision on `{whose[0]}`")


def test_what_is_no_decision_is_3_with_its_line() -> None:
    written("d.jsonl", '\n{"id": 1}\n')
    result = governor("explain", "m-2", "--decisions", "d.jsonl")
    assert result.exit_code == 3
    assert result.stderr == "d.jsonl:2: is no decision\n"
