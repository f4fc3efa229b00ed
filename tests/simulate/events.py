"""Recorded events for the tests of the simulation, and what it says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from governor.core.instant import format_instant, parse_instant
from governor.core.policy import Policy
from governor.simulate import Summary, read_events, simulate
from tests.core.story import Event, at

Line = dict[str, Any]


def event(when: str, happening: Event) -> Line:
    """Write what happens as a recorded event."""
    kind, data = happening
    return {"at": format_instant(at(when)), "type": kind, "data": data}


class Played:
    """What a simulation wrote: decisions, dead letters and the summary."""

    def __init__(
        self, policy: Policy, events: list[Line] | str, folder: Path, until: str | None = None
    ) -> None:
        path = folder / "events.jsonl"
        text = events if isinstance(events, str) else "".join(json.dumps(e) + "\n" for e in events)
        path.write_text(text)
        decisions: list[bytes] = []
        letters: list[bytes] = []
        self.summary: Summary = simulate(
            policy,
            read_events(path),
            decisions.append,
            dead_letters=letters.append,
            until=None if until is None else at(until),
        )
        self.decisions: list[Line] = [json.loads(line) for line in decisions]
        self.letters: list[Line] = [json.loads(line) for line in letters]

    def words(self) -> list[str]:
        """Say what was decided and when."""
        return [
            " ".join(
                part
                for part in (
                    _short(line["decided_at"]),
                    line["message"],
                    line["outcome"],
                    line["code"] or "",
                )
                if part
            )
            for line in self.decisions
        ]


def _short(written: str) -> str:
    moment = format_instant(parse_instant(written))
    return moment.removeprefix("2026-05-").removesuffix(":00.000Z").removeprefix("05T")
