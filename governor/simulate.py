"""Judge recorded events as the worker would: the same gate on a ledger in memory, on event time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from governor.codec.decode import EventKind, Rejected, decode_event, parse
from governor.codec.encode import encode_decision
from governor.codec.rejected import FOUND_LATER
from governor.core import model
from governor.core.incoming import Incoming, Told
from governor.core.instant import DAY, format_instant, parse_instant
from governor.core.policy import Policy
from governor.core.verdict import OUTCOME_NAMES, Outcome
from governor.falling_due import EVERYONE
from governor.ledger.keys import Pseudonyms
from governor.ledger.memory import MemoryLedger
from governor.service import Arrivals, Governor, Judgement

_KINDS = frozenset(get_args(get_args(EventKind)[0])) | {"candidate", "control"}
_PATIENCE = 7 * DAY

Sink = Callable[[bytes], None]


class EventsInvalid(Exception):
    """The events cannot be played; the message names the place."""


class Event(msgspec.Struct, frozen=True):
    """One recorded event: `at` (ms) is when governor received it, `line` where it stands.

    `urgent`: a candidate came on the urgent topic.
    """

    at: int
    kind: str
    data: Any
    line: int
    urgent: bool = False


class Summary(msgspec.Struct):
    """What a simulation came to, counted per outcome and code."""

    events: int = 0
    candidates: int = 0
    decisions: int = 0
    released: int = 0
    suppressed: int = 0
    codes: Counter[str] = msgspec.field(default_factory=Counter)
    rejected: Counter[str] = msgspec.field(default_factory=Counter)
    repeats: int = 0
    handovers: Counter[str] = msgspec.field(default_factory=Counter)
    handovers_in_shadow: Counter[str] = msgspec.field(default_factory=Counter)
    resubmissions: Counter[str] = msgspec.field(default_factory=Counter)
    waiting: list[tuple[str, str, str]] = msgspec.field(default_factory=list)
    until: str | None = None


def read_events(path: Path) -> Iterator[Event]:
    """Yield the events of a JSON Lines file; raises EventsInvalid where one cannot be played."""
    last = None
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            event = _event(line, number, path)
            if last is not None and event.at < last:
                raise EventsInvalid(f"{path}:{number}: goes back in time, sort the events by `at`")
            last = event.at
            yield event


def _event(line: bytes, number: int, path: Path) -> Event:
    place = f"{path}:{number}"
    try:
        written = parse(line)
    except Rejected as error:
        raise EventsInvalid(f"{place}: {error.detail}") from None
    if "at" not in written:
        raise EventsInvalid(f"{place}: `at` is missing")
    try:
        at = parse_instant(written["at"])
    except ValueError as error:
        raise EventsInvalid(f"{place}: at: {error}") from None
    urgent = written.get("urgent") is True
    return Event(at, str(written.get("type")), written.get("data"), number, urgent)


def simulate(
    policy: Policy,
    events: Iterable[Event],
    decisions: Sink,
    *,
    dead_letters: Sink | None = None,
    names: Pseudonyms | None = None,
    until: int | None = None,
) -> Summary:
    """Play *events*, which are in order of time, and write every decision as one JSON line.

    Time runs on after the last event until *until* (ms, inclusive), by default until nothing is
    due within 7 days of the last moment judged.
    """
    simulation = _Simulation(policy, decisions, dead_letters, names or Pseudonyms(None))
    asyncio.run(simulation.play(events, until))
    return simulation.summary


class _Simulation:
    def __init__(
        self, policy: Policy, decisions: Sink, dead_letters: Sink | None, names: Pseudonyms
    ) -> None:
        self.policy = policy
        self.decisions = decisions
        self.dead_letters = dead_letters
        self.ledger = MemoryLedger()
        self.governor = Governor(policy, self.ledger, names, forgets=False)
        self.summary = Summary()

    async def play(self, events: Iterable[Event], until: int | None) -> None:
        last: int | None = None
        for at, group in groupby(events, key=lambda event: event.at):
            if until is not None and at > until:
                break
            last = await self._play_due(at - 1, last)
            await self._judge(self._decode(group), at)
            last = at
        if until is not None:
            last = await self._play_due(until, last)
        else:
            while last is not None:
                due = await self.ledger.next_due()
                if due is None or due > last + _PATIENCE:
                    break
                last = await self._play_due(due, last)
        self.summary.until = format_instant(last) if last is not None else None
        await self._list_waiting()

    async def _play_due(self, until: int, last: int | None) -> int | None:
        while (due := await self.ledger.next_due()) is not None and due <= until:
            await self._judge(Arrivals(), due)
            last = due
        return last

    async def _judge(self, arrivals: Arrivals, at: int) -> None:
        due = await self.ledger.claim(at, EVERYONE)
        if due:
            arrivals = msgspec.structs.replace(arrivals, due=due)
        judgement = await self.governor.judge(arrivals, at)
        self._write(judgement, at)
        await self.governor.published(judgement.resolutions)

    def _decode(self, events: Iterable[Event]) -> Arrivals:
        told, fresh, controls = [], [], []
        for event in events:
            self.summary.events += 1
            try:
                value = self._read(event)
            except Rejected as error:
                self._reject(error.reason, error.detail, event.data, event.at)
                continue
            if isinstance(value, Incoming):
                fresh.append(value)
            elif isinstance(value, Told):
                told.append(value)
            else:
                controls.append(value)
        self.summary.candidates += len(fresh)
        return Arrivals(told, fresh, controls)

    def _read(self, event: Event) -> Incoming | Told | model.Control:
        if event.kind not in _KINDS:
            raise Rejected("invalid", f"type: must be one of {', '.join(sorted(_KINDS))}")
        value = decode_event(cast("EventKind", event.kind), event.data, event.at, self.policy)
        if event.urgent and isinstance(value, Incoming):
            return msgspec.structs.replace(value, urgent=True)
        return value

    def _write(self, judgement: Judgement, at: int) -> None:
        for incoming, reason in judgement.rejected:
            self._reject(reason, FOUND_LATER[reason], incoming.raw, at)
        self._count(judgement)
        for resolution in judgement.resolutions:
            if resolution.repeat:
                self.summary.repeats += 1
            if resolution.repeat or resolution.gathers:
                continue
            self.summary.decisions += 1
            self.summary.released += resolution.verdict.outcome is Outcome.RELEASE
            self.summary.suppressed += resolution.verdict.outcome is Outcome.SUPPRESS
            self.summary.codes[resolution.verdict.code or "released"] += 1
            self.decisions(encode_decision(resolution, person=resolution.key) + b"\n")

    def _count(self, judgement: Judgement) -> None:
        summary = self.summary
        for one in judgement.handovers:
            if not one.repeat:
                (summary.handovers_in_shadow if one.shadow else summary.handovers)[one.why] += 1
        for resolution in judgement.resolutions:
            if resolution.resubmitted and not resolution.repeat:
                summary.resubmissions[resolution.incoming.candidate.category] += 1

    def _reject(self, reason: str, detail: str, data: Any, at: int) -> None:
        self.summary.rejected[reason] += 1
        if self.dead_letters is not None:
            letter = {"at": format_instant(at), "reason": reason, "detail": detail, "data": data}
            self.dead_letters(msgspec.json.encode(letter) + b"\n")

    async def _list_waiting(self) -> None:
        async for keys in self.ledger.waiting():
            _control, standings = await self.ledger.load(keys)
            for key, standing in zip(keys, standings, strict=True):
                for waiting in standing.waiting:
                    incoming = self.governor.open_body(key, waiting)
                    self.summary.waiting.append(
                        (key, incoming.candidate.id, OUTCOME_NAMES[waiting.outcome])
                    )
