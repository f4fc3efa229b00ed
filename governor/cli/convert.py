"""The command that makes events out of another tool's export."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from governor.cli.output import apart, as_json, count, say

if TYPE_CHECKING:
    from governor.convert import Tally

FILE = click.Path(path_type=Path)


@click.command()
@click.option("--log", type=FILE, required=True, help="The export, CSV or CSV.gz.")
@click.option("--map", "map_", type=FILE, required=True, help="What its columns mean, YAML.")
@click.option("--out", type=FILE, help="Where the events go. Default: standard output.")
@as_json
def convert(log: Path, map_: Path, out: Path | None, json_: bool) -> None:  # noqa: FBT001
    """Make a CSV export into events.

    They are JSON Lines that `simulate` plays. What was read and made is told on standard error.
    """
    from governor.convert import Conversion, load_map

    apart([out], [log, map_])
    conversion = Conversion(log, load_map(map_), map_.parent)
    with click.open_file(str(out or "-"), "wb") as lines:
        for event in conversion.events():
            lines.write(event.line())
    if json_:
        say(conversion.tally, err=True)
    else:
        click.echo(in_words(conversion.tally), err=True)


def in_words(tally: "Tally") -> str:
    """Say what a conversion read and made."""
    made = [
        count(tally.candidates, "candidate"),
        count(tally.feedback, "piece of feedback", "pieces of feedback"),
        count(tally.consents, "consent"),
        count(tally.profiles, "profile"),
    ]
    people = count(tally.people, "person", "people")
    lines = [f"{count(tally.rows, 'row')} of {people}: {', '.join(made)}"]
    if tally.passed_over:
        lines.append(
            f"{count(tally.passed_over, 'row')} passed over, the map has no entry for them"
        )
    if tally.orphans:
        pieces = count(tally.orphans, "piece of feedback", "pieces of feedback")
        lines.append(f"{pieces} had no candidate before it; what says no to all was kept")
    return "\n".join(lines)
