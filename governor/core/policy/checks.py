"""What the sections of a policy can say against each other, read from the policy as written."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from zoneinfo import available_timezones

from pydantic_core import PydanticCustomError

from governor.core.places import zone_named, zones_of_place
from governor.core.policy.values import (
    Flaw,
    Place,
    listed,
    milliseconds,
    quoted,
    suggestion,
    window_of,
)

PROTECTED = ("control", "validity", "consent")
RULES = (
    "purpose",
    "persuasion",
    "caps",
    "intrusiveness",
    "quiet_hours",
    "oversight",
    "human_touch",
    "arbitration",
)
RESERVED = {"caps": ("quota", "comfort")}

Keys = Mapping[Any, Any]


def flaws_between(written: Keys) -> Iterator[Flaw]:
    """Name every flaw that takes two sections to see, however broken either of them is."""
    yield from _windows_beyond_history(written)
    yield from _ids(written)
    yield from _unknown_categories(written)
    yield from _modes(written)
    yield from _places(written)
    yield from _endless_window(written)


def _keys(written: object) -> Keys:
    return written if isinstance(written, Mapping) else {}


def _entries(written: Keys, *path: str) -> Iterator[tuple[Place, Keys]]:
    found: object = written
    for key in path:
        found = _keys(found).get(key)
    for at, entry in enumerate(found if isinstance(found, list | tuple) else []):
        if isinstance(entry, Mapping):
            yield (*path, at), entry


def _length(read: Callable[[object], int], written: object) -> int:
    try:
        return read(written)
    except PydanticCustomError:
        return 0


def _windows_beyond_history(written: Keys) -> Iterator[Flaw]:
    history = _keys(written.get("retention")).get("history", "180d")
    kept = _length(milliseconds, history)
    for place, length, text in _windows(written):
        if kept and length > kept:
            yield (
                place,
                f"{quoted(text)} is longer than `retention.history`, which is {quoted(history)}",
            )


def _windows(written: Keys) -> Iterator[tuple[Place, int, object]]:
    for place, cap in _entries(written, "caps"):
        window, gap = cap.get("window"), cap.get("min_gap")
        yield (
            (*place, "window"),
            _length(lambda text: window_of(text).longest, window),
            window,
        )
        yield (*place, "min_gap"), _length(milliseconds, gap), gap
    for name, category in _keys(written.get("categories")).items():
        window = _keys(_keys(category).get("quota")).get("window")
        yield (
            ("categories", str(name), "quota", "window"),
            _length(milliseconds, window),
            window,
        )
    window = _keys(_keys(written.get("persuasion")).get("budget")).get("window")
    yield ("persuasion", "budget", "window"), _length(milliseconds, window), window
    if isinstance(written.get("intrusiveness"), Mapping):
        window = _keys(written["intrusiveness"].get("repeat")).get("window", "7d")
        yield (
            ("intrusiveness", "repeat", "window"),
            _length(milliseconds, window),
            window,
        )


def _ids(written: Keys) -> Iterator[Flaw]:
    for path in (("caps",), ("quiet_hours",), ("review", "rules")):
        seen: set[str] = set()
        for place, entry in _entries(written, *path):
            name = entry.get("id")
            if not isinstance(name, str):
                continue
            if name in seen:
                yield (
                    (*place, "id"),
                    f"{quoted(name)} is there twice, an id is one entry's alone",
                )
            if name in RESERVED.get(path[0], ()):
                yield (
                    (*place, "id"),
                    f"{quoted(name)} is governor's own, choose another id",
                )
            seen.add(name)


def _unknown_categories(written: Keys) -> Iterator[Flaw]:
    known = [str(name) for name in _keys(written.get("categories"))]
    for where, named in _named_categories(written):
        names = listed(named)
        for at, name in enumerate(names if isinstance(names, list) else []):
            if isinstance(name, str) and name not in known:
                yield (
                    where if names is not named else (*where, at),
                    f"{quoted(name)} is no category of this policy{suggestion(name, known)}",
                )


def _named_categories(written: Keys) -> Iterator[tuple[Place, object]]:
    for key, path in (
        ("match", ("caps",)),
        ("match", ("quiet_hours",)),
        ("when", ("review", "rules")),
    ):
        for place, entry in _entries(written, *path):
            yield (*place, key, "category"), _keys(entry.get(key)).get("category")
    yield ("human_touch", "hold"), _keys(written.get("human_touch")).get("hold")


def _modes(written: Keys) -> Iterator[Flaw]:
    known = _ids_of_rules(written)
    for key in _keys(written.get("modes")):
        rule, dot, name = str(key).partition(".")
        place: Place = ("modes", str(key))
        if rule in PROTECTED:
            yield place, f"`{rule}` is always enforced, its mode cannot be set"
        elif rule not in known:
            yield place, f"{quoted(rule)} is no rule{suggestion(rule, known)}"
        elif rule == "arbitration" and not known[rule]:
            yield (
                place,
                "`arbitration` has a mode only with `losers: suppress`, write that or leave it out",
            )
        elif dot and name not in known[rule]:
            yield (
                place,
                f"{quoted(name)} is no id of `{rule}`{suggestion(name, known[rule])}",
            )


def _places(written: Keys) -> Iterator[Flaw]:
    defaults = _keys(written.get("defaults"))
    zone, country = defaults.get("time_zone"), defaults.get("country")
    if isinstance(zone, str) and zone and zone_named(zone) is None:
        near = suggestion(zone, available_timezones())
        yield ("defaults", "time_zone"), f"{quoted(zone)} is no time zone{near}"
    shaped = isinstance(country, str) and re.fullmatch("[A-Z]{2}", country) is not None
    if shaped and not zones_of_place(str(country), None):
        yield ("defaults", "country"), f"{quoted(country)} is no country of ISO 3166"


def _endless_window(written: Keys) -> Iterator[Flaw]:
    window = _keys(written.get("arbitration")).get("window")
    expires = _keys(written.get("defaults")).get("expires_after", "7d")
    ends = _length(milliseconds, expires)
    if ends and _length(milliseconds, window) >= ends:
        yield (
            ("arbitration", "window"),
            f"{quoted(window)} is no shorter than `defaults.expires_after`: {quoted(expires)}",
        )


def _ids_of_rules(written: Keys) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {rule: set() for rule in RULES}
    paths = {
        "caps": ("caps",),
        "quiet_hours": ("quiet_hours",),
        "oversight": ("review", "rules"),
    }
    for rule, path in paths.items():
        known[rule] = {str(entry["id"]) for _, entry in _entries(written, *path) if "id" in entry}
    known["caps"].update(RESERVED["caps"])
    known["persuasion"] = {str(key) for key in _keys(written.get("persuasion"))}
    known["human_touch"] = {
        name for name in ("messages", "signals") if name in _keys(written.get("human_touch"))
    }
    if "intrusiveness" in written:
        known["intrusiveness"] = {"ceiling"}
    if "personal_data" in written:
        known["purpose"] = {"free", "sensitive", "minor"}
    if _keys(written.get("arbitration")).get("losers") == "suppress":
        known["arbitration"] = {"losers"}
    return known
