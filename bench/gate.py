"""The gate against getting slower: no ratio may fall below 0.7 of the one on record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from bench.results import Ratio, Result

BASELINE: Final = Path(__file__).with_name("baseline.json")
FLOOR: Final = 0.7
"""Of the ratio on record of what a second of processor time brings."""
STALL: Final = 0.35
"""Of the ratio on record of throughput: other work on the machine moves it, a stall halves it."""


class Recorded(msgspec.Struct):
    """One ratio on record."""

    throughput: float
    per_cpu: float


class _Baseline(msgspec.Struct):
    ratios: dict[str, Recorded]


class Verdict(msgspec.Struct):
    """How one ratio compares with the one on record."""

    name: str
    kind: str
    recorded: float
    found: float
    floor: float

    @property
    def holds(self) -> bool:
        """Tell whether it is high enough."""
        return self.found >= self.floor * self.recorded

    def __str__(self) -> str:
        word = "holds" if self.holds else "FELL"
        return (
            f"{word}: governor / {self.name}, {self.kind}: {self.found:.3g},"
            f" on record {self.recorded:.3g}, at least {self.floor * self.recorded:.3g}"
        )


def record(result: Result, path: Path = BASELINE) -> None:
    """Write the ratios of *result* down as what later ones are held to."""
    found = {
        name: Recorded(round(ratio.median, 4), round(ratio.per_cpu or 0.0, 4))
        for name, ratio in _ratios(result).items()
    }
    said = {"machine": result.machine, "form": result.form, "ratios": found}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n")


def recorded(path: Path) -> dict[str, Recorded]:
    """Return the ratios on record."""
    return msgspec.json.decode(path.read_bytes(), type=_Baseline).ratios


def hold(result: Result, path: Path = BASELINE) -> list[Verdict]:
    """Compare the ratios of *result* with those on record."""
    known, verdicts = recorded(path), []
    for name, ratio in _ratios(result).items():
        before = known.get(name)
        if before is not None:
            per_cpu = ratio.per_cpu or 0.0
            verdicts += [
                Verdict(name, "per processor second", before.per_cpu, per_cpu, FLOOR),
                Verdict(name, "throughput", before.throughput, ratio.median, STALL),
            ]
    missing = known.keys() - _ratios(result).keys()
    if missing:
        raise ValueError(f"{path.name}: not measured any more: {', '.join(sorted(missing))}")
    return verdicts


def better(first: list[Verdict], second: list[Verdict]) -> list[Verdict]:
    """Return, of each ratio, the better of two runs."""
    return [max(pair, key=lambda one: one.found) for pair in zip(first, second, strict=True)]


def _ratios(result: Result) -> Mapping[str, Ratio]:
    return {**result.populations[0].ratios, **result.step_ratios}
