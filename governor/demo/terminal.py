"""The view for people: the day as it passes, line by line, and below it what it has come to."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from governor.demo.checks import Check
from governor.demo.day import Came, Day, Gathering, Handover, Letter
from governor.demo.hints import hints
from governor.demo.process import Part
from governor.demo.script import Beat, Person
from governor.demo.sentences import Row, Teller, shop_clock
from governor.demo.story import BEGIN, END, SHOP_NAME
from governor.demo.summary import summary

_COLOURS = {
    "released": "green",
    "deferred": "yellow",
    "in review": "magenta",
    "suppressed": "red",
    "repeated": "cyan",
    "gathers": "blue",
    "handed over": "bright_cyan",
    "dead letter": "bright_red",
}
_WIDE = 110
_READING = 0.55
_PER_LINE = 0.13


class Terminal:
    """Prints line after line; on a terminal a footer with running totals stays below them."""

    def __init__(self, people: Mapping[str, Person], *, pace: float = 1.0) -> None:
        """*pace* stretches the time to read; 0 leaves none."""
        self._console = Console(highlight=False)
        self._pace = pace if self._console.is_terminal else 0.0
        self._teller = Teller(people)
        self._live: Live | None = None
        self._at = BEGIN
        self._console.print(
            Text.assemble(
                ("Governor", "bold"),
                f": a sample day at {SHOP_NAME}, an invented shop.\n"
                "Its engines want to say things to people. Governor decides what may be said,\n"
                "by which channel and when. All of it runs on this machine, nothing leaves it.\n",
            )
        )

    def waits(self, what: str) -> None:
        """Show a spinner until the next line."""
        self._below(Spinner("dots", Text(f"{what} ...", "dim")))

    def runs(self, part: Part, what: str) -> None:
        """Print a line with a tick."""
        line = ((" ✓ ", "green"), f"{part.name:<8}", f"{what}  ", (part.address, "dim"))
        self._print(Text.assemble(*line))

    def introduces(self, people: Mapping[str, Person]) -> None:
        """Print who lives where."""
        named = [f"{person.name} ({_home(person)})" for person in people.values()]
        self._print(Text.assemble(("People  ", "bold"), ", ".join(named), "\n"))

    def beat(self, beat: Beat) -> None:
        """Print the caption and move the clock."""
        self._at = beat.at
        grid = Table.grid(padding=(0, 2))
        grid.add_row(shop_clock(beat.at), Text(beat.caption), style="bold")
        self._print("")
        self._print(grid if self._console.is_terminal else f"{shop_clock(beat.at)}  {beat.caption}")

    def came(self, came: Came, day: Day) -> None:
        """Print one row."""
        if isinstance(came, Letter):
            said = came.value.decode(errors="replace")
            what = said if len(said) <= 26 else f"{said[:23]}..."  # noqa: PLR2004
            row = Row("", "dead letter", "", what, came.reason.replace("_", " "))
        elif isinstance(came, Gathering):
            row = self._teller.gathers(came, self._at)
        elif isinstance(came, Handover):
            row = self._teller.handed_over(came)
        elif day.decisions[came["id"]] is came:
            row = self._teller.row(came)
        else:
            row = self._teller.again(came, day)
        self._row(row)
        self._below(self._footer(day))
        self._sleep(_PER_LINE)

    def pause(self, day: Day) -> None:
        """Leave a moment to read what happened."""
        self._below(self._footer(day))
        self._sleep(_READING)

    def ends(self, day: Day, checks: Sequence[Check]) -> None:
        """Print the summary and the checks."""
        self.close()
        self._console.print("", summary(day, checks))

    def hints(self, folder: Path, kept: Mapping[str, str] | None) -> None:
        """Print commands to go on with."""
        self.close()
        for title, lines in hints(folder, kept):
            self._console.print(Text(f"\n{title}", "bold"))
            for line in lines:
                # Not wrapped, so that they can be copied.
                self._console.print(Text(f"  {line}"), soft_wrap=True)

    def fails(self, flaws: Sequence[str]) -> None:
        """Print what went wrong on standard error."""
        self.close()
        for flaw in flaws:
            Console(stderr=True, highlight=False).print(Text(flaw, "red"), soft_wrap=True)

    def close(self) -> None:
        """Take the footer away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _row(self, row: Row) -> None:
        if self._console.is_terminal:
            self._print(_line(row, self._console.width))
        else:
            head = f"{row.clock:<5}  {row.outcome:<11}  {row.name:<6}  {row.what:<26}  {row.why}"
            self._console.print(head.rstrip(), soft_wrap=True, markup=False)

    def _print(self, line: RenderableType) -> None:
        # What goes to a file is not broken into lines.
        self._console.print(line, soft_wrap=not self._console.is_terminal)

    def _below(self, what: RenderableType) -> None:
        if not self._console.is_terminal:
            return
        shown = Group("", what)
        if self._live is None:
            self._live = Live(shown, console=self._console, transient=True, refresh_per_second=10)
            self._live.start(refresh=True)
        else:
            self._live.update(shown, refresh=True)

    def _footer(self, day: Day) -> RenderableType:
        done = Text.assemble(
            *_counts(day),
            ("  dead letters ", "dim"),
            (str(len(day.letters)), "bright_red"),
        )
        clock = Text(shop_clock(self._at), "bold")
        if self._console.width < _WIDE:
            return Text.assemble(clock, done)
        bar = ProgressBar(total=END - BEGIN, completed=self._at - BEGIN, width=24)
        grid = Table.grid(padding=(0, 2))
        grid.add_row(clock.append(" at the shop"), bar, done)
        return grid

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds * self._pace)


def _home(person: Person) -> str:
    return person.place if person.zone else f"somewhere in {person.place}"


def _line(row: Row, width: int) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for size in (5, 11, 6):
        grid.add_column(width=size, no_wrap=True)
    outcome = Text(row.outcome, _COLOURS[row.outcome])
    head = (Text(row.clock, "dim"), outcome, Text(row.name))
    what, why = Text(row.what), Text(row.why, "dim")
    if width >= _WIDE:
        grid.add_column(width=26)
        grid.add_column()
        grid.add_row(*head, what, why)
    else:
        grid.add_column()
        grid.add_row(*head, Group(what, why) if row.why else what)
    return grid


def _counts(day: Day) -> list[tuple[str, str]]:
    waiting, reviewed = day.count("defer"), day.count("review")
    parts = []
    for name, number, colour in (
        ("released", day.count("release"), "green"),
        ("deferred", waiting, "yellow"),
        ("in review", reviewed, "magenta"),
        ("suppressed", day.count("suppress"), "red"),
    ):
        parts += [(f"  {name} ", "dim"), (str(number), colour)]
    return parts
