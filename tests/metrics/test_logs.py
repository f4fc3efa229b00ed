"""Logs are one JSON object a line, bounded, whatever a message holds."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from governor import logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    logs.configure("info", stream)
    yield stream
    logging.captureWarnings(capture=False)
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in stream.getvalue().splitlines()]


def _fail(why: str) -> None:
    raise ValueError(why)


def test_a_line_is_an_object_with_time_level_logger_and_message(written: io.StringIO) -> None:
    logging.getLogger("governor.stream").info("read %d", 3, extra={"batch": 7})
    (line,) = lines(written)
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "governor.stream",
        "message": "read 3",
        "batch": 7,
    }


def test_what_would_break_the_line_or_the_terminal_is_escaped(written: io.StringIO) -> None:
    nasty = 'a\nb\r\x1b[31m\x00\u2028"\ud800'
    logging.getLogger("x").warning("%s", nasty, extra={"odd": nasty, "no": float("nan")})
    text = written.getvalue()
    assert text.count("\n") == 1
    assert text.isascii()
    assert all(character.isprintable() for character in text.rstrip("\n"))
    (line,) = lines(written)
    assert (line["message"], line["odd"], line["no"]) == (nasty, nasty, "nan")


def test_a_message_is_cut_and_a_trace_keeps_its_end(written: io.StringIO) -> None:
    log = logging.getLogger("x")
    log.error("y" * 100_000)
    try:
        _fail("z" * 100_000 + " the end")
    except ValueError:
        log.exception("failed")
    assert all(len(line) < 12_000 for line in written.getvalue().splitlines())
    assert lines(written)[1]["exception"].endswith("the end\n")


def test_the_level_holds_and_lines_go_to_one_place(written: io.StringIO) -> None:
    logging.getLogger("x").debug("not this")
    logs.configure("debug", written)
    logging.getLogger("x").debug("this once")
    assert [line["message"] for line in lines(written)] == ["this once"]
