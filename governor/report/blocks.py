"""What the page is made of: sections with sentences, charts, and the tables behind them."""

import re
from collections.abc import Sequence

import msgspec

from governor.core.instant import DAY, HOUR, MINUTE, SECOND

_FIGURE = re.compile(r"[+-]?[\d,.]+( %)?|–|")

Cell = str | int | float | None


class Table(msgspec.Struct, frozen=True):
    """Rows under a caption; numbers stand to the right. A folded one is opened by a click."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False

    @property
    def words(self) -> frozenset[int]:
        """Number the columns that hold words."""
        columns = enumerate(zip(*self.rows, strict=True))
        return frozenset(place for place, cells in columns if not all(map(is_figure, cells)))


class Chart(msgspec.Struct, frozen=True):
    """A drawing in two widths, as inline SVG, with what it shows in words."""

    caption: str
    wide: str
    narrow: str


class Section(msgspec.Struct, frozen=True):
    """A part of the page under a heading."""

    id: str
    title: str
    text: str = ""
    blocks: tuple[Chart | Table, ...] = ()
    remarks: tuple[str, ...] = ()


ENDS = ("released", "released later", "waiting", "suppressed")
"""What becomes of messages, in the order of the page."""


def table(
    caption: str, head: str, rows: Sequence[Sequence[Cell]], *, folded: bool = False
) -> Table:
    """Make a table; *head* names the columns, with bars between."""
    names = tuple(name.strip() for name in head.split("|"))
    return Table(caption, names, tuple(tuple(row) for row in rows), folded)


def percent(part: float, whole: float) -> str:
    """Write the share of *part* in *whole*; no share of nothing."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def is_figure(cell: Cell) -> bool:
    """Tell whether a cell is a number, or a share, or the lack of one."""
    return not isinstance(cell, str) or _FIGURE.fullmatch(cell) is not None


def shown(cell: Cell) -> str:
    """Write a cell."""
    if cell is None:
        return "–"
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:g}" if isinstance(cell, float) else cell


def duration(ms: int) -> str:
    """Write a length of time by its largest unit."""
    for unit, size in (("days", DAY), ("hours", HOUR), ("minutes", MINUTE)):
        if ms >= size:
            return f"{ms / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{ms / SECOND:g} seconds"
