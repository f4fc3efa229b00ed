"""The send log as a part of a record: what its entries have in common is written once."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import msgspec

from governor.core.standing import Entry
from governor.ledger.words import Word, name_of, number_of

# Whether it has no topic; category, channel, household, counts, techniques, and four more as in
# `_SHAPE`.
_Used = tuple[Word, ...]
Shape = tuple[bool, Word, Word, str | None, bool, _Used, int | None, int, int, int]

_LOW = 0xFFFF_FFFF
_ENTRY = struct.Struct(">hI4Q")  # time (high and low part), message, campaign, topic, digest
_SHAPE = attrgetter(
    *("category", "channel", "household", "counts"),
    *("techniques", "offer_ends_at", "settled", "variant", "attempt"),
)


class LogPart(msgspec.Struct, array_like=True, frozen=True):
    """A send log as it lies in a record.

    Each of `places` is one number instead of three, so that most take a single byte: how far the
    entry's seq is behind the standing's version, which of `shapes`, and which of `weights`, the
    exposures.
    """

    shapes: list[Shape] = []
    weights: list[int | float] = []
    places: list[int] = []
    fixed: bytes = b""


def pack_log(
    log: tuple[Entry, ...], version: int, before: LogPart, earlier: int, shared: tuple[int, int]
) -> LogPart:
    """Return *log*, of a standing of *version*, as a part of its record.

    *before* is the part of its *earlier* version, and *shared* says what both logs have in common
    (see `overlap`); that is taken from there.
    """
    first, count = shared
    kept = before.places[first : first + count]
    needed = _needed(before, first, kept) if count < len(before.places) else None
    shapes, weights = needed or (before.shapes.copy(), before.weights.copy())
    fixed, added = _add(log[count:], shapes, weights)
    many, more = len(shapes), len(weights)
    if needed is None:
        places = _moved(kept, before, many, more, version - earlier)
    else:
        places = _renumbered(kept, before, shapes, weights, version - earlier)
    places += [((version - seq) * many + shape) * more + weight for seq, shape, weight in added]
    fixed = before.fixed[first * _ENTRY.size : (first + count) * _ENTRY.size] + fixed
    return LogPart(shapes, weights, places, fixed)


def overlap(known: tuple[Any, ...], log: tuple[Any, ...]) -> tuple[int, int]:
    """Return from where on, and how far, *known* is what *log* begins with."""
    if not known or not log or log[0] not in known:
        return 0, 0
    first = known.index(log[0])
    count = min(len(known) - first, len(log))
    if log[:count] == known[first : first + count]:
        return first, count
    pairs = enumerate(zip(log, known[first:], strict=False))
    return first, next(number for number, (one, other) in pairs if one != other)


def unpack_log(part: LogPart, version: int) -> tuple[Entry, ...]:
    """Return the log of a standing of *version*; raise ValueError or LookupError for damage."""
    shapes = [
        (bare, name_of(a, a), name_of(b, b), home, counts, _names(used), *rest)
        for bare, a, b, home, counts, used, *rest in part.shapes
    ]
    weights = part.weights
    many, more = len(shapes), len(weights)
    entries = []
    rows = zip(_ENTRY.iter_unpack(part.fixed), part.places, strict=True)
    for (high, low, message, campaign, topic, digest), place in rows:
        rest, weight = divmod(place, more)
        behind, shape = divmod(rest, many)
        bare, category, channel, home, counts, used, ends, settled, variant, number = shapes[shape]
        entries.append(
            Entry(
                message,
                high << 32 | low,
                category,
                campaign,
                channel,
                None if bare else topic,
                home,
                counts,
                weights[weight],
                used,
                ends,
                settled,
                variant,
                number,
                version - behind,
                digest,
            )
        )
    return tuple(entries)


def _needed(
    before: LogPart, first: int, kept: list[int]
) -> tuple[list[Shape], list[int | float]] | None:
    """Return the shapes and weights that the *kept* places need, None where that is all of them.

    The places are those of *before* from the *first* on.
    """
    more = len(before.weights)
    both = more * len(before.shapes)
    gone = before.places[:first] + before.places[first + len(kept) :]
    needed = {place % both for place in kept}
    if all(place % both in needed for place in gone):
        return None
    return (
        [before.shapes[number] for number in sorted({one // more for one in needed})],
        [before.weights[number] for number in sorted({one % more for one in needed})],
    )


def _add(
    log: Sequence[Entry], shapes: list[Shape], weights: list[int | float]
) -> tuple[bytes, list[tuple[int, int, int]]]:
    """Add what *log* needs to *shapes* and *weights*; return what is fixed, seq and numbers."""
    fixed, added = [], []
    alike: dict[tuple[Any, ...], int] = {}
    heavy: dict[float, int] = {}
    old_shapes, old_weights = len(shapes), len(weights)
    for entry in log:
        at, topic = entry.at, entry.topic
        own = (topic is None, *_SHAPE(entry))
        shape = alike.get(own)
        if shape is None:
            shape = alike[own] = _number(_pack_shape(own), shapes, old_shapes)
        weight = heavy.get(entry.exposure)
        if weight is None:
            weight = heavy[entry.exposure] = _number(entry.exposure, weights, old_weights)
        added.append((entry.seq, shape, weight))
        row = entry.message, entry.campaign, topic or 0, entry.digest
        fixed.append(_ENTRY.pack(at >> 32, at & _LOW, *row))
    return b"".join(fixed), added


def _number(one: Any, known: list[Any], old: int) -> int:
    """Return the place of *one* among the *old* ones in *known*, or the one behind, made for it."""
    for number in range(old):
        if known[number] == one:
            return number
    known.append(one)
    return len(known) - 1


def _moved(kept: list[int], before: LogPart, many: int, more: int, later: int) -> list[int]:
    """Return *kept* places so much *later*, further shapes and weights behind the old ones."""
    old = len(before.weights)
    both, now = old * len(before.shapes), many * more
    if now == both:
        return [place + later * now for place in kept]
    return [
        (place // both + later) * now + place % both // old * more + place % old for place in kept
    ]


def _renumbered(
    kept: list[int],
    before: LogPart,
    shapes: list[Shape],
    weights: list[int | float],
    later: int,
) -> list[int]:
    """Return *kept* places with other numbers of shapes and weights, and so much *later*."""
    more = len(before.weights)
    both, now = more * len(before.shapes), len(shapes) * len(weights)
    number = {
        which: shapes.index(before.shapes[which // more]) * len(weights)
        + weights.index(before.weights[which % more])
        for which in {place % both for place in kept}
    }
    return [(place // both + later) * now + number[place % both] for place in kept]


@lru_cache(maxsize=1024)
def _pack_shape(shape: tuple[Any, ...]) -> Shape:
    bare, category, channel, household, counts, techniques, *rest = shape
    used = tuple([number_of(one, one) for one in techniques])
    names = number_of(category, category), number_of(channel, channel)
    return (bare, *names, household, counts, used, *rest)


def _names(words: tuple[Word, ...]) -> tuple[str, ...]:
    return tuple([name_of(word, word) for word in words])
