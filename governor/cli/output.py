"""What commands print, for people or as JSON, and the settings and options that they share."""

from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from governor.core.printable import printable

if TYPE_CHECKING:
    from governor.config.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def as_json(command: F) -> F:
    """Give a command the option `--json`."""
    return click.option("--json", "json_", is_flag=True, help="Print JSON, for programs.")(command)


def say(value: Any, *, err: bool = False) -> None:
    """Print *value* as one line of JSON."""
    import json

    import msgspec

    text = msgspec.json.encode(value).decode()
    if not text.isprintable():  # what JSON lets stand and a terminal may obey
        text = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text)
    click.echo(text, err=err)


def tell(line: str, *, err: bool = False) -> None:
    """Print one line for people; what would end it or steer the terminal is written out."""
    click.echo(printable(line), err=err)


def settings(required: Collection[str] = ()) -> "Settings":
    """Read the settings from the environment and `.env`; SettingsInvalid tells what is wrong."""
    import os

    from governor.config.settings import Settings, environment

    return Settings.load(environment(os.environ, Path.cwd()), required)


def apart(written: Iterable[Path | None], read: Iterable[Path | None]) -> None:
    """Refuse to write over what is to be read, or to one file twice; raises UsageError."""
    kept = [path for path in read if path is not None]
    for path in written:
        if path is None or str(path) == "-":
            continue
        for other in kept:
            if path == other or (path.exists() and other.exists() and path.samefile(other)):
                raise click.UsageError(f"`{path}` would be written over, name another file")
        kept.append(path)


def count(number: int, word: str, words: str | None = None) -> str:
    """Write *number* with its word, in the plural where it is one."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"
