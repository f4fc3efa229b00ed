"""Workers come and go and the policy changes under way: each message is decided once."""

from __future__ import annotations

import socket
from collections import Counter

from governor.config import topics
from governor.config.policy_file import load_policy
from tests.e2e.conftest import MakeStage
from tests.e2e.kit import Stage, people
from tests.e2e.values import candidate, consent, control, moment, policy
from tests.servers import RedisServer


def test_a_changed_policy_is_taken_up_and_a_bad_one_refused(stage: Stage) -> None:
    worker = stage.worker().wait_until_ready()
    names = people("policy", 4)
    stage.tell(topics.CONSENTS, *map(consent, names))
    stage.tell(topics.CANDIDATES, candidate(names[0], "m-1"))
    first = stage.final(names[0], "m-1")
    assert first["outcome"] == "release"

    stage.rule_by(policy(caps=[{"id": "none-at-all", "limit": 0, "window": "1h"}]))
    old = {"revision": first["policy"], "state": "active"}
    stage.wait_for(lambda: not worker.metric("governor_policy_info", **old))
    stage.tell(topics.CANDIDATES, candidate(names[1], "m-1"))
    second = stage.decision(names[1], "m-1")
    assert second["outcome"] != "release"
    assert "none-at-all" in {finding["id"] for finding in second["findings"]}
    assert second["policy"] != first["policy"]
    assert worker.metric("governor_policy_info", revision=second["policy"], state="active") == 1

    stage.rule_by("version: 1\ncategories: {promotional: {purpose: marketing, bases: [consent]}}\n")
    stage.wait_for(lambda: worker.metric("governor_policy_info", state="refused"))
    assert worker.metric("governor_policy_info", revision=second["policy"], state="active") == 1
    assert "policy.yaml:2" in worker.words
    assert "bases" in worker.words
    assert worker.reasons() == {}
    stage.tell(topics.CANDIDATES, candidate(names[2], "m-1"))
    assert stage.decision(names[2], "m-1")["policy"] == second["policy"]

    stage.rule_by(policy())
    stage.wait_for(lambda: worker.metric("governor_policy_info", **old))
    assert not worker.metric("governor_policy_info", state="refused")
    stage.tell(topics.CANDIDATES, candidate(names[3], "m-1"))
    assert stage.final(names[3], "m-1")["outcome"] == "release"


def test_a_policy_that_changes_while_a_worker_waits_for_its_ledger_is_taken_up(
    own_redis: RedisServer, make_stage: MakeStage
) -> None:
    stage = make_stage(redis=own_redis.url)
    own_redis.stop()
    with socket.create_server(("127.0.0.1", own_redis.port)) as instead:
        instead.settimeout(30)
        worker = stage.worker()
        # who asks for the ledger has read the policy
        asking, _ = instead.accept()
        stage.rule_by(policy(caps=[{"id": "none-at-all", "limit": 0, "window": "1h"}]))
        asking.close()
    own_redis.start()
    worker.wait_until_ready()
    revision = load_policy(stage.policy).revision
    stage.wait_for(lambda: worker.metric("governor_policy_info", revision=revision, state="active"))


def test_two_workers_share_the_work_and_decide_each_message_once(make_stage: MakeStage) -> None:
    stage = make_stage(partitions=4)
    workers = [stage.worker(), stage.worker()]
    for worker in workers:
        worker.wait_until_ready()
    stage.wait_for(lambda: all(len(w.metrics().get("governor_partition_lag", ())) for w in workers))
    names = people("shared", 300)
    stage.tell(topics.CONSENTS, *map(consent, names))
    due = moment(3)
    for number, one in enumerate(names):
        stage.send(topics.CANDIDATES, candidate(one, "m-1"))
        stage.send(topics.CANDIDATES, candidate(one, "m-2"))
        if number < 100:
            service = candidate(one, "m-3", category="service", not_before=due)
            stage.send(topics.CANDIDATES, service)
    stage.flush()
    stage.wait_for(lambda: sum(one["final"] for one in stage.decisions()) >= 700, 40)
    lines = stage.decisions()
    assert len({one["id"] for one in lines}) == len(lines) == 800
    ends = Counter((one["message"], one["outcome"]) for one in lines if one["final"])
    assert ends == {("m-1", "release"): 300, ("m-2", "suppress"): 300, ("m-3", "release"): 100}
    assert Counter(one["person"] for one in stage.released()) == {
        one: 1 + (number < 100) for number, one in enumerate(names)
    }
    stage.wait_for(
        lambda: sum(worker.metric("governor_decisions_total") for worker in workers) == 800
    )
    assert all(worker.metric("governor_candidates_total") >= 100 for worker in workers)
    assert sum(worker.metric("governor_candidates_total") for worker in workers) == 700
    assert sum(worker.metric("governor_repeats_total") for worker in workers) == 0


def test_a_stop_of_everything_reaches_what_every_worker_waits_on(make_stage: MakeStage) -> None:
    stage = make_stage(partitions=4)
    workers = [stage.worker(), stage.worker()]
    for worker in workers:
        worker.wait_until_ready()
    names = people("everything", 80)
    stage.tell(topics.CONSENTS, *map(consent, names))
    due = moment(3600)
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-1", not_before=due) for one in names))
    stage.wait_for(lambda: len(stage.decisions()) == 80)
    stage.tell(topics.CONTROL, control("stop"))
    stage.wait_for(lambda: len(stage.decisions()) == 160)
    assert Counter(one["code"] for one in stage.decisions()) == {"not_yet": 80, "kill_switch": 80}
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-2") for one in names))
    stage.wait_for(lambda: len(stage.decisions()) == 240)
    assert stage.released() == []
    # A worker that comes later knows of the stop as well.
    for worker in workers:
        assert worker.stop() == 0
    stage.worker().wait_until_ready()
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-3") for one in names[:10]))
    stage.wait_for(lambda: len(stage.decisions()) == 250)
    assert stage.released() == []
    stage.tell(topics.CONTROL, control("start"))
    stage.tell(topics.CANDIDATES, *(candidate(one, "m-4") for one in names))
    stage.wait_for(lambda: len(stage.released()) == 80)
