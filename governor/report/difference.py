"""The section that sets two policies side by side, and counts what ends differently."""

from collections import Counter
from collections.abc import Sequence

from governor.report.blocks import ENDS, Cell, Section, percent, table
from governor.report.ceilings import point_of
from governor.report.outcomes import named
from governor.report.people import fullest_week
from governor.report.tally import Fate, Tally
from governor.report.words import FEEDBACK


def difference(first: Tally, second: Tally, names: Sequence[str]) -> Section:
    """Compare *second* with *first*."""
    pair = (first, second)
    head = f"What | {names[0]} | {names[1]} | Difference"
    keys = {**first.fates, **second.fates}
    moves = Counter(_move(first.fates.get(key), second.fates.get(key)) for key in keys)
    same = moves.pop("", 0)
    rows = [
        (move, number, percent(number, len(keys)))
        for move, number in sorted(moves.items(), key=lambda one: (-one[1], one[0]))
    ]
    text = f"Of {len(keys):,} messages {len(keys) - same:,} end differently under {names[1]}."
    blocks = (
        table("What both came to", head, _numbers(pair)),
        table("Which messages change", "Under the first, then the second | Messages | Share", rows),
        table("What decided", f"Rule | {names[0]} | {names[1]} | Difference", _rules(pair)),
    )
    return Section("difference", "The two policies compared", text, blocks)


def _move(was: Fate | None, is_: Fate | None) -> str:
    """Say how the ends of one message differ; nothing where they do not."""
    if was is not None and is_ is not None and was.ending == is_.ending:
        return ""
    before, after = was.end if was else "refused", is_.end if is_ else "refused"
    if before != after:
        return f"{before}, then {after}"
    released = was is not None and was.outcome == "release"
    return f"{before} in both, " + (
        "at another time or by another variant" if released else "for another reason"
    )


def _numbers(pair: tuple[Tally, Tally]) -> list[tuple[Cell, ...]]:
    was, is_ = point_of(pair[0]), point_of(pair[1])
    rows = [_row(end.capitalize(), was.ends.get(end, 0), is_.ends.get(end, 0)) for end in ENDS]
    rows.append(_row("Most messages to one person in 7 days", *map(_fullest, pair)))
    for kind, name in FEEDBACK.items():
        if any(kind in point.kept or kind in point.lost for point in (was, is_)):
            title = f"{name.capitalize()} on messages that go out"
            rows.append(_row(title, was.kept.get(kind, 0), is_.kept.get(kind, 0)))
    return rows


def _fullest(tally: Tally) -> int:
    times: dict[str, list[int]] = {}
    for (person, _), fate in tally.fates.items():
        if fate.outcome == "release":
            times.setdefault(person, []).append(fate.at)
    return max(map(fullest_week, times.values()), default=0)


def _rules(pair: tuple[Tally, Tally]) -> list[tuple[Cell, ...]]:
    counts: list[Counter[str]] = []
    for tally in pair:
        ended: Counter[str] = Counter()
        for fate in tally.fates.values():
            if fate.outcome == "suppress" and fate.by is not None:
                ended[f"suppressed by {named(*fate.by)}"] += 1
            ended.update(f"held back by {named(*entry)}" for entry in fate.held_by)
        counts.append(ended)
    names = sorted({*counts[0], *counts[1]})
    return [_row(name, counts[0][name], counts[1][name]) for name in names]


def _row(name: str, was: int, is_: int) -> tuple[Cell, ...]:
    return name, was, is_, f"{is_ - was:+,}" if is_ != was else "–"
