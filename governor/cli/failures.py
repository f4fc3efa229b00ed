"""How a command fails: one clear line for each thing that is wrong, and the exit code it means."""

import errno
from collections.abc import Iterable
from typing import IO, Any

import click

from governor.core.printable import printable

FINE, DIFFERS, USAGE, INVALID, AWAY = range(5)


class Failed(click.ClickException):
    """The command ends with these lines and this exit code."""

    def __init__(self, lines: str | Iterable[str], code: int) -> None:
        told = [lines] if isinstance(lines, str) else lines
        super().__init__("\n".join(map(printable, told)))
        self.exit_code = code

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the lines as they are, each with its place first."""
        click.echo(self.message, file=file, err=True)


class Commands(click.Group):
    """A group whose commands end in words and an exit code, whatever they raise."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; with --debug errors come out as they are."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if ctx.params.get("debug") or _pipe_is_closed(error):
                raise
            raise failure(error) from None


def _pipe_is_closed(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def failure(error: Exception) -> Failed:
    """Return what *error* means to the one who typed the command."""
    from governor.broker import BrokerUnavailable
    from governor.config import PolicyInvalid
    from governor.config.settings import SettingsInvalid
    from governor.convert import InputInvalid
    from governor.ledger.keys import SealedError
    from governor.ledger.protocol import LedgerUnavailable
    from governor.simulate import EventsInvalid

    if isinstance(error, SettingsInvalid):
        return Failed(error.problems, USAGE)
    if isinstance(error, SealedError):
        return Failed(str(error), USAGE)
    if isinstance(error, PolicyInvalid | InputInvalid):
        return Failed(map(str, error.defects), INVALID)
    if isinstance(error, EventsInvalid):
        return Failed(str(error), INVALID)
    if isinstance(error, LedgerUnavailable | BrokerUnavailable):
        return Failed(str(error), AWAY)
    if isinstance(error, OSError) and error.filename is not None:
        reason = (error.strerror or "it is away").lower()
        return Failed(f"{error.filename}: {reason}", USAGE)
    words = f"{type(error).__name__}: {error}".partition("\n")[0]
    return Failed(f"unexpected: {words}; `governor --debug ...` shows where", DIFFERS)
