"""What can go wrong, and how often: chance decides at every named point, from the run's seed."""

from __future__ import annotations

import asyncio
from contextvars import Context
from dataclasses import dataclass
from random import Random

from tests.faults.simulation.loop import OWNER, VirtualLoop

_BETWEEN = ("after commit", "before publish")


@dataclass(frozen=True)
class Weather:
    """How often, for each pass through a named point, something happens there."""

    kill: float = 0.0
    freeze: float = 0.0
    slow: float = 0.0
    away: float = 0.0
    partial: float = 0.0
    zombie: float = 0.0
    """To be frozen for longer than a session between a commit and its publishing."""

    @staticmethod
    def of(chance: Random) -> Weather:
        """Draw the weather of one run; some runs are calm, so that little things show."""
        if chance.random() < 0.1:
            return Weather()
        if chance.random() < 0.2:
            return Weather(zombie=0.1)
        scale = chance.choice([0.003, 0.01, 0.03])
        kinds = [chance.random() < 0.6 for _ in range(5)]
        return Weather(*(scale * on for on in kinds))


class Faults:
    """Decides at each point what happens to the process that passes it."""

    def __init__(self, loop: VirtualLoop, chance: Random, weather: Weather) -> None:
        self._loop = loop
        self._chance = chance
        self._weather = weather
        self._over = False
        self.killed: list[str] = []
        self.counts: dict[str, int] = {}

    def end(self) -> None:
        """Let nothing go wrong any more."""
        self._over = True

    async def point(self, name: str) -> None:
        """Pass a named point; the process may be killed or frozen here, or be slow."""
        pause = self._chance.random()
        if pause < 0.5:
            await asyncio.sleep(pause / 50)
        if self._over:
            return
        weather, owner = self._weather, OWNER.get()
        if self._happens(weather.kill):
            self._count("kill", name)
            self.killed.append(owner)
            self._loop.kill(owner)
        elif self._happens(weather.freeze):
            self._freeze(name, owner, self._chance.uniform(0.5, 16.0))
        elif name in _BETWEEN and self._happens(weather.zombie):
            self._freeze(name, owner, self._chance.uniform(8.0, 16.0))
        elif self._happens(weather.slow):
            self._count("slow", name)
            await asyncio.sleep(self._chance.choice([0.2, 1.0, 4.0, 7.0]))
            return
        else:
            return
        await asyncio.sleep(0)

    def _freeze(self, name: str, owner: str, length: float) -> None:
        self._count("freeze", name)
        self._loop.freeze(owner)
        # In nobody's context: what belongs to a frozen process does not run.
        self._loop.call_later(length, self._loop.thaw, owner, context=Context())

    def away(self, name: str) -> bool:
        """Tell whether a dependency fails here."""
        failed = not self._over and self._happens(self._weather.away)
        if failed:
            self._count("away", name)
        return failed

    def partial(self, name: str) -> bool:
        """Tell whether only a part of something happens here."""
        failed = not self._over and self._happens(self._weather.partial)
        if failed:
            self._count("partial", name)
        return failed

    def draw(self, most: int) -> int:
        return self._chance.randint(0, most)

    def _happens(self, often: float) -> bool:
        return self._chance.random() < often

    def _count(self, kind: str, name: str) -> None:
        self.counts[f"{kind} {name}"] = self.counts.get(f"{kind} {name}", 0) + 1
