"""The commands about the ledger: make it whole from the topics, and compare it with them."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from governor.cli.failures import DIFFERS, Failed
from governor.cli.output import as_json, count, say, settings

if TYPE_CHECKING:
    from governor.rebuild import Progress


@click.group()
def ledger() -> None:
    """Look after what is known of people."""


@ledger.command()
@as_json
def rebuild(json_: bool) -> None:  # noqa: FBT001
    """Empty the ledger and fill it again from the topics.

    Workers that run hold meanwhile, and go on by themselves when it is whole.
    """
    from governor.restoration import rebuild_all

    done = _run(rebuild_all, quiet=json_)
    if json_:
        say(done)
    else:
        click.echo(f"the ledger is whole again: {_words(done)}")


@ledger.command()
@as_json
def verify(json_: bool) -> None:  # noqa: FBT001
    """Compare the ledger with what the topics tell; exit code 1 where they differ."""
    from governor.restoration import compare

    report = _run(compare, quiet=json_)
    if json_:
        say(report)
    else:
        click.echo(f"{count(report.people, 'person', 'people')} compared, {_words(report.read)}")
    if report.differences:
        shown = [f"{one.key}: {one.what}" for one in report.differences[:20]]
        more = len(report.differences) - len(shown)
        raise Failed(shown + ([f"and {more:,} more"] if more else []), DIFFERS)


def _run(errand: Callable[..., Any], *, quiet: bool) -> Any:
    from governor.broker import visit

    chosen = settings(["GOVERNOR_PSEUDONYM_KEY"])
    shows = sys.stderr.isatty() and not quiet

    def show(progress: "Progress") -> None:
        if shows:
            click.echo(f"\r\033[K{progress.records:>12,}  {progress.topic}", nl=False, err=True)

    try:
        return visit(chosen, errand(chosen, show))
    finally:
        if shows:
            click.echo("\r\033[K", nl=False, err=True)


def _words(progress: "Progress") -> str:
    odd = f", {count(progress.odd, 'record')} could not be read" if progress.odd else ""
    return f"{count(progress.records, 'record')} read{odd}"
