"""The section on the ceiling: what is withheld as it moves, against the feedback that is kept."""

from collections.abc import Callable, Sequence
from typing import Any

from governor.report import charts
from governor.report.blocks import Cell, Section, Table, percent, table
from governor.report.ceilings import Curve, Point
from governor.report.words import FEEDBACK, WELCOME, WORTH

_CLOSE = 0.04
_NO_CEILING = (
    "There is no ceiling to move: no policy here has a section `intrusiveness`. With one, even in"
    " shadow (`modes: {intrusiveness: shadow}`), this page judges the same messages under a row of"
    " ceilings and draws what each withholds against the opens and clicks that it keeps."
)


def tradeoff(curve: Curve | None, name: str, policies: Sequence[tuple[str, Point]]) -> Section:
    """Draw *curve*, which is that of the policy *name*, and all *policies* of the page in it."""
    title = "The trade-off: messages withheld, feedback kept"
    if curve is None:
        return Section("tradeoff", title, _NO_CEILING)
    kinds = [kind for kind in WELCOME if any(_total(point, kind) for point in curve.points)]
    if not kinds:
        text = "The recording holds no opens, clicks, conversions or replies to weigh against."
        return Section("tradeoff", title, text, (_ceilings(curve.points, ()),))
    rows = [row for point in curve.points for row in _shares(point, kinds)]
    letters = dict(zip("AB", policies, strict=False))
    marks = [row for _, point in policies for row in _shares(point, kinds)]
    legend = ", ".join(f"{letter} is {named}" for letter, (named, _) in letters.items())
    caption = (
        "Share of messages withheld (across) against the share of feedback kept (up) for each"
        f" ceiling in points. The diamonds are policies as they are: {legend}. The dashed line is"
        " what withholding by chance would keep."
    )
    labels = _labels([(f"{point.ceiling:g}", point) for point in curve.points], kinds, max)
    signs = _labels([(letter, point) for letter, (_, point) in letters.items()], kinds, min)
    names = [FEEDBACK[kind] for kind in kinds]
    chart = charts.traded(caption, rows, marks, names, labels=labels, signs=signs)
    blocks = (chart, _ceilings(curve.points, kinds), _feedback(curve.points))
    return Section("tradeoff", title, _method(curve, name), blocks, WORTH)


def _labels(
    named: Sequence[tuple[str, Point]], kinds: Sequence[str], side: Callable[..., float]
) -> list[dict[str, object]]:
    """Place the names of points above or below them; those that lie close share one."""
    labels: list[dict[str, object]] = []
    last = -_CLOSE
    for label, point in sorted(named, key=lambda one: one[1].withheld):
        shares = _shares(point, kinds)
        if not shares:
            continue
        withheld = point.withheld / point.messages
        if withheld - last < _CLOSE:
            labels[-1]["label"] = f"{labels[-1]['label']}, {label}"
            continue
        last = withheld
        kept = side(row["kept"] for row in shares)
        labels.append({"withheld": withheld, "kept": kept, "label": label})
    return labels


def _method(curve: Curve, name: str) -> str:
    row = ", ".join(f"{point.ceiling:g}" for point in curve.points)
    sample = ""
    if curve.every > 1:
        sample = (
            f" The recording is large, so about one person in {curve.every} was judged for it,"
            " chosen by a checksum of their name; a household that is only partly among them"
            " counts for less."
        )
    return (
        f"The same {curve.points[0].messages:,} messages were judged anew by the same rules under"
        f" each of these ceilings of {name}: {row}. 100 is as good as none; the others lie where"
        " the scores of the messages lie. Only the ceiling of people who said nothing moves: who"
        f" chose their own keeps it, and all other rules stay as they are.{sample} A good ceiling"
        " stands well above the dashed line: it withholds what people respond to less."
    )


def _shares(point: Point, kinds: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "kind": FEEDBACK[kind],
            "withheld": round(point.withheld / point.messages, 4),
            "kept": round(point.kept.get(kind, 0) / _total(point, kind), 4),
        }
        for kind in kinds
        if _total(point, kind)
    ]


def _total(point: Point, kind: str) -> int:
    return point.kept.get(kind, 0) + point.lost.get(kind, 0)


def _ceilings(points: Sequence[Point], kinds: Sequence[str]) -> Table:
    head = "Ceiling | Messages | Released | Of these later | Withheld | Share withheld"
    head += "".join(f" | {FEEDBACK[kind].capitalize()} kept" for kind in kinds)
    rows = []
    for point in points:
        later = point.ends.get("released later", 0)
        numbers: tuple[Cell, ...] = (
            f"{point.ceiling:g}",
            point.messages,
            point.messages - point.withheld,
            later,
            point.withheld,
            percent(point.withheld, point.messages),
        )
        kept = (percent(point.kept.get(kind, 0), _total(point, kind)) for kind in kinds)
        rows.append((*numbers, *kept))
    return table("Each ceiling, with all other rules as they are", head, rows)


def _feedback(points: Sequence[Point]) -> Table:
    kinds = [kind for kind in FEEDBACK if any(_total(point, kind) for point in points)]
    rows = [
        (
            f"{point.ceiling:g}",
            FEEDBACK[kind],
            point.kept.get(kind, 0),
            point.moved.get(kind, 0),
            point.lost.get(kind, 0),
        )
        for point in points
        for kind in kinds
    ]
    head = "Ceiling | Feedback | Kept | Of this on messages that go out after it | Lost"
    return table("All feedback under each ceiling", head, rows, folded=True)
