"""The first sections: what was judged, what became of it by kind, by rule and by week."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from governor.core.instant import SECOND, parse_instant, to_datetime
from governor.explain import meaning
from governor.report import charts
from governor.report.blocks import ENDS, Cell, Chart, Section, Table, duration, percent, table
from governor.report.tally import Entry, Fate, Reach, Spoken, Tally
from governor.report.words import FEEDBACK
from governor.simulate import Summary

_IN_SECONDS = frozenset({"min_gap", "silence_after_refusal"})


def judged(tally: Tally, summary: Summary, name: str) -> Section:
    """Say what was judged, and under which policy."""
    people = len({person for person, _ in tally.fates})
    kinds = Counter(response.kind for response in tally.responses)
    told = ", ".join(f"{FEEDBACK[kind]} {number:,}" for kind, number in sorted(kinds.items()))
    dropped = ", ".join(f"{why} {number:,}" for why, number in sorted(summary.rejected.items()))
    until = None if summary.until is None else parse_instant(summary.until)
    rows: list[tuple[Cell, Cell]] = [
        ("Policy", f"{name}, revision {tally.policy.revision}"),
        ("Recorded from", _moment(tally.first)),
        ("Recorded until", _moment(tally.last)),
        ("Played on until", _moment(until)),
        ("Messages judged", f"{len(tally.fates):,}"),
        ("People they were for", f"{people:,}"),
        ("Feedback in the recording", told or "none"),
        ("Refused as invalid", dropped or "none"),
        ("Came again with the same id", f"{summary.repeats:,}"),
    ]
    text = (
        "Recorded messages went through the gate once more, at their own times, as a worker would"
        " have judged them under this policy. Nothing was sent."
    )
    return Section("judged", "What was judged", text, (table("The recording", "|", rows),))


def outcomes(fates: Iterable[Fate]) -> Section:
    """Say what became of the messages of each category and channel."""
    groups = Counter((f"{fate.category}, {fate.channel}", fate.end) for fate in fates)
    caption = (
        "Messages by category and channel, and what became of them; the channel is that of the"
        " variant that decided."
    )
    return Section("outcomes", "What became of the messages", "", _stack(groups, caption, "kind"))


def weeks(fates: Iterable[Fate]) -> Section:
    """Say what became of the messages of each week."""
    groups = Counter((week(fate.arrived), fate.end) for fate in fates)
    caption = "Messages by the week in which they came, and what became of them."
    text = "Weeks begin on Monday, UTC, and are named by it. The first and last may be cut short."
    return Section("weeks", "Week by week", text, _stack(groups, caption, "week"))


def week(at: int) -> str:
    """Name the Monday (UTC) of the week of *at* (ms)."""
    day = to_datetime(at).date()
    return (day - timedelta(days=day.weekday())).isoformat()


def rules(tally: Tally) -> Section:
    """Say which entries of the policy held how much back."""
    stopped: Counter[Entry] = Counter()
    held: Counter[Entry] = Counter()
    later: Counter[Entry] = Counter()
    for fate in tally.fates.values():
        held.update(fate.held_by)
        if fate.outcome == "release":
            later.update(fate.held_by)
        elif fate.outcome == "suppress" and fate.by is not None:
            stopped[fate.by] += 1
    found = sorted({*stopped, *held}, key=lambda one: (-stopped[one], -held[one], one))
    rows = [
        (named(*one), sentence(tally, one), stopped[one], held[one], later[one]) for one in found
    ]
    head = "Rule | What it found | Suppressed | Held back for a time | Of these released later"
    shown: tuple[Table, ...] = (table("What held messages back, and how many", head, rows),)
    text = (
        "Each message counts once for the rule that suppressed it, and once for each rule that made"
        " it wait: only the rule that decided counts, others may have spoken against it as well."
    )
    if not rows:
        return Section("rules", "What held them back", "No rule held anything back.")
    return Section("rules", "What held them back", text, shown)


def named(rule: str, id: str, code: str) -> str:
    """Name an entry of the policy by its rule, its id and what it found."""
    return " ".join(part for part in (rule, id, f"({code})" if code else "") if part)


def sentence(tally: Tally, entry: Entry) -> str:
    """Say what an entry found, as `governor explain` does, over all messages at once."""
    spoken = tally.spoken.get(entry, Spoken())
    found = {
        "code": entry[2],
        "limit": _reached(spoken.limit, entry[2], "its own limit"),
        "observed": _reached(spoken.observed, entry[2], None) or "",
        "window": spoken.window,
    }
    return meaning(found).replace(" ()", "").replace("  ", " ")


def _reached(reach: Reach, code: str, different: str | None) -> float | str | None:
    """Write how far values went; *different* stands for words that are not always the same."""
    if reach.lowest is None or reach.highest is None:
        return next(iter(reach.words)) if different and len(reach.words) == 1 else different
    if reach.lowest == reach.highest:
        return reach.lowest
    if code not in _IN_SECONDS:
        low, high = (f"{value:,.1f}".removesuffix(".0") for value in (reach.lowest, reach.highest))
        return f"{low} to {high}"
    return f"{duration(round(reach.lowest) * SECOND)} to {duration(round(reach.highest) * SECOND)}"


def _stack(groups: Mapping[tuple[str, str], int], caption: str, along: str) -> tuple[Chart, Table]:
    kinds = sorted({kind for kind, _ in groups})
    ends = [end for end in ENDS if any(groups.get((kind, end)) for kind in kinds)]
    rows = [
        {along: kind, "end": end, "messages": groups.get((kind, end), 0), "rank": ends.index(end)}
        for kind in kinds
        for end in ends
    ]
    cells: list[tuple[Cell, ...]] = []
    for kind in kinds:
        numbers = [groups.get((kind, end), 0) for end in ENDS]
        went = percent(numbers[0] + numbers[1], sum(numbers))
        cells.append((kind, sum(numbers), *numbers, went))
    head = f"{along.capitalize()} | Messages | " + " | ".join(e.capitalize() for e in ENDS)
    chart = charts.stacked(caption, rows, along=along, ends=ends, lying=along == "kind")
    head += " | Released of all"
    return chart, table(f"The same by {along}, in numbers", head, cells, folded=along == "week")


def _moment(at: int | None) -> str:
    return "–" if at is None else f"{to_datetime(at):%Y-%m-%d %H:%M} UTC"
