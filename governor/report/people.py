"""The section on single people: how many messages each would have got, before and after."""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from governor.core.instant import DAY
from governor.report import charts
from governor.report.blocks import Section, percent, table
from governor.report.tally import Fate, Key

_WEEK = 7 * DAY
_BINS = 15
_LONG = 8
_PAIR = ("as recorded", "under the policy")


def people(fates: Mapping[Key, Fate]) -> Section:
    """Say how many messages people got in all, and in the fullest seven days of each."""
    came: dict[str, list[int]] = defaultdict(list)
    went: dict[str, list[int]] = {}
    for (person, _), fate in fates.items():
        came[person].append(fate.arrived)
        went.setdefault(person, [])
        if fate.outcome == "release":
            went[person].append(fate.at)
    if not came:
        return Section("people", "Messages per person", "Nobody was written to.")
    totals = [[len(times) for times in each.values()] for each in (came, went)]
    fullest = [[fullest_week(times) for times in each.values()] for each in (came, went)]
    caption = "People by the number of messages that they got over the whole recording."
    rows, bars = binned(totals), []
    for label, *numbers in rows:
        for when, number in zip(_PAIR, numbers, strict=True):
            bars.append({"messages": label, "when": when, "number": number})
    chart = charts.paired(
        caption, bars, along="messages", title="messages", amount="people", pair=_PAIR
    )
    head = "Messages | People as recorded | People under the policy"
    week = "Messages in the fullest 7 days | People as recorded | People under the policy"
    full = binned(fullest)
    blocks = (
        chart,
        table("The same by messages, in numbers", head, rows, folded=True),
        table(
            "How evenly messages fall on people",
            "Messages per person | As recorded | Under the policy",
            _spread(totals),
        ),
        table("The fullest seven days of each person", week, full, folded=len(full) > _LONG),
    )
    return Section("people", "Messages per person", "", blocks)


def fullest_week(times: Sequence[int]) -> int:
    """Return the most messages that fall into any seven days."""
    ranked = sorted(times)
    return max(
        (bisect_left(ranked, start + _WEEK) - place for place, start in enumerate(ranked)),
        default=0,
    )


def binned(pair: Sequence[Sequence[int]]) -> list[tuple[str, int, int]]:
    """Count people by their number; where that goes far, several numbers share a row."""
    before, after = (Counter(numbers) for numbers in pair)
    highest = max((*before, *after))
    step = -(-highest // _BINS) or 1
    rows = [("none", before[0], after[0])] if before[0] or after[0] else []
    for low in range(1, highest + 1, step):
        label = str(low) if step == 1 else f"{low}–{low + step - 1}"
        span = range(low, low + step)
        rows.append((label, sum(before[n] for n in span), sum(after[n] for n in span)))
    return rows


def ranked(numbers: Sequence[int], share: float) -> int:
    """Return the number that this share of all do not exceed."""
    return sorted(numbers)[max(math.ceil(share * len(numbers)) - 1, 0)]


def _spread(pair: Sequence[Sequence[int]]) -> list[tuple[str, float | str, float | str]]:
    def row(name: str, *values: float | str) -> tuple[str, float | str, float | str]:
        return name, values[0], values[1]

    return [
        row("on average", *(round(sum(one) / len(one), 2) for one in pair)),
        row("the middle person", *(ranked(one, 0.5) for one in pair)),
        row("one in ten gets more than", *(ranked(one, 0.9) for one in pair)),
        row("the most", *(max(one) for one in pair)),
        row("people who get none", *(percent(one.count(0), len(one)) for one in pair)),
    ]
