"""The random histories again, with people who live together and caps that count them as one."""

from __future__ import annotations

import random
from typing import Any

from tests.reference.histories import Maker

HOMES = ["h1", "h1", "h2", None]


def shared_history(seed: int, *, wide: bool = False) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The policy and the events of a seed, three people in up to two households."""
    maker = Maker(seed, wide=wide)
    maker.people = ["p0", "p1", "p2"]
    policy = maker.policy()
    chance = random.Random(f"households {seed}")
    caps = [cap for cap in policy.get("caps", []) if "silence_after" not in cap]
    if not caps:
        caps = [{"id": "home", "limit": 1, "window": "3h", "at_cap": "suppress"}]
        policy["caps"] = [*policy.get("caps", []), *caps]
    first = chance.choice(caps)
    for cap in caps:
        if cap is first or chance.random() < 0.5:
            more = chance.choice([[], [], ["topic"], ["campaign"], ["channel"]])
            cap["per"] = ["household", *more]
    events = maker.events(policy)
    homes: dict[tuple[str, str], str | None] = {}
    for event in events:
        data = event["data"]
        if event["type"] == "candidate" and "id" in data:
            # The same id always comes with the same household.
            key = (data["person"], data["id"])
            home = homes.setdefault(key, chance.choice(HOMES))
        elif event["type"] == "profile":
            home = chance.choice(HOMES)
        else:
            continue
        if home is not None:
            event["data"] = data | {"household": home}
    return policy, events
