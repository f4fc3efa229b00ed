"""Lets a sender do each release once, though after a crash a release may be published again."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

USUAL_MEMORY = 100_000

Headers = Iterable[tuple[str, bytes | None]]


class Store(Protocol):
    """Where a sender keeps what it has sent; a set is one, a table with a unique key another."""

    def __contains__(self, name: object, /) -> bool:
        """Tell whether *name* was added."""

    def add(self, name: str, /) -> None:
        """Keep *name*."""


class Recent:
    """A store in memory that keeps the last *most* names and forgets the one unused for longest."""

    def __init__(self, most: int = USUAL_MEMORY) -> None:
        if most < 1:
            raise ValueError(f"most: is `{most}` and must be at least 1")
        self._most = most
        self._names: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, name: object) -> bool:
        if name not in self._names:
            return False
        self._names.move_to_end(str(name))
        return True

    def __len__(self) -> int:
        return len(self._names)

    def add(self, name: str) -> None:
        """Keep *name*, and forget the oldest when there is no room."""
        self._names[name] = None
        self._names.move_to_end(name)
        if len(self._names) > self._most:
            self._names.popitem(last=False)


class Once:
    """Tells a sender which releases are new to it.

    Ask `is_new`, send, then say `sent`. A sender that crashes in between sends that one again;
    where the provider takes an idempotency key, `name_of` makes one. Releases are published again
    within seconds of a crash of governor, so *store* has to reach back as far as the sender can
    lag or be restarted: the usual one holds while the process lives.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._store: Store = Recent() if store is None else store

    def is_new(self, key: bytes | None, headers: Headers) -> bool:
        """Tell whether a record of `outreach.released` with this key and headers is new."""
        return name_of(key, headers) not in self._store

    def sent(self, key: bytes | None, headers: Headers) -> None:
        """Keep that this record was sent."""
        self._store.add(name_of(key, headers))


def name_of(key: bytes | None, headers: Headers) -> str:
    """Return what is the same for every copy of a release: its person and idempotency key.

    Raises ValueError for a record that governor did not write.
    """
    found = [value for name, value in headers if name == "idempotency_key"]
    if key is None or not found or found[-1] is None:
        raise ValueError("headers: no `idempotency_key` and person, so this is no release")
    person, message = key.decode(), found[-1].decode()
    return f"{len(person)}:{person}{message}"
