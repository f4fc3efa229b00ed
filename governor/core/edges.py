"""How near a moment lies to the opening and closing of the hours that bind a variant."""

from collections.abc import Iterable, Iterator
from functools import lru_cache, reduce

import msgspec

from governor.core.calendar import Place, closes, next_open
from governor.core.instant import DAY
from governor.core.policy import Allow

_OPEN_END = 2**62

Spans = tuple[tuple[int, int], ...]


class Hours(msgspec.Struct, frozen=True):
    """Every allowed hours that a variant has to keep to, where its person may be.

    `edge` is how near (ms) to an opening or a closing is near.
    """

    allowed: tuple[Allow, ...]
    place: Place
    edge: int

    def near_edge(self, at: int) -> bool:
        """Tell whether *at* is just before they close or just after they opened."""
        edge = self.edge
        return any(
            opening <= at < opening + edge or closing - edge <= at < closing
            for opening, closing in _spans(self.allowed, self.place, edge, at // DAY)
        )

    def next_turn(self, at: int) -> int:
        """Return a moment after *at*, up to which `near_edge` stays as it is."""
        day, edge = at // DAY, self.edge
        turns = (
            turn
            for opening, closing in _spans(self.allowed, self.place, edge, day)
            for turn in (opening, opening + edge, closing - edge, closing)
            if turn > at
        )
        return min((*turns, (day + 1) * DAY))


@lru_cache(maxsize=16384)
def _spans(allowed: tuple[Allow, ...], place: Place, edge: int, day: int) -> Spans:
    """Return the open spans that all zones and hours share around the UTC *day*."""
    start, end = day * DAY - edge, (day + 1) * DAY + edge
    found = (
        _open_around(allow, Place((zone,), place.country, place.region), start, end)
        for allow in allowed
        for zone in place.zones
    )
    return reduce(_shared, found)


def _open_around(allow: Allow, place: Place, start: int, end: int) -> Spans:
    return tuple(_runs(allow, place, start, end))


def _runs(allow: Allow, place: Place, start: int, end: int) -> Iterator[tuple[int, int]]:
    opening = next_open(allow, place, start)
    while opening is not None and opening < end:
        closing = closes(allow, place, opening)
        # What is open at the start opened at least an edge ago, so where does not matter.
        yield (opening if opening > start else -_OPEN_END), closing or _OPEN_END
        opening = None if closing is None else next_open(allow, place, closing)


def _shared(some: Spans, others: Spans) -> Spans:
    return tuple(_overlaps(some, others))


def _overlaps(some: Iterable[tuple[int, int]], others: Spans) -> Iterator[tuple[int, int]]:
    for opening, closing in some:
        for start, end in others:
            if max(opening, start) < min(closing, end):
                yield max(opening, start), min(closing, end)
