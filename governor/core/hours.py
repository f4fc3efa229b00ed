"""The allowed hours that bind a variant: whether they are open, and how near an end of them is."""

from collections.abc import Iterable, Iterator
from functools import lru_cache, reduce

from governor.core.calendar import NEVER, Place, closes, next_open, opening_at
from governor.core.instant import DAY
from governor.core.lasting import Lasting, Spell
from governor.core.policy import Allow

Spans = tuple[tuple[int, int], ...]


class Hours:
    """Some allowed hours, asked about many people."""

    def __init__(self, allow: Allow) -> None:
        self.allow = allow
        self._open = Lasting(self._opening)

    def next_open(self, place: Place, at: int) -> int | None:
        """Return the first moment not before *at* that is allowed, None as the calendar says."""
        return at if self._open.at(place, at) is not None else next_open(self.allow, place, at)

    def closes(self, place: Place, at: int) -> int | None:
        """Return when the hours that *at* lies in end, None as the calendar says."""
        known = self._open.at(place, at)
        if known is None:
            return closes(self.allow, place, at)
        return None if known == NEVER else known

    def _opening(self, place: Place, at: int) -> Spell[int | None]:
        return opening_at(self.allow, place, at)


class Edges:
    """The openings and closings of all the hours that a variant has to keep to.

    `edge` is how near (ms) to one of them is near.
    """

    def __init__(self, allowed: tuple[Allow, ...], edge: int) -> None:
        self._allowed = allowed
        self._edge = edge
        self._near = Lasting(self._spell)

    def near(self, place: Place, at: int) -> bool:
        """Tell whether *at* is just before they close or just after they opened."""
        return self._near.at(place, at)

    def next_turn(self, place: Place, at: int) -> int:
        """Return a moment after *at*, up to which `near` stays as it is."""
        day, edge = at // DAY, self._edge
        turns = (
            turn
            for opening, closing in _spans(self._allowed, place, edge, day)
            for turn in (opening, opening + edge, closing - edge, closing)
            if turn > at
        )
        return min((*turns, (day + 1) * DAY))

    def _spell(self, place: Place, at: int) -> Spell[bool]:
        edge = self._edge
        near = any(
            opening <= at < opening + edge or closing - edge <= at < closing
            for opening, closing in _spans(self._allowed, place, edge, at // DAY)
        )
        return Spell(at, self.next_turn(place, at), near)


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
        yield (opening if opening > start else -NEVER), NEVER if closing is None else closing
        opening = None if closing is None else next_open(allow, place, closing)


def _shared(some: Spans, others: Spans) -> Spans:
    return tuple(_overlaps(some, others))


def _overlaps(some: Iterable[tuple[int, int]], others: Spans) -> Iterator[tuple[int, int]]:
    for opening, closing in some:
        for start, end in others:
            if max(opening, start) < min(closing, end):
                yield max(opening, start), min(closing, end)
