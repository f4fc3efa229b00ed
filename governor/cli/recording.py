"""What `simulate` plays: recorded events, or the export of another tool made into them."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from governor.cli.failures import INVALID, Failed

if TYPE_CHECKING:
    from governor.simulate import Event

Recording = Callable[[], "Iterator[Event]"]


def recording_of(
    events: Path | None, log: Path | None, map_: Path | None, *, again: bool
) -> Recording:
    """Return what gives the events, as often as it is asked and in any process.

    *again* tells that other processes are to read them as well.
    """
    if (events is None) == (log is None) or (log is None) != (map_ is None):
        raise click.UsageError("name either `--events`, or `--log` and its `--map`")
    if log is not None and map_ is not None:
        _conversion(log, map_)
        return partial(_converted, log, map_)
    assert events is not None  # noqa: S101
    if again and events.exists() and not events.is_file():
        raise click.UsageError(f"`--report` reads the events again, `{events}` must be a file")
    return partial(_recorded, events)


def _recorded(path: Path) -> "Iterator[Event]":
    from governor.simulate import read_events

    try:
        yield from read_events(path)
    except OSError as error:
        reason = (error.strerror or "it is away").lower()
        raise Failed(f"{path}: cannot be read: {reason}", INVALID) from None


@cache
def _conversion(log: Path, map_: Path) -> Any:
    from governor.convert import Conversion, load_map

    return Conversion(log, load_map(map_), map_.parent)


def _converted(log: Path, map_: Path) -> "Iterator[Event]":
    from governor.simulate import Event

    for line, event in enumerate(_conversion(log, map_).events(), 1):
        yield Event(event.at, event.type, event.data, line)
