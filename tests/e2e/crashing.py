"""A worker that kills itself (SIGKILL) right before or right after its n-th release is published.

`python crashing.py before|after N` runs what `governor run` runs. Only the sending is wrapped, so
that no product code knows of it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

from governor.cli import main
from governor.stream.producer import Outbox, Outgoing


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _wrap(when: str, number: int) -> None:
    send, seen = Outbox.send, 0

    async def crashing(self: Outbox, records: Sequence[Outgoing]) -> None:
        nonlocal seen
        seen += any(record.topic.endswith("outreach.released") for record in records)
        if when == "before" and seen >= number:
            _die()
        await send(self, records)
        if when == "after" and seen >= number:
            _die()

    Outbox.send = crashing  # type: ignore[method-assign]


_wrap(sys.argv[1], int(sys.argv[2]))
sys.argv[1:] = ["run"]
main()
