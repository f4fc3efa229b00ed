"""Pseudonyms that only the holder of the key can link to a person, and the sealing of bodies."""

import base64
import re
import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache, partial

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from governor.core import model

KEY_BYTES = 32
DERIVED = "derived"

_PAYLOAD_KEYS, _PSEUDONYM_KEY = "GOVERNOR_PAYLOAD_KEYS", "GOVERNOR_PSEUDONYM_KEY"
_NONCE_BYTES = 12
_REMEMBERED = 131_072
_PUBLIC_KEY = b"governor decision ids without a key"
_PSEUDONYM = re.compile(r"p_[A-Za-z0-9_-]{21}[AQgw]")
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")


class SealedError(ValueError):
    """What was sealed cannot be opened: the key is gone, or it was altered or moved.

    Its words begin with the setting that holds the key.
    """


class Pseudonyms:
    """The names of people and decisions under one secret *key*; without one people keep theirs."""

    def __init__(self, key: bytes | None) -> None:
        if key is not None and len(key) != KEY_BYTES:
            raise ValueError(f"the pseudonym key has {len(key)} bytes; it must have {KEY_BYTES}")
        secret = HMAC(key or _PUBLIC_KEY, SHA256())
        # Taken on from where the key is read already, which is half of the work.
        self._decision = HMAC(_mac(secret, b"governor decision"), SHA256())
        self.digest_key = _mac(secret, b"governor digest")
        self._pseudonym: Callable[[str], str] | None = None
        if key is not None:
            people = HMAC(_mac(secret, b"governor person"), SHA256())
            self._pseudonym = lru_cache(maxsize=_REMEMBERED)(partial(_pseudonym, people))

    def of(self, person: str) -> str:
        """Return the pseudonym of *person*, always the same under one key."""
        return person if self._pseudonym is None else self._pseudonym(person)

    def of_fact(self, fact: model.Fact) -> str:
        """Return the pseudonym of whom *fact* is about; a reviewer may name them by it."""
        if isinstance(fact, model.ReviewAnswer) and looks_like_pseudonym(fact.person):
            return fact.person
        return self.of(fact.person)

    def decision_id(self, person: str, message: str, attempt: int) -> str:
        """Return the id of a decision, the same on every worker that has the same key."""
        parts = f"{len(person)}:{person}{len(message)}:{message}{attempt}"
        return "d-" + _text(_mac(self._decision, parts.encode()))


def looks_like_pseudonym(text: str) -> bool:
    """Tell whether *text* has the form of a keyed pseudonym."""
    return _PSEUDONYM.fullmatch(text) is not None


class Sealer:
    """Seals with the key named *current*, opens with any of *keys* (AES-256-GCM)."""

    def __init__(self, keys: Mapping[str, bytes], current: str) -> None:
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self._cipher = self._ciphers[current]
        self._head = _head(current)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return *plain* encrypted, to be opened only with the same *context*."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return self._head + nonce + self._cipher.encrypt(nonce, plain, self._head + context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed with *context*; raise SealedError when that is not possible."""
        end = 1 + sealed[0] if sealed else 0
        head, nonce, rest = sealed[:end], sealed[end : end + _NONCE_BYTES], sealed[end:]
        key = head[1:].decode(errors="replace")
        cipher = self._ciphers.get(key)
        if cipher is None:
            names = ", ".join(f"`{name}`" for name in self._ciphers)
            raise SealedError(
                f"{_PAYLOAD_KEYS}: what waits was sealed with the key `{key}`, which is none of"
                f" {names}; put it back until nothing of it waits"
            )
        try:
            return cipher.decrypt(nonce, rest[_NONCE_BYTES:], head + context)
        except (InvalidTag, ValueError) as error:
            setting = _PSEUDONYM_KEY if key == DERIVED else _PAYLOAD_KEYS
            raise SealedError(
                f"{setting}: what waits was sealed with the key `{key}`, but it does not open: the"
                " key is another one now, or the body was altered or put in another place"
            ) from error


def read_key(text: str, place: str) -> bytes:
    """Return the 32 bytes that *text* holds as base64; *place* starts the error."""
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise ValueError(
            f"{place}: is not base64; make one with `openssl rand -base64 32`"
        ) from None
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"{place}: has {len(key)} bytes and needs {KEY_BYTES};"
            " make one with `openssl rand -base64 32`"
        )
    return key


def payload_keys(pseudonym_key: bytes, setting: str | None) -> tuple[dict[str, bytes], str]:
    """Return the keys that seal what waits, by id, and the id of the current one.

    *setting* is GOVERNOR_PAYLOAD_KEYS: `id:base64,id2:base64`, the first is current, the others
    only open. The key derived from *pseudonym_key* always opens, and is current without a setting.
    """
    derived = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"governor payload").derive(pseudonym_key)
    keys: dict[str, bytes] = {}
    defects = []
    for number, item in enumerate(setting.split(",") if setting and setting.strip() else (), 1):
        place = f"GOVERNOR_PAYLOAD_KEYS: key {number}"
        try:
            name, key = _named_key(item.strip(), place)
        except ValueError as error:
            defects.append(str(error))
            continue
        if name in keys:
            defects.append(f"{place}: the id `{name}` is there twice")
        keys[name] = key
    if defects:
        raise ValueError("\n".join(defects))
    keys[DERIVED] = derived
    return keys, next(iter(keys))


def _named_key(item: str, place: str) -> tuple[str, bytes]:
    name, _, text = item.partition(":")
    if not _KEY_ID.fullmatch(name) or name == DERIVED or not text:
        raise ValueError(
            f"{place}: write it as `id:base64`, the id at most 32 letters, digits or `.` `_` `-`"
        )
    return name, read_key(text, f"{place} (`{name}`)")


def _head(name: str) -> bytes:
    return bytes([len(name)]) + name.encode()


def _pseudonym(keyed: HMAC, person: str) -> str:
    return "p_" + _text(_mac(keyed, person.encode()))


def _mac(keyed: HMAC, text: bytes) -> bytes:
    mac = keyed.copy()
    mac.update(text)
    return mac.finalize()


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest[:16]).rstrip(b"=").decode()
