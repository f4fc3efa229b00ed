"""Plays the same events through simulate and through a worker on the records' clock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from governor.config import topics
from governor.core.instant import parse_instant
from governor.stream.intake import LANES
from tests.e2e.collector import Json
from tests.e2e.kit import KEY, Stage
from tests.e2e.worker import ROOT

ESSENCE = (
    "message",
    "outcome",
    "final",
    "variant",
    "channel",
    "code",
    "eligible_at",
    "attempt",
    "decided_at",
    "findings",
    "entry",
)

Line = tuple[object, ...]


def command(*arguments: str | Path) -> str:
    """Run a command of governor and return what it says on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "governor", *map(str, arguments)],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "GOVERNOR_PSEUDONYM_KEY": KEY},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def topic_of(event: Json) -> str:
    """The topic that an event's record goes to."""
    return topics.URGENT if event.get("urgent") else topics.OF_KIND[event["type"]]


def in_kafkas_order(events: Iterable[Json]) -> list[Json]:
    """Sort what happens at one moment as a worker reads it: by lane, then by topic."""
    return sorted(
        events,
        key=lambda event: (
            parse_instant(event["at"]),
            LANES[topic_of(event)],
            topic_of(event),
        ),
    )


def play(stage: Stage, events: list[Json]) -> None:
    """Produce events as records of their own time, also where that is still to come."""
    for topic in set(map(topic_of, events)):
        stage.configure(topic, message_timestamp_after_max_ms=str(2**62), retention_ms="-1")
    for event in events:
        kind, data = event["type"], event["data"]
        key = "control" if kind == "control" else data["person"]
        stage.send(topic_of(event), data, key=key, at=parse_instant(event["at"]))
    stage.flush()


def simulated(stage: Stage, events: list[Json], until: str) -> tuple[list[Json], int]:
    """What simulate decides on the stage's policy, and how many events it refuses."""
    files = {name: stage.folder / f"{stage.prefix}{name}.jsonl" for name in ("in", "out", "dead")}
    files["in"].write_text("".join(json.dumps(event) + "\n" for event in events))
    given: list[str | Path] = ["--policy", stage.policy, "--events", files["in"], "--until", until]
    command("simulate", *given, "--out", files["out"], "--dead-letters", files["dead"])
    lines = [json.loads(line) for line in files["out"].read_text().splitlines()]
    return lines, len(files["dead"].read_text().splitlines())


def essence(lines: Iterable[Json]) -> dict[str, list[Line]]:
    """What must agree, of each person in order."""
    found: dict[str, list[Json]] = defaultdict(list)
    for line in lines:
        found[line["person"]].append(line)
    return {
        person: [
            tuple(json.dumps(line[name]) for name in ESSENCE)
            for line in sorted(own, key=lambda line: line["seq"])
        ]
        for person, own in found.items()
    }


def difference(expected: Iterable[Json], actual: Iterable[Json]) -> str | None:
    """The first place where the two disagree, None where they agree."""
    mine, theirs = essence(expected), essence(actual)
    for person in sorted({*mine, *theirs}):
        own, other = mine.get(person, []), theirs.get(person, [])
        for index in range(max(len(own), len(other))):
            one = own[index] if index < len(own) else None
            two = other[index] if index < len(other) else None
            if one != two:
                return f"{person}, decision {index}:\n  simulate {one}\n  worker   {two}"
    return None


def compare(stage: Stage, events: list[Json], until: str, within: float = 60.0) -> list[Json]:
    """Play *events* both ways up to *until* and return the decisions on which both agree."""
    expected, refused = simulated(stage, [e for e in events if e["at"] <= until], until)
    play(stage, events)
    stage.worker(clock="record")
    stage.wait_for(lambda: not stage.uncommitted(), within)
    stage.wait_for(lambda: len(stage.decisions()) >= len(expected), 10)
    # A record that comes again is published again by a worker, and passed over by simulate.
    actual = [line for line in stage.decisions() if not line.get("reconstructed")]
    found = difference(expected, actual)
    assert found is None, found
    assert len(stage.letters(bool)) == refused
    return actual
