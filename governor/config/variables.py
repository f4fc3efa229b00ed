"""How the value of one variable of the environment is read; what is wrong is a ValueError."""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field

from governor.core.policy.values import milliseconds

KEY_BYTES = 32

_REDIS = re.compile(r"(rediss?(\+cluster|\+sentinel)?://[^/\s]+|unix://)\S*")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_HIGHEST_PORT = 65535
_SAFE = r"[A-Za-z0-9._-]"


class Address(NamedTuple):
    """Where a server listens."""

    host: str
    port: int


def _reader(read: Callable[[str], Any]) -> BeforeValidator:
    return BeforeValidator(lambda given: read(given) if isinstance(given, str) else given)


def _matching(pattern: str, words: str) -> BeforeValidator:
    def read(written: str) -> str:
        if re.fullmatch(pattern, written) is None:
            raise ValueError(f"`{written[:60]}` {words}")
        return written

    return _reader(read)


def _host_and_port(written: str) -> tuple[str, int | None]:
    found = _HOST.fullmatch(written)
    if found is None or int(found[2] or 0) > _HIGHEST_PORT:
        raise ValueError(f"`{written[:60]}` is no address, write `host:port`")
    return found[1].strip("[]"), int(found[2]) if found[2] else None


def _brokers(written: str) -> tuple[str, ...]:
    brokers = tuple(part.strip() for part in written.split(",") if part.strip())
    for broker in brokers:
        _host_and_port(broker)
    if not brokers:
        raise ValueError("names no broker, write `host:port,host:port`")
    return brokers


def _address(written: str) -> Address:
    host, port = _host_and_port(written)
    if port is None:
        raise ValueError(f"`{written[:60]}` has no port, write `host:port`")
    return Address(host, port)


def _redis(written: str) -> str:
    if _REDIS.fullmatch(written) is None:
        raise ValueError("is no address of a Redis, write it as `redis://host:6379/0`")
    return written


def _url(written: str) -> str:
    if re.fullmatch(r"https?://[^\s/]+\S*", written) is None:
        raise ValueError(f"`{written[:60]}` is no web address, write it as `https://host`")
    return written.rstrip("/")


def _key(written: str) -> bytes:
    try:
        key = base64.b64decode(written, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("is not 32 bytes in base64, make a key with `openssl rand -base64 32`")
    return key


def _keys(written: str) -> tuple[tuple[str, bytes], ...]:
    keys: dict[str, bytes] = {}
    for part in filter(None, re.split(r"[,\s]+", written)):
        name, colon, key = part.partition(":")
        if not colon or re.fullmatch(r"[A-Za-z0-9._-]{1,32}", name) is None:
            raise ValueError("holds a key without an id, write them as `id:key,id:key`")
        if name in keys:
            raise ValueError(f"has the id `{name}` twice")
        keys[name] = _key(key)
    return tuple(keys.items())


def _duration(written: str) -> int:
    length = milliseconds(written)
    if length == 0:
        raise ValueError("`0` is no time at all")
    return length


def _count(written: str) -> int:
    if re.fullmatch(r"[0-9]{1,12}", written) is None:
        raise ValueError(f"`{written[:60]}` is no whole number")
    return int(written)


Prefix = Annotated[
    str, _matching(_SAFE + "{0,180}", "may hold only letters, digits, dots, dashes, underscores")
]
Name = Annotated[
    str, _matching(_SAFE + "{1,180}", "may hold only letters, digits, dots, dashes, underscores")
]
Brokers = Annotated[tuple[str, ...], _reader(_brokers)]
RedisUrl = Annotated[str, _reader(_redis)]
Clock = Annotated[Literal["wall", "record"], _reader(str.lower)]
Level = Annotated[Literal["debug", "info", "warning", "error"], _reader(str.lower)]
Listen = Annotated[Address, _reader(_address)]
Url = Annotated[str, _reader(_url)]
Key = Annotated[bytes, _reader(_key)]
Keys = Annotated[tuple[tuple[str, bytes], ...], _reader(_keys)]
Count = Annotated[int, _reader(_count), Field(ge=0)]
Positive = Annotated[int, _reader(_count), Field(ge=1)]
Milliseconds = Annotated[int, _reader(_duration), Field(ge=1)]
