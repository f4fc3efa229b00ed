"""What the day came to, counted: why messages did not go out, and where a quieter way was taken."""

from collections import Counter
from typing import NamedTuple

from governor.demo.day import Day
from governor.demo.sentences import channel_of, deciding, refusals


class Reason(NamedTuple):
    """How often one code of one rule decided, by outcome."""

    rule: str
    code: str
    defer: int
    review: int
    suppress: int


class Quieter(NamedTuple):
    """How often a more intrusive way was refused and a quieter one taken."""

    refused: str
    taken: str
    rule: str
    code: str
    number: int


def reasons(day: Day) -> list[Reason]:
    """Return what decided whenever a message did not go out, in the order of its first time."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for one in day.decisions.values():
        finding = deciding(one)
        if finding is not None:
            counts[finding["rule"], finding["code"], one["outcome"]] += 1
    return [
        Reason(*which, *(counts[*which, outcome] for outcome in ("defer", "review", "suppress")))
        for which in dict.fromkeys((rule, code) for rule, code, _ in counts)
    ]


def quieter(day: Day) -> list[Quieter]:
    """Return where a variant was refused and the next one went, the most frequent first."""
    counts = Counter(
        (channel_of(refused), one["channel"], refused["rule"], refused["code"])
        for one in day.decisions.values()
        if one["outcome"] == "release"
        for refused in refusals(one)
    )
    return [Quieter(*which, number) for which, number in counts.most_common()]
