"""A human takes over: what is held, whom the CRM hears of, and that a crash says it once more."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from governor.cli import main
from governor.config import topics
from tests.e2e.collector import Json, Out
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import NAMES, Stage, people
from tests.e2e.parity import command, compare, in_kafkas_order
from tests.e2e.values import candidate, consent, feedback, moment, policy

CRASHING = [sys.executable, str(Path(__file__).with_name("crashing.py"))]
SECTION = {"messages": 3, "signals": ["too_much", "replied"], "hold": ["promotional"]}


def rules(**more: Any) -> Json:
    return policy(caps=[], human_touch=SECTION, **more)


def handovers(stage: Stage, person: str) -> list[Out]:
    return stage.found(topics.HANDOVERS, lambda out: out.key == person.encode())


def governor(stage: Stage, *arguments: str) -> str:
    result = CliRunner(env=stage.settings).invoke(main, list(arguments))
    assert result.exit_code == 0, result.stderr
    assert "replies" not in result.stderr
    return result.stdout


def test_a_reply_holds_what_is_automated_and_the_crm_hears_of_it_once(
    make_stage: MakeStage,
) -> None:
    stage = make_stage(rules())
    worker = stage.worker().wait_until_ready()
    [name] = people("replies", 1)
    stage.tell(topics.CONSENTS, consent(name))
    stage.tell(topics.CANDIDATES, candidate(name, "m-1", channel="push"))
    assert stage.final(name, "m-1")["outcome"] == "release"
    reply = feedback(name, "m-1", "replied")
    stage.tell(topics.FEEDBACK, reply, reply, feedback(name, "m-1", "too_much"))
    stage.wait_for(lambda: handovers(stage, name))
    stage.tell(
        topics.CANDIDATES, candidate(name, "m-2"), candidate(name, "m-3", category="service")
    )
    held = stage.decision(name, "m-2")
    assert (held["outcome"], held["code"], held["eligible_at"]) == ("defer", "needs_human", None)
    assert stage.decision(name, "m-3")["outcome"] == "release"

    first = handovers(stage, name)[0]
    assert first.json == {
        "id": (first.header("ce_id") or b"").decode(),
        "person": name,
        "why": "replied",
        "since": reply["at"],
        "message": "m-1",
        "campaign": None,
        "channel": "push",
    }
    assert first.header("ce_type") == b"outreach.handed-over.v1"
    assert first.header("content-type") == b"application/json"
    # The reply was read twice, and whoever reads it twice says it twice, under one id.
    assert {out.header("ce_id") for out in handovers(stage, name)} == {first.header("ce_id")}
    assert worker.metric("governor_handovers_total", why="replied", enforced="true") == 1

    said = governor(stage, "explain", "m-2")
    assert "a human has to be in touch with the person first; since the last time: replied" in said
    shown = governor(stage, "person", "show", name)
    assert "a human is to be in touch first: `replied` since" in shown
    assert "handed over" in shown
    assert "m-2 of spring by email: defer needs_human" in shown
    assert name not in shown

    told = feedback(name, first.json["id"], "human_contacted")
    stage.tell(topics.FEEDBACK, told)
    assert stage.final(name, "m-2")["outcome"] == "release"


def test_one_message_too_many_hands_over_and_in_shadow_it_is_only_counted(
    make_stage: MakeStage,
) -> None:
    stage = make_stage(rules(modes={"human_touch.signals": "shadow"}))
    worker = stage.worker().wait_until_ready()
    [name, other] = people("too-many", 2)
    stage.tell(topics.CONSENTS, consent(name), consent(other))
    stage.tell(topics.FEEDBACK, feedback(other, "x", "replied"))
    for number in range(4):
        stage.tell(topics.CANDIDATES, candidate(name, f"m-{number}"))
        stage.decision(name, f"m-{number}")
    assert stage.decisions(name, "m-3")[0]["code"] == "needs_human"
    [out] = stage.wait_for(lambda: handovers(stage, name))
    assert (out.json["why"], out.json["message"], out.json["campaign"]) == (
        "messages",
        "m-2",
        "spring",
    )
    stage.tell(topics.CANDIDATES, candidate(other, "m-1"))
    assert stage.final(other, "m-1")["outcome"] == "release"
    assert handovers(stage, other) == []
    assert worker.metric("governor_handovers_total", why="replied", enforced="false") == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_around_the_publishing_hands_over_all_the_same(stage: Stage, when: str) -> None:
    stage.rule_by(rules())
    names = people(f"handed-{when}", 10)
    stage.tell(topics.CONSENTS, *map(consent, names))
    for number in range(3):
        stage.tell(topics.CANDIDATES, *(candidate(one, f"m-{number}") for one in names))
    crashed = stage.worker([*CRASHING, when, "1"], instance="w")
    assert crashed.wait() == -signal.SIGKILL
    stage.worker(instance="w").wait_until_ready()
    stage.wait_for(lambda: all(handovers(stage, one) for one in names))
    stage.wait_for(lambda: not stage.uncommitted())
    for one in names:
        values = [out.json for out in handovers(stage, one)]
        assert all(value == values[0] for value in values)
        assert values[0]["message"] == "m-2"


def test_a_ledger_that_was_rebuilt_holds_the_same_people_and_hands_nobody_over_again(
    make_stage: MakeStage,
) -> None:
    stage = make_stage(rules())
    worker = stage.worker().wait_until_ready()
    [name] = people("rebuilt", 1)
    stage.tell(topics.CONSENTS, consent(name))
    stage.tell(topics.CANDIDATES, candidate(name, "m-1", content={"text": "hello"}))
    stage.decision(name, "m-1")
    stage.tell(topics.FEEDBACK, feedback(name, "m-1", "too_much"))
    stage.wait_for(lambda: handovers(stage, name))
    stage.wait_for(lambda: not stage.uncommitted())
    worker.stop()
    governor(stage, "ledger", "rebuild")
    governor(stage, "ledger", "verify")
    again = stage.worker().wait_until_ready()
    same = {"content": {"text": "hello"}}
    stage.tell(topics.CANDIDATES, candidate(name, "m-2"))
    stage.tell(topics.CANDIDATES, candidate(name, "m-3", category="transactional", **same))
    assert stage.decision(name, "m-2")["code"] == "needs_human"
    assert stage.decision(name, "m-3")["outcome"] == "release"
    assert len(handovers(stage, name)) == 1
    assert again.metric("governor_resubmissions_total", category="transactional") == 1


def test_simulate_holds_and_counts_what_the_worker_holds_and_tells(make_stage: MakeStage) -> None:
    stage = make_stage(rules())
    at = [f"2026-05-05T{hour:02}:00:00.000Z" for hour in range(9, 20)]
    contacted = feedback("p", "m-3", "human_contacted", at=at[6])
    events: list[Json] = [{"at": at[0], "type": "consent", "data": consent("p", at=at[0])}]
    events += [
        {"at": at[n], "type": "candidate", "data": candidate("p", f"m-{n}", created_at=at[n])}
        for n in (1, 2, 3, 4, 5, 7)
    ]
    events.append({"at": at[6], "type": "feedback", "data": contacted})
    replied = feedback("p", "m-7", "replied", at=at[8])
    events.append({"at": at[8], "type": "feedback", "data": replied})
    events.append({"at": at[9], "type": "profile", "data": {"person": "bell", "at": at[9]}})
    lines = compare(stage, in_kafkas_order(events), at[9])
    assert [(line["message"], line["code"]) for line in lines] == [
        ("m-1", None),
        ("m-2", None),
        ("m-3", None),
        ("m-4", "needs_human"),
        ("m-5", "needs_human"),
        ("m-4", None),
        ("m-5", None),
        ("m-7", None),
    ]
    told = [(out.json["why"], out.json["message"]) for out in handovers(stage, "p")]
    assert told == [("messages", "m-3"), ("messages", "m-7")]
    recorded = stage.folder / f"{stage.prefix}in.jsonl"
    given = ("--policy", stage.policy, "--events", recorded, "--out", stage.folder / "out")
    assert "handed over to a human: messages 2" in command("simulate", *given, "--until", at[9])


def test_a_reset_of_comfort_arrives_and_is_shown(make_stage: MakeStage) -> None:
    stage = make_stage(policy(intrusiveness={"ceiling": 60}))
    worker = stage.worker().wait_until_ready()
    [name] = people("begins-anew", 1)
    stage.tell(topics.FEEDBACK, feedback(name, "x", "complained"))
    stage.wait_for(lambda: not stage.uncommitted())
    assert "takes 30 points now; learned: times 0.5" in governor(stage, "person", "show", name)
    reset = {"id": "c-reset", "person": name, "at": moment(), "action": "comfort_reset"}
    stage.tell(topics.CONSENTS, reset)
    stage.wait_for(lambda: not stage.uncommitted())
    labels = {"action": "comfort_reset", "purpose": "*"}
    stage.wait_for(lambda: worker.metric("governor_consent_changes_total", **labels) == 1)
    shown = governor(stage, "person", "show", NAMES.of(name))
    assert "takes 60 points now; learned: times 1" in shown
    assert "the person began anew at" in shown
