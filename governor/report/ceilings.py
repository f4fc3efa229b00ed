"""The same events judged again under a row of ceilings: what each withholds, and what it costs."""

import math
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import msgspec

from governor.core.policy import Modes, Policy
from governor.ledger.keys import Pseudonyms
from governor.report.tally import Tally
from governor.simulate import Event, simulate

MOST = 100_000
"""A ceiling is tried on about so many messages; of more, on a share of the people."""

FEW = 2_000
"""Fewer messages are judged sooner than further processes have started."""

LOOSEST = 100.0
STEPS = 4
"""So many ceilings are tried besides the policy's own and the loosest ..."""

_ENDS = (0.02, 0.98)
"""... evenly between the scores that this share of the messages stays below."""

_LARGEST_CREW = 4

Recording = Callable[[], Iterator[Event]]
Tell = Callable[[str], None]


class Point(msgspec.Struct, frozen=True):
    """What became of the messages under one ceiling, and of the feedback that they had got.

    `kept` is feedback on messages that go out, `moved` the part of it that was recorded before
    its message would have gone out, `lost` feedback on messages that do not go out.
    """

    ceiling: float
    messages: int
    ends: dict[str, int]
    kept: dict[str, int]
    moved: dict[str, int]
    lost: dict[str, int]

    @property
    def withheld(self) -> int:
        """Count the messages that do not go out: suppressed, or waiting when time ran out."""
        return self.ends.get("suppressed", 0) + self.ends.get("waiting", 0)


class Curve(msgspec.Struct, frozen=True):
    """The points of a policy, loosest ceiling last, on about every `every`-th person."""

    points: tuple[Point, ...]
    every: int


class Trial(msgspec.Struct, frozen=True):
    """All that a process needs to judge the events under one policy."""

    recording: Recording
    policy: Policy
    key: bytes | None
    until: int | None
    every: int


def point_of(tally: Tally, ceiling: float = LOOSEST) -> Point:
    """Count what became of messages and of the feedback on them."""
    ends = Counter(fate.end for fate in tally.fates.values())
    kept: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for response in tally.responses:
        fate = tally.fates.get(response.key)
        if fate is None:
            continue
        (kept if fate.outcome == "release" else lost)[response.kind] += 1
        moved[response.kind] += fate.outcome == "release" and fate.at > response.at
    return Point(ceiling, len(tally.fates), dict(ends), dict(kept), dict(+moved), dict(lost))


def curve(trial: Trial, tally: Tally, tell: Tell) -> Curve | None:
    """Judge the events of *trial* under a row of ceilings; None where there is none to move.

    *tally* is what the policy itself came to on all events.
    """
    section = trial.policy.intrusiveness
    if section is None:
        return None
    every = -(-len(tally.fates) // MOST) or 1
    trial = msgspec.structs.replace(trial, every=every)
    enforced = trial.policy.modes.enforced("intrusiveness", "ceiling")
    own = section.ceiling if enforced else None
    with _crew(len(tally.fates)) as pool:
        tell(f"ceilings: first the loosest, {LOOSEST:g}")
        loosest, scores = pool.submit(_judged, _under(trial, LOOSEST), LOOSEST).result()
        row = [one for one in ceilings(scores, own) if every > 1 or one != own]
        waiting = [(one, pool.submit(_judged, _under(trial, one), one)) for one in row]
        points = [loosest]
        for number, (ceiling, future) in enumerate(waiting, 1):
            points.append(future.result()[0])
            tell(f"ceilings: {ceiling:g} judged, {number} of {len(row)}")
    if own is not None and own not in {point.ceiling for point in points}:
        points.append(point_of(tally, own))
    return Curve(tuple(sorted(points, key=lambda one: one.ceiling)), every)


def _crew(messages: int) -> Executor:
    """Return who judges: as many processes as there are processors, where that is worth it."""
    if messages < FEW:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(min(os.cpu_count() or 1, _LARGEST_CREW), get_context("spawn"))


def ceilings(scores: Sequence[float], own: float | None) -> list[float]:
    """Choose the ceilings to try: *own*, and by the *scores* of messages that none held back."""
    ranked = sorted(scores)
    if not ranked:
        return []
    low, high = (ranked[int(share * (len(ranked) - 1))] for share in _ENDS)
    row = (low + (high - low) * step / (STEPS - 1) for step in range(STEPS))
    # Rounded up, so that a ceiling does not fall just below the scores that it was taken from.
    chosen = {math.ceil(round(ceiling * 10, 6)) / 10 for ceiling in row}
    if own is not None:
        chosen.add(own)
    return sorted(one for one in chosen if one < LOOSEST)


def _under(trial: Trial, ceiling: float) -> Trial:
    """Return the trial with this ceiling enforced, all else as it is."""
    policy = trial.policy
    assert policy.intrusiveness is not None  # noqa: S101
    modes = {key: mode for key, mode in policy.modes.root.items() if not _of_ceiling(key)}
    changed = {
        "intrusiveness": policy.intrusiveness.model_copy(update={"ceiling": ceiling}),
        "modes": Modes(modes),
    }
    written = {name: getattr(policy, name) for name in Policy.model_fields}
    return msgspec.structs.replace(trial, policy=Policy.model_construct(**written | changed))


def _of_ceiling(key: str) -> bool:
    return key in ("intrusiveness", "intrusiveness.ceiling")


def _judged(trial: Trial, ceiling: float) -> tuple[Point, list[float]]:
    names = Pseudonyms(trial.key)
    tally = Tally(trial.policy, names)
    events = tally.watching(sampled(trial.recording(), trial.every))
    simulate(trial.policy, events, tally.decided, names=names, until=trial.until)
    return point_of(tally, ceiling), tally.scores


def sampled(events: Iterator[Event], every: int) -> Iterator[Event]:
    """Yield what is about every so-manieth person, and what is about nobody in particular."""
    return events if every == 1 else (event for event in events if _chosen(event, every))


def _chosen(event: Event, every: int) -> bool:
    person = event.data.get("person") if isinstance(event.data, dict) else None
    return not isinstance(person, str) or zlib.crc32(person.encode()) % every == 0
