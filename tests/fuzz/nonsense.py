"""Bytes and JSON that nobody should send, most of them close to what somebody would."""

from __future__ import annotations

import json
from random import Random
from typing import Any

ODD_TEXTS = [
    "",
    " ",
    "\x00",
    "a\r\nb: c",
    "\x1b[2J\x1b]0;x\x07",
    '{"level":"error"}',
    "}{",
    "{x}:ledger",
    "governor:*",
    "p_AAAAAAAAAAAAAAAAAAAAAA",
    "p_AAAAAAAAAAAAAAAAAAAAAA|m-1",
    "a|b",
    "*",
    "../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "\u202eabc",
    "e\u0301",
    "\u00e9",
    "promotion\u0430l",
    "\ufeff",
    "\U0001f600" * 64,
    "\U0001f600" * 65,
    "x" * 256,
    "x" * 257,
    "x" * 20_000,
    "${jndi:ldap://x}",
    "%s%n{0}{limit}",
    "2026-05-05T10:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "2026-05-05T10:00:00+23:59",
    "2026-02-30T00:00:00Z",
    "1970-01-01T00:00:00-00:00",
    "Europe/Berlin",
    "../../../etc/localtime",
    "0001-01-01",
    "24h",
    "0" * 5_000,
]
ODD_NUMBERS: list[float] = [
    0,
    -1,
    1,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    -(2**63) - 1,
    10**30,
    10**4000,
]
ODD_NUMBERS += [0.5, -0.0, 1e22, 1e308, 5e-324, -1e308]
ODD_WORDS = [b"1e400", b"-1e400", b"NaN", b"Infinity", b"1" + b"0" * 5000, b"01", b"1.", b"\xff"]
ODD_WORDS += [b'"\\ud800"', b'"\\u0000"', b"/**/1", b"[" * 100, b'{"a":' * 70, b"\xef\xbb\xbf"]


def some_text(chance: Random) -> str:
    """Return a text, odd or of random characters."""
    if chance.random() < 0.7:
        return chance.choice(ODD_TEXTS)
    return "".join(chr(_character(chance)) for _ in range(chance.randint(0, 8)))


def _character(chance: Random) -> int:
    found = chance.choice(
        [chance.randrange(128), chance.randrange(0x3000), chance.randrange(0x110000)]
    )
    return 0xFFFD if 0xD800 <= found < 0xE000 else found


def value(chance: Random, depth: int = 3) -> Any:
    """Return any JSON value."""
    kind = chance.randrange(7 if depth else 5)
    if kind == 0:
        return chance.choice([None, True, False])
    if kind == 1:
        return chance.choice(ODD_NUMBERS)
    if kind == 2:
        return chance.choice([chance.randint(-(10**6), 10**6), chance.uniform(-1e9, 1e9)])
    if kind < 5:
        return some_text(chance)
    several = range(chance.randint(0, 3))
    if kind == 5:
        return [value(chance, depth - 1) for _ in several]
    return {some_text(chance): value(chance, depth - 1) for _ in several}


def _spots(within: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    if isinstance(within, dict):
        inner: list[tuple[Any, Any]] = list(within.items())
    else:
        inner = list(enumerate(within)) if isinstance(within, list) else []
    for key, item in inner:
        found += [(within, key), *_spots(item)]
    return found


def changed(chance: Random, base: dict[str, Any]) -> dict[str, Any]:
    """Return *base* with up to three things left out, replaced, repeated or added."""
    made: dict[str, Any] = json.loads(json.dumps(base))
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3])):
        spots = _spots(made)
        if not spots:
            break
        here, key = chance.choice(spots)
        way = chance.randrange(4)
        if way == 0:
            del here[key]
        elif way == 1 and isinstance(here, list):
            here.append(here[key])
        elif way == 2 and isinstance(here, dict):
            here[some_text(chance)] = value(chance)
        else:
            here[key] = value(chance)
    return made


def damaged(chance: Random, text: bytes) -> bytes:
    """Damage *text* in up to three places."""
    for _ in range(chance.randint(0, 3)):
        start = chance.randint(0, len(text))
        end = min(len(text), start + chance.choice([0, 0, 1, 2, 10, 100]))
        word = chance.choice([b"", chance.randbytes(3), text[start:end] * 2, *ODD_WORDS])
        text = text[:start] + word + text[end:]
    return text


def written(chance: Random, base: dict[str, Any]) -> bytes:
    """Write what became of *base* as JSON, now and then not quite."""
    text = json.dumps(changed(chance, base), ensure_ascii=chance.random() < 0.5).encode()
    return damaged(chance, text) if chance.random() < 0.25 else text
