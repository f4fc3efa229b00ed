"""Tells whether wall time can be trusted: it has to go on as monotonic time does."""

import logging
from collections.abc import Callable

from governor.core.instant import SECOND

log = logging.getLogger(__name__)

DRIFT = 5 * SECOND
"""What clocks may differ by (ms)."""
SETTLED = 60.0
"""For how many seconds a clock that was moved has to go on as it should to be believed again."""

_ATTEMPTS = 10
_AT_ONCE = 0.1


class ClockWatch:
    """Compares wall time (ms) with monotonic seconds, from the first look on.

    INVARIANT (fail-closed): wall time that was moved is not believed before it is back where it
    was, or has gone on as it should for SETTLED seconds and somebody else's clock agrees.
    """

    def __init__(self, now: Callable[[], int], tick: Callable[[], float]) -> None:
        self._now = now
        self._tick = tick
        self._trusted, self._trusted_at = self._ahead()
        self._moved: tuple[int, float] | None = None

    def off(self) -> str | None:
        """Say how far wall time was moved, None while it goes on as it should."""
        ahead, tick = self._ahead()
        drift = ahead - self._trusted
        if abs(drift) <= DRIFT:
            self._moved = None
            if tick - self._trusted_at >= SETTLED:
                # What it is corrected by little by little does not add up.
                self._trusted, self._trusted_at = ahead, tick
            return None
        if self._moved is None or abs(ahead - self._moved[0]) > DRIFT:
            self._moved = (ahead, tick)
        return f"wall time moved {drift / SECOND:+.1f} s against monotonic time"

    def doubted(self) -> None:
        """Note that no other clock agrees now: what was moved has to settle anew."""
        self._moved = None

    def agreed(self) -> None:
        """Note that somebody else's clock agrees: what has settled is believed."""
        ahead, tick = self._ahead()
        if self._moved is not None and tick - self._moved[1] >= SETTLED:
            log.warning("wall time was moved, has settled, and is believed again")
            self._trusted, self._trusted_at, self._moved = ahead, tick, None

    def _ahead(self) -> tuple[int, float]:
        """Return by how much (ms) wall time is ahead of monotonic time, and the latter."""
        tick, now = self._tick(), self._now()
        for _ in range(_ATTEMPTS):
            if self._tick() - tick <= _AT_ONCE:
                break
            # The process stood still between the two.
            tick, now = self._tick(), self._now()
        return now - round(tick * SECOND), tick
