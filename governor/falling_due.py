"""Who has something due, so many at a time that one turn can take them together."""

from governor.ledger.protocol import Ledger

EVERYONE = 1_000_000_000


async def first_due(ledger: Ledger, until: int, most: int) -> tuple[int, list[str]]:
    """Return who has something due at a moment or before, and that moment: *until* (ms) if it can.

    It is an earlier one when more than *most* people have something due at *until*, so that those
    who are due first can be judged first; more are returned only when all are due at one moment.
    """
    keys = await ledger.claim(until, most + 1)
    first = await ledger.next_due() if len(keys) > most else None
    if first is None:
        return until, keys
    # A hint may be too early, and then stay so: what was claimed decides.
    while first < until:
        middle = (first + until) // 2
        keys = await ledger.claim(middle, most + 1)
        if 0 < len(keys) <= most:
            return middle, keys
        if keys:
            until = middle
        else:
            first = middle + 1
    return until, await ledger.claim(until, EVERYONE)
