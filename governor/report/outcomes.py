"""The first sections: what was judged, what became of it by kind, by rule and by week."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta

from governor.core.instant import DAY, HOUR, format_instant, to_datetime
from governor.explain import meaning
from governor.report import charts
from governor.report.blocks import ENDS, Cell, Chart, Section, Table, percent, table
from governor.report.tally import Entry, Fate, Tally
from governor.report.words import FEEDBACK
from governor.simulate import Summary

_IN_SECONDS = frozenset({"min_gap", "silence_after_refusal"})


def judged(tally: Tally, summary: Summary, name: str) -> Section:
    """Say what was judged, and under which policy."""
    people = len({person for person, _ in tally.fates})
    kinds = Counter(response.kind for response in tally.responses)
    told = ", ".join(f"{FEEDBACK[kind]} {number:,}" for kind, number in sorted(kinds.items()))
    dropped = ", ".join(f"{why} {number:,}" for why, number in sorted(summary.rejected.items()))
    rows: list[tuple[Cell, Cell]] = [
        ("Policy", f"{name}, revision {tally.policy.revision}"),
        ("Recorded from", _moment(tally.first)),
        ("Recorded until", _moment(tally.last)),
        ("Played on until", summary.until or "–"),
        ("Messages judged", len(tally.fates)),
        ("People they were for", people),
        ("Feedback in the recording", told or "none"),
        ("Refused as invalid", dropped or "none"),
        ("Came again with the same id", summary.repeats),
    ]
    text = (
        "Recorded messages went through the gate once more, at their own times, as a worker would"
        " have judged them under this policy. Nothing was sent."
    )
    return Section("judged", "What was judged", text, (table("The recording", "|", rows),))


def outcomes(fates: Iterable[Fate]) -> Section:
    """Say what became of the messages of each category and channel."""
    groups: Counter[tuple[str, str]] = Counter()
    for fate in fates:
        groups[f"{fate.category}, {fate.channel}", fate.end] += 1
    caption = (
        "Messages by category and channel, and what became of them; the channel is that of the"
        " variant that decided."
    )
    return Section("outcomes", "What became of the messages", "", _stack(groups, caption, "kind"))


def weeks(fates: Iterable[Fate]) -> Section:
    """Say what became of the messages of each week."""
    groups: Counter[tuple[str, str]] = Counter()
    for fate in fates:
        groups[week(fate.arrived), fate.end] += 1
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
    spoken = tally.spoken.get(entry)
    code, scale = entry[2], 1 if entry[2] in _IN_SECONDS else None
    observed: float | str | None = "as found"
    if spoken is not None and spoken.lowest is not None and spoken.highest is not None:
        observed = spoken.lowest
        if spoken.lowest != spoken.highest:
            observed = _range(spoken.lowest, spoken.highest, in_seconds=scale is not None)
    found = {
        "code": code,
        "limit": spoken.limit if spoken else None,
        "observed": observed,
        "window": spoken.window if spoken else None,
    }
    return meaning(found).replace(" (as found)", "").replace(" as found ", " some time ")


def _range(lowest: float, highest: float, *, in_seconds: bool) -> str:
    if not in_seconds:
        return f"{lowest:,.1f} to {highest:,.1f}".replace(".0", "")
    hours = (lowest * 1_000 / HOUR, highest * 1_000 / HOUR)
    if hours[1] * HOUR > 2 * DAY:
        return f"{hours[0] / 24:.1f} to {hours[1] / 24:.1f} d"
    return f"{hours[0]:.1f} to {hours[1]:.1f} h"


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
    return chart, table(caption, head + " | Released of all", cells, folded=along == "week")


def _moment(at: int | None) -> str:
    return "–" if at is None else format_instant(at)
