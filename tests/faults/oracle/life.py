"""One person's decisions in the order of `seq`: was each right on what may have been known then?

When a fact was applied is not on the topics, but facts of one topic are applied in order, and
whatever was applied stays. So there must be a way to place the facts between the decisions that
makes every decision right; if there is none, something was released that must not be.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.oracle import records
from tests.faults.oracle.book import Book, Candidate, Fact, message_of
from tests.faults.oracle.caps import Send
from tests.faults.oracle.groups import GROUPS, Group
from tests.faults.oracle.known import Known, Reach
from tests.faults.oracle.records import Json
from tests.faults.oracle.taken_back import Slow, explains, hidden_at, slow_ones
from tests.faults.oracle.verdicts import Decided, Said

_AT_MOST = 50_000
_TRIES = 5_000
_CLOCKS_DIFFER = 1_000

Streams = Mapping[str, Sequence[Fact]]


@dataclass(frozen=True)
class Bounds:
    """What bounds the order of facts and decisions, in ms.

    `applied_within`: a decision made this much later than a fact was written knows of it.
    `lanes`: a fact that was written before a candidate is applied before that is judged for the
    first time; a control only after `applied_within`.
    """

    applied_within: int
    lanes: bool = True


@dataclass(frozen=True)
class Step:
    """A decision, and how many facts of each topic were at least and at most applied by it."""

    candidate: Candidate
    decided: Decided
    least: Mapping[str, int]
    most: Mapping[str, int]

    @property
    def words(self) -> str:
        value = self.decided.value
        what = " ".join(filter(None, (value["outcome"], value["code"])))
        return f"{self.candidate.person}/{self.candidate.id}, {what} by attempt {value['attempt']}"


def wrong_decisions(
    book: Book, mine: Sequence[tuple[Candidate, Said]], bounds: Bounds, excused: list[str]
) -> Iterator[str]:
    """Yield what is wrong with the decisions on one person's messages.

    Into *excused* goes what only a release explains that was taken back.
    """
    person = mine[0][0].person
    streams: dict[str, Sequence[Fact]] = dict(book.facts[person])
    streams[records.CONTROL] = book.controls
    steps = sorted(_steps(streams, mine, bounds), key=lambda step: step.decided.seq)
    seqs = [step.decided.seq for step in steps]
    if len(set(seqs)) < len(seqs):
        yield f"one-verdict: {person}: two decisions have one seq: {seqs}"
    yield from _early(book, steps)
    slow = slow_ones([(candidate, said.decisions) for candidate, said in mine])
    searches = [Search(book, group, streams, slow, excused) for group in GROUPS]
    sends: list[Send] = []
    for step in steps:
        for search in searches:
            yield from search.step(step, sends)
        if step.decided.value["code"] == "outranked" and not _beaten(step, sends):
            yield f"explained: {step.words}: nothing went before it at that moment"
        if step.decided.value["outcome"] == "release":
            if sends and step.decided.at < sends[-1].at:
                yield f"one-verdict: {step.words}: goes back in time"
            sends.append(_send(step))


class Search:
    """Follows for one group of topics how far they may have been applied, the least that fits."""

    def __init__(
        self,
        book: Book,
        group: Group,
        streams: Streams,
        slow: Sequence[Slow],
        excused: list[str],
    ) -> None:
        self._rules = book.rules
        self._group = group
        self._streams = {topic: streams.get(topic, ()) for topic in group.topics}
        self._frontier: set[Reach] = {(0,) * len(group.topics)}
        self._at_first: dict[str, Reach] = {}
        self._slow = slow
        self._excused = excused

    def step(self, step: Step, sends: Sequence[Send]) -> Iterator[str]:
        """Take a decision; yield what is wrong with it when no reach makes it right."""
        topics = self._group.topics
        least = tuple(step.least[topic] for topic in topics)
        most = tuple(step.most[topic] for topic in topics)
        fitting: set[Reach] = set()
        complaints: list[str] = []
        starts = {_join(one, least) for one in self._frontier}
        reaches = _reaches(starts, most)
        for reach in reaches:
            if any(_below(one, reach) for one in fitting):
                continue
            complaint = self._complaint(step, reach, sends)
            if complaint is None:
                fitting.add(reach)
            else:
                complaints.append(complaint)
        if not fitting and (excused := self._excusing(step, reaches, sends)):
            self._excused.append(f"{complaints[0]}: {step.words}")
            fitting = excused
        self._at_first.setdefault(step.candidate.id, most)
        self._frontier = fitting or starts
        if not fitting:
            yield from (f"{complaint}: {step.words}" for complaint in complaints[:1])

    def _excusing(self, step: Step, reaches: Sequence[Reach], sends: Sequence[Send]) -> set[Reach]:
        """Return where releases that were taken back make the decision right."""
        about = (self._group, self._rules, step.candidate, step.decided)
        choices = hidden_at(self._rules, self._slow, step.candidate, step.decided)
        tries = itertools.islice(itertools.product(choices, reaches), _TRIES)
        return {
            reach
            for hidden, reach in tries
            if explains(*about, self._known(step, reach, sends), hidden)
        }

    def _complaint(self, step: Step, reach: Reach, sends: Sequence[Send]) -> str | None:
        known = self._known(step, reach, sends)
        return self._group.wrong(self._rules, step.candidate, step.decided, known)

    def _known(self, step: Step, reach: Reach, sends: Sequence[Send]) -> Known:
        applied = {
            topic: facts[:count]
            for (topic, facts), count in zip(self._streams.items(), reach, strict=True)
        }
        return Known(applied, sends, self._at_first.get(step.candidate.id))


def _reaches(starts: set[Reach], most: Reach) -> list[Reach]:
    """Return every reach from any of the starts on, the least first."""
    found: set[Reach] = set()
    for start in starts:
        spans = zip(start, _join(start, most), strict=True)
        found.update(itertools.product(*(range(low, high + 1) for low, high in spans)))
    if len(found) > _AT_MOST:
        raise RuntimeError(f"{len(found)} orders to try; write fewer facts at once")
    return sorted(found, key=lambda reach: (sum(reach), reach))


def _join(one: Reach, other: Reach) -> Reach:
    return tuple(map(max, one, other))


def _below(one: Reach, other: Reach) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True))


def _steps(
    streams: Streams, mine: Sequence[tuple[Candidate, Said]], bounds: Bounds
) -> Iterator[Step]:
    topics = [topic for group in GROUPS for topic in group.topics]
    for candidate, said in mine:
        for decided in said.decisions:
            least, most = {}, {}
            for topic in topics:
                sure = decided.at - bounds.applied_within
                if bounds.lanes and decided.attempt == 1 and topic != records.CONTROL:
                    sure = max(sure, candidate.first_at - 1)
                least[topic] = _last(streams.get(topic, ()), sure)
                most[topic] = _last(streams.get(topic, ()), decided.published)
            yield Step(candidate, decided, least, most)


def _last(facts: Sequence[Fact], until: int) -> int:
    """Return how many facts there are up to the last one written at *until* or before."""
    return max((i for i, fact in enumerate(facts, 1) if fact.line.at <= until), default=0)


def _early(book: Book, steps: Sequence[Step]) -> Iterator[str]:
    """Yield what left a window of arbitration before that closed, save what was suppressed."""
    rules = book.rules
    if not rules.window:
        return
    gathered = [
        step
        for step in steps
        if step.decided.attempt == 1
        and "arbitration" not in rules.categories[step.candidate.value["category"]].skips
        and all(line.topic != records.URGENT for line in step.candidate.lines)
    ]
    for step in gathered:
        closed, came = step.decided.at, step.candidate.first_at - _CLOCKS_DIFFER
        latest = closed - rules.window + _CLOCKS_DIFFER
        # Who opened the window was judged with this one, or suppressed while this one gathered.
        opened = [
            other.candidate.first_at
            for other in gathered
            if other.decided.at == closed
            or (came <= other.decided.at < closed and other.decided.value["outcome"] == "suppress")
        ]
        if step.decided.value["outcome"] != "suppress" and min(opened) > latest:
            yield f"judged-at-closing: {step.words}: its window had not closed"


def _beaten(step: Step, sends: Sequence[Send]) -> bool:
    """Tell whether something was released at the moment at which it lost."""
    return any(one.at == step.decided.at for one in sends)


def _send(step: Step) -> Send:
    value: Json = step.decided.value
    message = message_of(step.candidate.value, value["variant"])
    kept = value["entry"]
    about = (bool(kept["counts"]), float(kept["exposure"]))
    return Send(step.candidate.id, step.decided.at, step.decided.seq, message, *about)
