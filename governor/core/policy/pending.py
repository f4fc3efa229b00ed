"""What the policy can already say but governor cannot yet do: refused by name, never ignored."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from governor.core.policy.values import Flaw, Place, listed

Find = Callable[[Mapping[Any, Any]], Iterator[Place]]


def _at(*path: str, value: object = None) -> Find:
    def find(written: Mapping[Any, Any]) -> Iterator[Place]:
        found: object = written
        for key in path:
            if not isinstance(found, Mapping) or key not in found:
                return
            found = found[key]
        if found != [] and (value is None or found == value):
            yield path

    return find


def _in_each(path: tuple[str, ...], key: str, value: str | None = None) -> Find:
    def find(written: Mapping[Any, Any]) -> Iterator[Place]:
        found: object = written
        for step in path[:-1]:
            found = found.get(step) if isinstance(found, Mapping) else None
        entries = found.get(path[-1]) if isinstance(found, Mapping) else None
        for at, entry in enumerate(entries if isinstance(entries, list) else []):
            place = _within(entry, key.split("."), value)
            if place is not None:
                yield (*path, at, *place)

    return find


def _within(entry: object, keys: list[str], value: str | None) -> Place | None:
    for key in keys:
        if not isinstance(entry, Mapping) or key not in entry:
            return None
        entry = entry[key]
    if value is not None:
        values = listed(entry)
        if not isinstance(values, list) or value not in values:
            return None
    return tuple(keys)


# One row for each thing that is not built: building it ends with removing its row.
NOT_BUILT: tuple[tuple[str, Find], ...] = (
    ("section `presets`", _at("presets")),
    ("section `fairness`", _at("fairness")),
    ("`ledger: suppress` of section `unavailable`", _at("unavailable", "ledger", value="suppress")),
)


def not_built(written: Mapping[Any, Any]) -> list[Flaw]:
    """Name each part of the policy, as it was written, that is not built yet."""
    return [
        (place, f"{name} is not built yet, leave it out")
        for name, find in NOT_BUILT
        for place in find(written)
    ]
