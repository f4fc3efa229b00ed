"""A number for a JSON value, equal for equal values however they were written."""

import hashlib
import re
from typing import Any

import msgspec

_encode = msgspec.json.Encoder(order="deterministic").encode
_POINT_ZERO = re.compile(rb"\.0(?![0-9])").search
_EXPONENT = re.compile(rb"e[0-9]").search


def digest64(raw: dict[str, Any], key: bytes = b"") -> int:
    """Hash *raw* as a JSON value to 64 bits, under *key* so that nobody else can confirm a guess.

    The order of names and white space make no difference, nor does it whether a whole number is
    written as `1`, `1.0` or `1e0`; every field counts.
    """
    text = _encode(raw)
    if _POINT_ZERO(text) or _EXPONENT(text):  # there may be a whole number written as a float
        text = _encode(_whole(raw))
    return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=key).digest(), "big")


def content32(person: str, content: Any, key: bytes = b"") -> int:
    """Hash what a message says to *person* to 32 bits, under *key*; 0 where it says nothing."""
    if content is None:
        return 0
    return digest64({"person": person, "content": content}, key) >> 32 or 1


def _whole(value: Any) -> Any:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return value
