"""Standings in memory, of which those that have not changed in a while lie packed."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping

from governor.core.standing import STRANGER, Standing
from governor.ledger.packing import pack, unpack

_ROWS = 200_000
_FEW = 5
"""A standing with nothing in it takes the room of so many sends."""


class PutBy(Mapping[str, Standing]):
    """Standings by key, so many *rows* of sends and verdicts of them as they are, the rest packed.

    A row takes 200 to 350 bytes as it is and 30 to 45 packed. To pack and unpack one takes 2 us,
    which the people who come up most often are spared.
    """

    def __init__(self, rows: int = _ROWS) -> None:
        # With the record that they were last packed as, if any, and what that holds.
        self._open: OrderedDict[str, tuple[Standing, Standing, bytes]] = OrderedDict()
        self._packed: dict[str, bytes] = {}
        self._room = rows

    def __getitem__(self, key: str) -> Standing:
        """Return the standing of the person with *key*; raise KeyError where there is none."""
        found = self._open.get(key)
        if found is not None:
            return found[0]
        record = self._packed.pop(key)
        standing = unpack(record)
        self._keep(key, standing, standing, record)
        return standing

    def __iter__(self) -> Iterator[str]:
        """Give every key; standings may be asked for and put meanwhile."""
        return iter([*self._open, *self._packed])

    def __len__(self) -> int:
        """Tell how many people are known."""
        return len(self._open) + len(self._packed)

    def put(self, key: str, standing: Standing) -> None:
        """Keep *standing* for the person with *key*."""
        self._packed.pop(key, None)
        before, known, record = self._open.pop(key, (None, STRANGER, b""))
        self._room += _rows(before) if before else 0
        self._keep(key, standing, known, record)

    def _keep(self, key: str, standing: Standing, known: Standing, record: bytes) -> None:
        self._open[key] = standing, known, record
        self._room -= _rows(standing)
        while self._room < 0 and len(self._open) > 1:
            oldest, (gone, known, record) = self._open.popitem(last=False)
            self._packed[oldest] = record if gone is known else pack(gone, known, record)
            self._room += _rows(gone)


def _rows(standing: Standing) -> int:
    return _FEW + len(standing.log) + len(standing.judged)
