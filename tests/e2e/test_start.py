"""A worker that cannot start says what is wrong, and with which exit code."""

from __future__ import annotations

import base64
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from governor.config import topics
from governor.config.settings import Settings
from governor.topics import look
from tests.e2e.kit import KEY, Stage, people
from tests.e2e.values import candidate, consent, moment
from tests.e2e.worker import ROOT, RUN
from tests.faults.broker_faults import delete
from tests.servers.process import free_port


def run(folder: Path, **settings: str) -> tuple[int, str]:
    """Run a worker that will not start, and return its exit code and its words."""
    env = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
    env["GOVERNOR_POLICY"] = str(ROOT / "config" / "policy.yaml")
    env["GOVERNOR_METRICS"] = f"127.0.0.1:{free_port()}"
    env |= {f"GOVERNOR_{name.upper()}": value for name, value in settings.items()}
    done = subprocess.run(
        RUN, cwd=folder, env=env, capture_output=True, text=True, timeout=90, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_a_missing_key_ends_with_2_and_its_name(tmp_path: Path) -> None:
    code, words = run(tmp_path)
    assert code == 2
    assert "GOVERNOR_PSEUDONYM_KEY" in words
    assert "Traceback" not in words


def test_a_replay_without_a_prefix_ends_with_2(tmp_path: Path) -> None:
    code, words = run(tmp_path, clock="record", pseudonym_key=KEY)
    assert code == 2
    assert "GOVERNOR_TOPIC_PREFIX" in words


@pytest.mark.parametrize(
    ("folder", "why"),
    [("/proc/x", "no such file or directory"), ("taken", "file exists"), ("taken/x", "not a dir")],
)
def test_a_folder_that_cannot_be_made_ends_with_2_and_its_setting(
    tmp_path: Path, folder: str, why: str
) -> None:
    (tmp_path / "taken").touch()
    code, words = run(tmp_path, pseudonym_key=KEY, data=folder)
    assert code == 2
    assert words.startswith(f"GOVERNOR_DATA: cannot make the folder `{folder}`: {why}")
    assert "Traceback" not in words


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\ncategorys: {}\n", "policy.yaml:2"),
        ("version: 1\ncategories: {a: {purpose: b}}\nfairness: {groups: [x]}\n", "fairness"),
    ],
)
def test_a_bad_policy_ends_with_3_and_the_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    code, words = run(tmp_path, pseudonym_key=KEY, policy=str(path))
    assert code == 3
    assert says in words
    assert "Traceback" not in words


def test_a_broker_that_is_away_ends_with_4_within_a_minute(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    began = time.monotonic()
    code, words = run(tmp_path, pseudonym_key=KEY, brokers=nobody)
    assert code == 4
    assert nobody in words
    assert "Traceback" not in words
    assert time.monotonic() - began < 60


def test_topics_that_are_missing_are_named_with_what_makes_them(stage: Stage) -> None:
    worker = stage.worker(topic_prefix="not-there.")
    assert worker.wait() == 4
    assert "not-there.outreach.candidates" in worker.words
    assert "governor topics create" in worker.words
    assert "Traceback" not in worker.words


def test_topics_from_before_handovers_were_published_are_enough(stage: Stage) -> None:
    delete(stage.brokers, [stage.prefix + topics.HANDOVERS])
    worker = stage.worker().wait_until_ready()
    assert worker.stop() == 0
    absent, _rooms = look(Settings.load(stage.settings))
    assert absent == []


def test_an_address_that_is_taken_ends_with_2_and_its_setting(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        worker = stage.worker(metrics=address)
        assert worker.wait() == 2
    assert f"GOVERNOR_METRICS: cannot listen on `{address}`: address already in use" in worker.words
    assert "Traceback" not in worker.words


@pytest.mark.parametrize("now", ["b:{other}", "b:{other},a:{other}"], ids=["missing", "wrong"])
def test_a_key_that_no_longer_opens_what_waits_ends_with_2_and_its_setting(
    stage: Stage, now: str
) -> None:
    first, other = (base64.b64encode(bytes([byte]) * 32).decode() for byte in b"ab")
    worker = stage.worker(payload_keys=f"a:{first}").wait_until_ready()
    [person] = people("sealed", 1)
    stage.tell(topics.CONSENTS, consent(person))
    stage.tell(topics.CANDIDATES, candidate(person, "m-1", not_before=moment(3600)))
    assert stage.decision(person, "m-1")["outcome"] == "defer"
    assert worker.stop() == 0
    changed = stage.worker(payload_keys=now.format(other=other)).wait_until_ready()
    stage.tell(topics.CONSENTS, consent(person))
    assert changed.wait() == 2
    last = changed.words.splitlines()[-1]
    assert last.startswith("GOVERNOR_PAYLOAD_KEYS: what waits was sealed with the key `a`")


def test_a_worker_that_is_told_to_stop_ends_with_0_and_has_committed(stage: Stage) -> None:
    worker = stage.worker().wait_until_ready()
    assert worker.stop() == 0
    assert stage.uncommitted() == {}
