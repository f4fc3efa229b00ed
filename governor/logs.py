"""Logs as JSON lines on stderr, one object a line whatever a message holds.

What is logged must not name a person: log the pseudonym, counts and places, never the value of a
record. No filter can see the difference, so each call has to.
"""

import json
import logging
import math
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, TextIO

LONGEST_MESSAGE = 2_000
LONGEST_TRACE = 8_000

# What every record has; anything else was given as `extra`.
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Writes a log record as one line of JSON, cut to a bounded length."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; what cannot be written as JSON is shown as text."""
        line: dict[str, Any] = {
            "at": _instant(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _cut(record.getMessage(), LONGEST_MESSAGE),
        }
        for name, value in record.__dict__.items():
            if name not in _OWN and name not in line:
                line[name] = _plain(value)
        if record.exc_info and record.exc_info[0] is not None:
            trace = "".join(traceback.format_exception(*record.exc_info))
            # The end of a trace says most.
            line["exception"] = trace[-LONGEST_TRACE:]
        return json.dumps(line, ensure_ascii=True, default=str)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send every log of this process from *level* on to *stream* (stderr), and nowhere else."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(capture=True)


def _instant(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, int | None) else _cut(str(value))


def _cut(text: str, length: int = LONGEST_MESSAGE) -> str:
    return text if len(text) <= length else f"{text[:length]}... ({len(text)} characters)"
