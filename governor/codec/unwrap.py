"""The JSON object inside a record, whether bare or carried by a CloudEvent."""

import base64
import binascii
import json
import math
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from governor.codec.rejected import Rejected

Headers = Sequence[tuple[str, bytes | None]]

DEEPEST = 64
_STRUCTURED = "application/cloudevents"

_parse = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
# The parser takes 400 times as long over a number at the edge of what a double holds.
_LARGE = 16_384
_MANY_EDGES = 500
_EDGE = re.compile(rb"[0-9.][eE][-+]?0*[23][0-9]{1,2}").findall


def unwrap(value: bytes | None, headers: Headers) -> dict[str, Any]:
    """Return the JSON object that the record carries; of a CloudEvent, its data.

    In CloudEvents binary mode the value is the object itself; in structured mode, which the
    content type tells, the value is the event around it. Raises Rejected (`undecodable`).
    """
    if value is None:
        raise Rejected("undecodable", "value: is null")
    for name, content in headers:
        if content and name.lower() == "content-type":
            media = content.decode("latin-1").partition(";")[0].strip().lower()
            if media.startswith(_STRUCTURED):
                return _event_data(value, media)
    return parse(value)


def parse(value: bytes) -> dict[str, Any]:
    """Read *value* as one JSON object (RFC 8259), of a name that comes twice the last.

    Integers of any size and all doubles come out as they were written. Raises Rejected
    (`undecodable`) for anything else, numbers beyond a double and nesting deeper than 64 included.
    """
    try:
        data = _patiently(value) if _tries_patience(value) else _parse(value)
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError:
        raise Rejected("undecodable", "value: is not UTF-8") from None
    except ValueError as error:
        # only the parser's own words: they name a byte position and never what stands there
        why = str(error).removeprefix("JSON is malformed: ")[:120]
        raise Rejected("undecodable", f"value: is no JSON, {why}") from None
    return checked(data, brackets=value.count(b"{") + value.count(b"["))


def checked(data: object, brackets: int = DEEPEST + 1) -> dict[str, Any]:
    """Return parsed *data* if it is an object that nests no deeper than 64."""
    if not isinstance(data, dict):
        raise Rejected("undecodable", "value: is no JSON object")
    if brackets > DEEPEST and _depth_exceeds(data, DEEPEST):
        raise _too_deep()
    return data


def _event_data(value: bytes, media: str) -> dict[str, Any]:
    if media != "application/cloudevents+json":
        raise Rejected("undecodable", "content-type: only `application/cloudevents+json` is read")
    event = parse(value)
    if event.get("specversion") != "1.0":
        raise Rejected("undecodable", "specversion: must be `1.0`")
    data, coded = event.get("data"), event.get("data_base64")
    if coded is None:
        if not isinstance(data, dict):
            raise Rejected("undecodable", "data: must be a JSON object")
        return data
    if data is not None or not isinstance(coded, str):
        raise Rejected("undecodable", "data_base64: must be text and stand without `data`")
    try:
        return parse(base64.b64decode(coded, validate=True))
    except (binascii.Error, ValueError):
        raise Rejected("undecodable", "data_base64: is no base64") from None


def _tries_patience(value: bytes) -> bool:
    return len(value) > _LARGE and len(_EDGE(value)) > _MANY_EDGES


def _patiently(value: bytes) -> Any:
    """Read *value* as the parser does, in time that does not depend on what the numbers are."""
    data = json.loads(value.decode(), parse_float=_finite, parse_constant=_finite)
    _encode(data)  # raises for half characters, which the other parser refuses as well
    return data


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("Number out of range")
    return number


def _too_deep() -> Rejected:
    return Rejected("undecodable", f"value: nests deeper than {DEEPEST}")


def _depth_exceeds(data: object, most: int) -> bool:
    level = [data]
    for _ in range(most):
        inner: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return False
        level = inner
    return any(isinstance(item, dict | list) for item in level)
