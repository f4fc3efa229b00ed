"""The section on what caps and quiet hours do: which bind, how long they delay, at which hours."""

from collections import Counter
from collections.abc import Iterable
from statistics import median
from zoneinfo import ZoneInfo

from governor.core.instant import DAY, HOUR, to_datetime
from governor.report import charts
from governor.report.blocks import Section, Table, duration, percent, table
from governor.report.outcomes import sentence
from governor.report.tally import Fate, Tally

_PAIR = ("as recorded", "under the policy")
_WAITS = (
    ("up to 1 hour", HOUR),
    ("up to 6 hours", 6 * HOUR),
    ("up to a day", DAY),
    ("up to 3 days", 3 * DAY),
    ("up to a week", 7 * DAY),
)


def limits(tally: Tally) -> Section:
    """Show each cap and each entry of quiet hours, the waits and the hours of the day."""
    policy, fates = tally.policy, list(tally.fates.values())
    zone = policy.defaults.time_zone or "UTC"
    caption = f"Messages by hour of the day ({zone}): when they came, and when they went out."
    hours = [Counter[int](), Counter[int]()]
    clock = ZoneInfo(zone)
    for fate in fates:
        hours[0][_hour(fate.arrived, clock)] += 1
        if fate.outcome == "release":
            hours[1][_hour(fate.at, clock)] += 1
    bars = [
        {"hour": f"{hour:02}", "when": when, "number": counted[hour]}
        for hour in range(24)
        for when, counted in zip(_PAIR, hours, strict=True)
    ]
    chart = charts.paired(caption, bars, along="hour", title="hour", amount="messages", pair=_PAIR)
    head = "Hour | Came, as recorded | Went out, under the policy"
    rows = [(f"{hour:02}:00", hours[0][hour], hours[1][hour]) for hour in range(24)]
    blocks = (
        _binding(tally),
        chart,
        table("The same by hour, in numbers", head, rows, folded=True),
        _waits(fates),
    )
    text = (
        "An entry that binds nothing may be too wide, doubled by a narrower one, or about messages"
        " that the recording does not have. Hours are on the clock of the policy's defaults; the"
        " gate itself goes by the clock of each person."
    )
    return Section("limits", "Caps and quiet hours", text, blocks)


def _binding(tally: Tally) -> Table:
    entries = [("caps", cap.id) for cap in tally.policy.caps]
    entries += [("quiet_hours", hours.id) for hours in tally.policy.quiet_hours]
    stopped: Counter[tuple[str, str]] = Counter()
    held: Counter[tuple[str, str]] = Counter()
    for fate in tally.fates.values():
        held.update({entry[:2] for entry in fate.held_by})
        if fate.outcome == "suppress" and fate.by is not None:
            stopped[fate.by[:2]] += 1
    found = {entry[:2]: sentence(tally, entry) for entry in sorted(tally.spoken)}
    entries += sorted(one for one in {*stopped, *held} if one[0] in ("caps", "quiet_hours"))
    rows = [
        (" ".join(entry), stopped[entry], held[entry], _state(tally, entry, found.get(entry)))
        for entry in dict.fromkeys(entries)
    ]
    head = "Entry | Suppressed | Held back for a time | What it found"
    return table("Every cap and every entry of quiet hours", head, rows)


def _state(tally: Tally, entry: tuple[str, str], found: str | None) -> str:
    if not tally.policy.modes.enforced(*entry):
        return "in shadow, see there"
    return found or "nothing"


def _waits(fates: Iterable[Fate]) -> Table:
    waits = sorted(fate.at - fate.arrived for fate in fates if fate.end == "released later")
    rows: list[tuple[str, int, str]] = []
    below = 0
    for name, most in _WAITS:
        number = sum(below < wait <= most for wait in waits)
        rows.append((name, number, percent(number, len(waits))))
        below = most
    number = sum(wait > below for wait in waits)
    rows.append(("longer", number, percent(number, len(waits))))
    caption = "How long messages waited that went out later"
    if waits:
        middle, longest = duration(round(median(waits))), duration(waits[-1])
        caption += f"; in the middle {middle}, at the longest {longest}"
    return table(caption, "Wait | Messages | Share", rows)


def _hour(at: int, clock: ZoneInfo) -> int:
    return to_datetime(at).astimezone(clock).hour
