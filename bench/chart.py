"""The chart of a result: what each side brings a second, round by round, as SVG."""

import math
from pathlib import Path
from typing import Any

import vl_convert

from bench.results import Population, Result
from bench.stage import GOVERNOR

_VERSION = "6.4"
_MARKS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_OURS, _THEIRS = "#1f6f54", "#9aa5b1"


def draw(result: Result, path: Path) -> None:
    """Write the chart of *result* to *path*."""
    titles = {"rate": "candidates a second", "per_cpu": "candidates a second of its processor time"}
    spec = {
        "title": {
            "text": "What each side works off, every round a dot, the line their median",
            "subtitle": _beneath(result),
            "anchor": "start",
        },
        "config": {"font": "Arial, Helvetica, sans-serif", "view": {"stroke": None}},
        "background": "white",
        "hconcat": [
            _panel(result.populations[0], measure, title) for measure, title in titles.items()
        ],
    }
    path.write_text(vl_convert.vegalite_to_svg(spec, vl_version=_VERSION) + "\n")


def _beneath(result: Result) -> str:
    machine = result.machine
    return (
        f"{machine.processor}, {machine.cpus} cores, load {machine.load:g} before and "
        f"{result.load_after:g} after; Kafka {machine.kafka}, Redis {machine.redis}, "
        f"Python {machine.python}; {result.rounds} rounds, {result.form} form"
    )


def _panel(population: Population, measure: str, title: str) -> dict[str, Any]:
    values = [
        (name, run.rate if measure == "rate" else 1e6 / run.cpu_us)
        for name, runs in population.runs.items()
        for run in runs
    ]
    least = 10 ** math.floor(math.log10(min(value for _, value in values)))
    x = {
        "type": "quantitative",
        "title": f"{title} (logarithmic)",
        "scale": {"type": "log", "domainMin": least},
        "axis": {"format": "~s", "values": [least * many for many in _MARKS]},
    }
    y = {
        "field": "side",
        "type": "nominal",
        "title": None,
        "sort": list(population.runs),
        "axis": {"grid": True, "labelLimit": 220},
    }
    ours = {"test": f"datum.side === '{GOVERNOR}'", "value": _OURS}
    colour = {"condition": ours, "value": _THEIRS}
    return {
        "width": 260,
        "height": {"step": 30},
        "data": {"values": [{"side": side, "value": value} for side, value in values]},
        "layer": [
            {
                "mark": {"type": "tick", "thickness": 4, "size": 20},
                "encoding": {
                    "y": y,
                    "x": {**x, "field": "value", "aggregate": "median"},
                    "color": colour,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 40, "opacity": 0.6},
                "encoding": {"y": y, "x": {**x, "field": "value"}, "color": colour},
            },
        ],
    }
