"""The view for people: the day as it passes, line by line, and below it what it has come to."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from governor.demo.checks import Check
from governor.demo.day import Day, Decision, Letter
from governor.demo.hints import hints
from governor.demo.machine import Part
from governor.demo.script import Beat, Person
from governor.demo.sentences import Row, Teller, shop_clock
from governor.demo.story import BEGIN, END, SHOP_NAME
from governor.demo.totals import quieter, reasons

_COLOURS = {
    "released": "green",
    "deferred": "yellow",
    "in review": "magenta",
    "suppressed": "red",
    "repeated": "cyan",
    "dead letter": "bright_red",
}
_WIDE = 110
_READING = 0.55
_PER_LINE = 0.13


class Terminal:
    """Prints line after line; on a terminal a footer with running totals stays below them."""

    def __init__(self, people: Mapping[str, Person]) -> None:
        self._console = Console(highlight=False)
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
        grid.add_row(shop_clock(beat.at), beat.caption, style="bold")
        self._print("")
        self._print(grid if self._console.is_terminal else f"{shop_clock(beat.at)}  {beat.caption}")

    def came(self, came: Decision | Letter, day: Day) -> None:
        """Print one row."""
        if isinstance(came, Letter):
            said = came.value.decode(errors="replace")
            what = said if len(said) <= 30 else f"{said[:27]}..."  # noqa: PLR2004
            row = Row("", "dead letter", "", what, came.reason.replace("_", " "))
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
        self._console.print()
        self._console.print(Rule(Text("what the day came to", "bold"), align="left"))
        self._console.print(_totals(day), _quieter(day), _reasons(day))
        for check in checks:
            mark, colour = ("✓", "green") if check.kept else ("✗", "bold red")
            self._console.print(Text.assemble((f" {mark} ", colour), check.promise))
            for flaw in check.flaws:
                self._console.print(Text(f"     {flaw}", "red"))

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
            head = f"{row.clock:<5}  {row.outcome:<11}  {row.name:<6}  {row.what:<30}  {row.why}"
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
        if self._console.is_terminal:
            time.sleep(seconds)


def _home(person: Person) -> str:
    return person.place if person.zone else f"somewhere in {person.place}"


def _line(row: Row, width: int) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for size in (5, 11, 6):
        grid.add_column(width=size, no_wrap=True)
    outcome = Text(row.outcome, _COLOURS[row.outcome])
    head = (Text(row.clock, "dim"), outcome, row.name)
    if width >= _WIDE:
        grid.add_column(width=30)
        grid.add_column()
        grid.add_row(*head, row.what, Text(row.why, "dim"))
    else:
        grid.add_column()
        grid.add_row(*head, Group(row.what, Text(row.why, "dim")) if row.why else row.what)
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


def _totals(day: Day) -> RenderableType:
    people = len({one["person"] for one in day.decisions.values()})
    messages = len(day.last()) + len(day.letters)
    waiting = day.count("defer") + day.count("review")
    return Text.assemble(
        f"{messages} messages for {people} people took {len(day.decisions)} decisions: ",
        (f"{day.count('release')} released", "green"),
        ", ",
        (f"{day.count('suppress')} suppressed", "red"),
        ", ",
        (f"{len(day.letters)} dead letters", "bright_red"),
        f", {waiting or 'none'} left waiting.\n",
    )


def _quieter(day: Day) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for refused, taken, rule, code, number in quieter(day):
        way = f"{refused} refused, {taken} taken"
        grid.add_row(f"{number:>3}", way, Text(f"{code} ({rule})", "dim"))
    title = Text("Where the more intrusive way was refused and a quieter one went out:")
    return Group(title, grid, "")


def _reasons(day: Day) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 1), pad_edge=False)
    table.add_column("What held messages back")
    table.add_column("rule", style="dim")
    for name, colour in (("deferred", "yellow"), ("in review", "magenta"), ("suppressed", "red")):
        table.add_column(name, style=colour, justify="right")
    for reason in reasons(day):
        counts = (reason.defer, reason.review, reason.suppress)
        table.add_row(reason.code, reason.rule, *(str(count or "") for count in counts))
    return Padding(table, (0, 0, 1, 0))
