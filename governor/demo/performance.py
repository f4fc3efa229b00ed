"""The demonstration from its first line to its end, and what is left of it."""

import shutil
import tempfile
import threading
import urllib.request
from pathlib import Path

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from governor.config.policy_file import load_policy
from governor.core.instant import format_instant
from governor.core.policy import Policy
from governor.demo.checks import checked
from governor.demo.day import Day, foretell, recorded
from governor.demo.machine import Machine
from governor.demo.play import Play
from governor.demo.process import DemoFailed
from governor.demo.signals import interruptible
from governor.demo.story import BEATS, PEOPLE
from governor.demo.terminal import Terminal
from governor.demo.view import Lines, View

POLICY = Path(__file__).with_name("policy.yaml")
_FINE, _DIFFERS, _AWAY, _INTERRUPTED = 0, 1, 4, 130


def perform(*, keep: bool, as_json: bool) -> int:
    """Play the sample day before the reader's eyes and return the exit code."""
    folder = Path(tempfile.mkdtemp(prefix="governor-demo-"))
    policy = Path(shutil.copy(POLICY, folder))
    view: View = Lines(PEOPLE) if as_json else Terminal(PEOPLE)
    code = _INTERRUPTED
    try:
        with interruptible(), Machine(folder, policy) as machine:
            code = _play(machine, load_policy(policy), folder, view)
            view.hints(folder, machine.settings() if keep else None)
            if keep:
                _stay(machine, folder)
            machine.stop()
    except DemoFailed as failed:
        view.fails([*str(failed).splitlines(), f"the logs are in `{folder}`"])
        return _AWAY
    except KeyboardInterrupt:
        if code == _INTERRUPTED:
            view.fails(["demo: stopped before its end"])
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        view.close()
    return code


def _play(machine: Machine, policy: Policy, folder: Path, view: View) -> int:
    view.introduces(PEOPLE)
    view.waits("starting an embedded broker and store")
    view.runs(machine.start_broker(), "a broker inside this process, with all topics")
    view.runs(machine.start_store(), "a store of its own, for the ledger")
    view.waits("the worker starts, and joins its consumer group")
    worker = machine.start_worker()
    foretold = foretell(policy, BEATS)
    machine.wait_until_ready()
    view.runs(worker, f"`governor run`, judging by policy {policy.revision}")
    play = Play(machine, foretold, view)
    play.perform(BEATS)
    _write(folder, play.day)
    counted = _counted(machine)
    play.day.said_again = int(counted.get("governor_resubmissions_total", 0))
    checks = checked(play.day, foretold, BEATS, counted)
    view.ends(play.day, checks)
    return _FINE if all(check.kept for check in checks) else _DIFFERS


def _write(folder: Path, day: Day) -> None:
    """Leave what other commands can read: the decisions, and the events they came of."""
    (folder / "decisions.jsonl").write_bytes(b"".join(line + b"\n" for line in day.lines))
    events = [
        {
            "at": format_instant(event.at),
            "type": event.kind,
            "data": event.data,
            **({"urgent": True} if event.urgent else {}),
        }
        for event in recorded(BEATS)
    ]
    lines = (msgspec.json.encode(event) + b"\n" for event in events)
    (folder / "events.jsonl").write_bytes(b"".join(lines))


def _counted(machine: Machine) -> dict[str, float]:
    """Return the worker's own counters, each as the sum over its labels."""
    with urllib.request.urlopen(f"http://{machine.metrics}/metrics", timeout=5) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    sums: dict[str, float] = {}
    for family in families:
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return sums


def _stay(machine: Machine, folder: Path) -> None:
    """Stay until ctrl-c; commands in the folder find what runs by its settings file."""
    lines = (f"{name}={value}\n" for name, value in machine.settings().items())
    (folder / ".env").write_text("".join(lines), encoding="utf-8")
    while True:
        machine.check()
        threading.Event().wait(1.0)
