"""One standing as bytes: small, quick, and readable by `commit.lua` as far as its version.

A record is a head of 9 bytes (format, version), with something waiting 6 more (when the earliest
is due), and then msgpack. Names of KNOWN are numbers there. What entries of the send log have in
common is written once. Whatever changes here, KNOWN included, needs a new format.
"""

import struct
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec.structs import astuple

from governor.core.standing import (
    STRANGER,
    Answer,
    Cancelled,
    Comfort,
    Consent,
    ControlState,
    Entry,
    Heard,
    Judged,
    LearnedComfort,
    Profile,
    Scope,
    Standing,
    Waiting,
)
from governor.core.verdict import Outcome
from governor.ledger.protocol import earliest_wake
from governor.ledger.recent import pack_contents, pack_handed, unpack_handed, with_contents
from governor.ledger.words import KNOWN

_Row = tuple[Any, ...]
_Exchange = Callable[[Any, Any], Any]

_FORMAT = 2
_WAITS = 0x80  # set in the format byte when the head says when something is due
_HEAD = struct.Struct(">BQ")
_WAKE_BYTES = 6
_PARTS = 11
_LOW = 0xFFFF_FFFF
_TIME = struct.Struct(">hI")  # 48 bits: high and low part of the milliseconds
_ENTRY = struct.Struct(">hI4Q")  # time, message, campaign, topic, digest
_LATEST = (1 << 8 * _WAKE_BYTES) - 1

# Both leave alone what they do not know: `_number(name, name)`, `_name(number, number)`.
_number: _Exchange = {name: number for number, name in enumerate(KNOWN)}.get
_name: _Exchange = dict(enumerate(KNOWN)).get
_SHAPE = attrgetter(
    *("category", "channel", "household", "counts"),
    *("techniques", "offer_ends_at", "settled", "variant", "attempt"),
)
_OUTCOMES = tuple(Outcome)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class UnreadableError(ValueError):
    """A record was written by another version of governor, or is damaged."""


def pack(standing: Standing) -> bytes:
    """Return *standing* as bytes."""
    parts = [
        _pack_consents(standing.consents) if standing.consents else (),
        _pack_log(standing) if standing.log else (),
        _pack_profile(standing.profile) if standing.profile else (),
        [_pack_heard(heard) for heard in standing.heard],
        [_pack_judged(judged) for judged in standing.judged],
        [_pack_waiting(waiting) for waiting in standing.waiting],
        [astuple(cancelled) for cancelled in standing.cancelled],
        [astuple(answer) for answer in standing.answers],
        astuple(standing.learned) if standing.learned else (),
        pack_contents(standing.log),
        pack_handed(standing.handed),
    ]
    while parts and not parts[-1]:
        parts.pop()
    return _head(standing) + _encode(parts)


def unpack(record: bytes | None) -> Standing:
    """Return the standing that *record* holds, the stranger for None; raise UnreadableError."""
    if record is None:
        return STRANGER
    version, body = _open(record)
    try:
        padded = [*body, *[()] * (_PARTS - len(body))]
        consents, log, profile, heard, judged, waiting, *others = padded
        cancelled, answers, learned, contents, handed = others
        return Standing(
            version,
            _unpack_consents(consents) if consents else (),
            tuple(_unpack_heard(row) for row in heard),
            _unpack_profile(profile) if profile else None,
            with_contents(_unpack_log(log, version), contents) if log else (),
            tuple(_unpack_judged(row) for row in judged),
            tuple(_unpack_waiting(row) for row in waiting),
            tuple(Cancelled(*row) for row in cancelled),
            tuple(Answer(*row) for row in answers),
            LearnedComfort(*learned) if learned else None,
            unpack_handed(handed),
        )
    except (ValueError, LookupError, TypeError, ArithmeticError, struct.error) as error:
        raise UnreadableError(f"record is damaged: {error}") from error


def pack_control(state: ControlState) -> bytes:
    """Return *state* as bytes."""
    scopes = [[astuple(scope) for scope in of] for of in (state.pauses, state.stops)]
    return _HEAD.pack(_FORMAT, state.version) + _encode([*scopes, state.applied])


def unpack_control(record: bytes | None) -> ControlState:
    """Return the control state that *record* holds, the empty one for None."""
    if record is None:
        return ControlState()
    version, body = _open(record)
    try:
        *scopes, applied = body
        pauses, stops = (frozenset(Scope(*scope) for scope in of) for of in scopes)
        return ControlState(version, pauses, stops, tuple(applied))
    except (ValueError, TypeError) as error:
        raise UnreadableError(f"record is damaged: {error}") from error


def pack_version(version: int) -> bytes:
    """Return *version* as it lies in a record; 0, the stranger's, is none."""
    return version.to_bytes(8, "big") if version else b""


def peek(record: bytes | None) -> tuple[int, int | None]:
    """Return the version and the earliest wake_at of a standing without unpacking it."""
    if record is None:
        return 0, None
    kind, version = _read_head(record)
    wake = record[_HEAD.size : _HEAD.size + _WAKE_BYTES]
    return version, int.from_bytes(wake, "big") if kind & _WAITS else None


def _head(standing: Standing) -> bytes:
    wake = earliest_wake(standing)
    if wake is None:
        return _HEAD.pack(_FORMAT, standing.version)
    held = min(max(wake, 0), _LATEST)
    return _HEAD.pack(_FORMAT | _WAITS, standing.version) + held.to_bytes(_WAKE_BYTES, "big")


def _read_head(record: bytes) -> tuple[int, int]:
    if len(record) < _HEAD.size:
        raise UnreadableError(f"record is damaged: it has only {len(record)} bytes")
    kind, version = _HEAD.unpack_from(record)
    if kind & ~_WAITS != _FORMAT:
        raise UnreadableError(
            f"record has format {kind & ~_WAITS} and this governor reads format {_FORMAT};"
            " run the version that wrote it, or rebuild the ledger"
        )
    return kind, version


def _open(record: bytes) -> tuple[int, Any]:
    kind, version = _read_head(record)
    start = _HEAD.size + (_WAKE_BYTES if kind & _WAITS else 0)
    try:
        return version, _decode(memoryview(record)[start:])
    except msgspec.MsgspecError as error:
        raise UnreadableError(f"record is damaged: {error}") from error


def _pack_consents(consents: Sequence[Consent]) -> _Row:
    times = bytearray()
    rows = []
    for consent in consents:
        *words, at, expires_at, until, proven = astuple(consent)
        times += _TIME.pack(at >> 32, at & _LOW)
        row: _Row = (*[_number(word, word) for word in words], proven)
        if expires_at is not None or until is not None:
            row += (expires_at, until)
        rows.append(row)
    return times, rows


def _unpack_consents(part: Sequence[Any]) -> tuple[Consent, ...]:
    times, rows = part
    consents = []
    for (high, low), row in zip(_TIME.iter_unpack(times), rows, strict=True):
        a, b, c, d, e, proven, *ends = row
        names = _name(a, a), _name(b, b), _name(c, c), _name(d, d), _name(e, e)
        expires_at, until = ends or (None, None)
        consents.append(Consent(*names, high << 32 | low, expires_at, until, proven))
    return tuple(consents)


def _pack_log(standing: Standing) -> _Row:
    shapes: dict[_Row, int] = {}
    weights: dict[float, int] = {}
    fixed = bytearray()
    places = []
    for entry in standing.log:
        at, topic = entry.at, entry.topic
        shape = shapes.setdefault((topic is None, *_SHAPE(entry)), len(shapes))
        weight = weights.setdefault(entry.exposure, len(weights))
        places.append((standing.version - entry.seq, shape, weight))
        fixed += _ENTRY.pack(
            at >> 32, at & _LOW, entry.message, entry.campaign, topic or 0, entry.digest
        )
    many, more = len(shapes), len(weights)
    # One number each instead of three: most often it takes a single byte.
    joined = [(behind * many + shape) * more + weight for behind, shape, weight in places]
    shared = [
        (bare, _number(a, a), _number(b, b), home, counts, [_number(n, n) for n in used], *plain)
        for bare, a, b, home, counts, used, *plain in shapes
    ]
    return shared, list(weights), joined, fixed


def _unpack_log(part: Sequence[Any], version: int) -> tuple[Entry, ...]:
    shared, weights, joined, fixed = part
    shapes = [
        (bare, _name(a, a), _name(b, b), home, counts, (tuple(_name(n, n) for n in used), *plain))
        for bare, a, b, home, counts, used, *plain in shared
    ]
    many, more = len(shapes), len(weights)
    entries = []
    for row, place in zip(_ENTRY.iter_unpack(fixed), joined, strict=True):
        high, low, message, campaign, hashed, digest = row
        behind, rest = divmod(place, many * more)
        shape, weight = divmod(rest, more)
        bare, category, channel, home, counts, plain = shapes[shape]
        at, topic, load = high << 32 | low, None if bare else hashed, weights[weight]
        fields: _Row = (message, at, category, campaign, channel, topic, home, counts, load)
        fields += (*plain, version - behind, digest)
        entries.append(Entry(*fields))
    return tuple(entries)


def _pack_heard(heard: Heard) -> _Row:
    kind, channel, at = astuple(heard)
    return _number(kind, kind), _number(channel, channel), at


def _unpack_heard(row: Sequence[Any]) -> Heard:
    kind, channel, at = row
    return Heard(_name(kind, kind), _name(channel, channel), at)


def _pack_profile(profile: Profile) -> _Row:
    *plain, comfort = astuple(profile)
    return (*plain, *astuple(comfort))


def _unpack_profile(row: Sequence[Any]) -> Profile:
    *plain, vulnerabilities, groups, household, level, max_per_week = row
    comfort = Comfort(level, max_per_week)
    fields = (*plain, tuple(vulnerabilities), groups, household, comfort)
    return Profile(*fields)


def _pack_judged(judged: Judged) -> _Row:
    message, at, code, *plain = astuple(judged)
    return (message, at, _number(code, code), *plain)


def _unpack_judged(row: Sequence[Any]) -> Judged:
    message, at, code, *plain = row
    return Judged(message, at, _name(code, code), *plain)


def _pack_waiting(waiting: Waiting) -> _Row:
    row = astuple(waiting)
    outcome, code = row[5:7]
    return (*row[:5], int(outcome), _number(code, code), *row[7:])


def _unpack_waiting(row: Sequence[Any]) -> Waiting:
    outcome, code = row[5:7]
    fields = (*row[:5], _OUTCOMES[outcome], _name(code, code), *row[7:])
    return Waiting(*fields)
