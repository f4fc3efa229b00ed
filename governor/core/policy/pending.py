"""What the policy can already say but governor cannot yet do: refused by name, never ignored."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from governor.core.policy.values import Flaw, Place

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
