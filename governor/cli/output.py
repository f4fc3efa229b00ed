"""What commands print, for people or as JSON, and the settings and options that they share."""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from governor.config.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


def as_json(command: F) -> F:
    """Give a command the option `--json`."""
    return click.option("--json", "json_", is_flag=True, help="Print JSON, for programs.")(command)


def say(value: Any, *, err: bool = False) -> None:
    """Print *value* as one line of JSON."""
    import msgspec

    click.echo(msgspec.json.encode(value).decode(), err=err)


def settings(required: Collection[str] = ()) -> "Settings":
    """Read the settings from the environment and `.env`; SettingsInvalid tells what is wrong."""
    import os
    from pathlib import Path

    from governor.config.settings import Settings, environment

    return Settings.load(environment(os.environ, Path.cwd()), required)


def count(number: int, word: str, words: str | None = None) -> str:
    """Write *number* with its word, in the plural where it is one."""
    return f"{number:,} {word if number == 1 else words or word + 's'}"
