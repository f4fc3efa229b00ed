"""What the demonstration asks of itself at the end: each promise, and what stands against it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from governor.core.instant import MINUTE, parse_instant
from governor.demo.day import Day, Decision, Foretold, candidates
from governor.demo.script import Beat, Step
from governor.demo.story import KEY
from governor.ledger.keys import Pseudonyms

_PER_DAY, _MOST, _HIGH = 2, 3, 80
_WINDOW = 5 * MINUTE
_VERDICT = (
    "message person campaign category outcome final variant channel code eligible_at attempt"
    " decided_at policy mode findings intrusiveness entry"
).split()


class Check(msgspec.Struct, frozen=True):
    """A promise in words, and everything that breaks it."""

    promise: str
    flaws: list[str]

    @property
    def kept(self) -> bool:
        """Whether nothing breaks it."""
        return not self.flaws


def checked(
    day: Day, foretold: Foretold, beats: Sequence[Beat], counted: dict[str, float]
) -> list[Check]:
    """Compare the day with the story and with the simulation, and with what the worker counted."""
    expected = list(candidates(beats))
    number = len(expected)
    return [
        Check(f"all {number} messages came out as the story says", list(_story(day, expected))),
        Check(
            f"`governor simulate` foretold all {len(foretold.decisions)} decisions",
            list(_foretold(day, foretold.decisions)),
        ),
        Check(
            "every message has one final verdict or is a dead letter, with its bytes",
            list(_final(day, beats)),
        ),
        Check("what went to the senders is what was released, once", list(_sent(day))),
        Check(
            f"nobody got over {_PER_DAY} promotions, or {_MOST} with one that matters more",
            list(_capped(day, beats)),
        ),
        Check(
            "what gathered for rivals was decided when its window closed, and not before",
            list(_gathered(day, beats)),
        ),
        Check("who needs a human was handed over once", list(_handed(day, foretold, beats))),
        Check("the worker's own metrics say the same", list(_measured(day, foretold, counted))),
    ]


def _story(day: Day, expected: Iterable[Step]) -> Iterator[str]:
    letters = Counter(letter.reason for letter in day.letters)
    for step in expected:
        if step.refused:
            letters[str(step.expected)] -= 1
            continue
        message = step.data["id"]
        came = ", ".join(f"{one['outcome']} {_short(one)}" for one in day.of(message))
        if came != step.expected:
            yield f"{message}: is `{came or 'not decided'}`, expected `{step.expected}`"
    for reason, surplus in letters.items():
        if surplus:
            yield f"dead letters: {surplus:+d} `{reason}` against the story"


def _short(decision: Decision) -> str:
    return str(decision["code"] or decision["channel"])


def _foretold(day: Day, foretold: dict[str, Decision]) -> Iterator[str]:
    for id in sorted(foretold.keys() - day.decisions.keys()):
        yield f"{foretold[id]['message']}: foretold {_spelt(foretold[id])}, and did not come"
    for id in sorted(day.decisions.keys() - foretold.keys()):
        yield f"{day.decisions[id]['message']}: came {_spelt(day.decisions[id])}, not foretold"
    for id in sorted(day.decisions.keys() & foretold.keys()):
        came, said = day.decisions[id], foretold[id]
        differing = [name for name in _VERDICT if came.get(name) != said.get(name)]
        if differing:
            yield f"{came['message']}: differs from what was foretold in {', '.join(differing)}"


def _spelt(decision: Decision) -> str:
    return f"`{decision['outcome']} {_short(decision)}` at {decision['decided_at']}"


def _final(day: Day, beats: Iterable[Beat]) -> Iterator[str]:
    finals = Counter(one["message"] for one in day.decisions.values() if one["final"])
    kept = [letter.value for letter in day.letters]
    for step in candidates(beats):
        message = step.data["id"]
        verdicts = finals[message] + kept.count(step.value)
        if verdicts != 1:
            yield f"{message or 'the broken record'}: has {verdicts} final verdicts"


def _sent(day: Day) -> Iterator[str]:
    for one in day.decisions.values():
        if one["outcome"] != "release":
            continue
        sent = day.released.get(one["message"], [])
        if {released["decision"] for released in sent} != {one["id"]}:
            yield f"{one['message']}: is released, and the sender has {len(sent)} of it"
    known = {one["message"] for one in day.decisions.values() if one["outcome"] == "release"}
    for message in sorted(day.released.keys() - known):
        yield f"{message}: went to the sender without a release"


def _capped(day: Day, beats: Iterable[Beat]) -> Iterator[str]:
    bounced = {
        step.data["message"]
        for beat in beats
        for step in beat.steps
        if step.kind == "feedback" and step.data["kind"] == "bounced"
    }
    high = {step.data["id"] for step in candidates(beats) if step.data.get("priority", 0) >= _HIGH}
    got: dict[str, list[str]] = {}
    for one in day.decisions.values():
        if one["outcome"] == "release" and one["category"] == "promotional":
            got.setdefault(one["person"], []).append(one["message"])
    for person, messages in got.items():
        counted = [one for one in messages if one not in bounced]
        if len(counted) > _MOST or len([one for one in counted if one not in high]) > _PER_DAY:
            yield f"{person}: got {len(counted)} promotions"


def _gathered(day: Day, beats: Iterable[Beat]) -> Iterator[str]:
    closing: dict[str, int] = {}
    for beat in beats:
        for step in beat.steps:
            if not step.gathers:
                continue
            message, person = step.data["id"], step.data["person"]
            if beat.at >= closing.get(person, 0):
                closing[person] = beat.at + _WINDOW
            if message not in day.gathered:
                yield f"{message}: did not gather"
            for one in day.of(message)[:1]:
                if parse_instant(one["decided_at"]) != closing[person]:
                    yield f"{message}: was decided at {one['decided_at']}"


def _handed(day: Day, foretold: Foretold, beats: Iterable[Beat]) -> Iterator[str]:
    names = Pseudonyms(KEY)
    told = Counter((names.of(one.person), one.why) for one in day.handovers.values())
    story = Counter(
        (names.of(step.data["person"]), step.hands_over)
        for beat in beats
        for step in beat.steps
        if step.hands_over is not None
    )
    for (person, why), number in (story - told).items():
        yield f"{person}: `{why}` is not told ({number})"
    for (person, why), number in (told - story).items():
        yield f"{person}: `{why}` is told {number} times too often"
    came = Counter(one.why for one in day.handovers.values())
    if came != foretold.handovers:
        yield f"`governor simulate` foretold {dict(foretold.handovers)}, {dict(came)} came"


def _measured(day: Day, foretold: Foretold, counted: dict[str, float]) -> Iterator[str]:
    for metric, number in (
        ("governor_decisions_total", len(day.decisions)),
        ("governor_repeats_total", len(day.repeats)),
        ("governor_dead_letters_total", len(day.letters)),
        ("governor_handovers_total", len(day.handovers)),
        ("governor_resubmissions_total", foretold.resubmissions),
    ):
        if counted.get(metric) != number:
            yield f"{metric}: is {counted.get(metric, 0):.0f}, and {number} came"
