"""What the day came to, as it is shown to people."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from governor.config import topics
from governor.demo.checks import Check
from governor.demo.day import Day
from governor.demo.totals import quieter, reasons


def summary(day: Day, checks: Sequence[Check]) -> RenderableType:
    """Tell how messages ended, where a quieter way was taken, and what was checked."""
    title = Rule(Text("what the day came to", "bold"), align="left")
    return Group(title, _totals(day), _quieter(day), _reasons(day), *_kept(checks))


def _kept(checks: Sequence[Check]) -> Iterator[Text]:
    for check in checks:
        mark, colour = ("✓", "green") if check.kept else ("✗", "bold red")
        yield Text.assemble((f" {mark} ", colour), check.promise)
        yield from (Text(f"     {flaw}", "red") for flaw in check.flaws)


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
        (f"{len(day.handovers)} people handed over to a human", "bright_cyan"),
        f" ({topics.HANDOVERS}), {day.said_again} release of what was told under another id.\n",
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
