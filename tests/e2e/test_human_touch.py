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
from tests.e2e.parity import command, simulated
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
    stage.wait_for(lambda: all(handovers(stage, one) for one in names), within=30)
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


def test_simulate_counts_whom_it_would_hand_over(make_stage: MakeStage) -> None:
    stage = make_stage(rules())
    at = [moment(number) for number in range(6)]
    facts = [consent("p", at=at[0])]
    events = [{"at": at[0], "type": "consent", "data": fact} for fact in facts]
    events += [
        {"at": at[n], "type": "candidate", "data": candidate("p", f"m-{n}", created_at=at[n])}
        for n in range(1, 5)
    ]
    lines, _ = simulated(stage, events, at[5])
    assert [line["code"] for line in lines] == [None, None, None, "needs_human"]
    files = {"--policy": stage.policy, "--events": stage.folder / f"{stage.prefix}in.jsonl"}
    given = [one for pair in files.items() for one in pair]
    said = command("simulate", *given, "--out", stage.folder / "out", "--until", at[5])
    assert "handed over to a human: messages 1" in said


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
