"""The chart of a result: what each side brings a second, round by round, as SVG."""

import math
from pathlib import Path
from typing import Any

import vl_convert

from bench.results import Population, Result
from bench.stage import GOVERNOR

_VERSION = "6.4"
_OURS, _THEIRS = "#1f6f54", "#9aa5b1"


def draw(result: Result, path: Path) -> None:
    """Write the chart of *result* to *path*."""
    titles = {"rate": "candidates a second", "per_cpu": "candidates a second of its processor time"}
    spec = {
        "title": {
            "text": "What each side works off, every round a dot, the bar their median",
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
    rows = [
        {
            "side": name,
            "value": run.rate if measure == "rate" else 1e6 / run.cpu_us,
            "ours": name == GOVERNOR,
        }
        for name, runs in population.runs.items()
        for run in runs
    ]
    least = 10 ** math.floor(math.log10(min(float(row["value"]) for row in rows)))
    x = {
        "type": "quantitative",
        "title": f"{title} (logarithmic)",
        "scale": {"type": "log", "domainMin": least},
        "axis": {"format": "~s", "tickCount": 4},
    }
    y = {"field": "side", "type": "nominal", "title": None, "sort": list(population.runs)}
    colour = {"condition": {"test": "datum.ours", "value": _OURS}, "value": _THEIRS}
    return {
        "width": 260,
        "height": {"step": 30},
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "bar", "height": 14},
                "encoding": {
                    "y": y,
                    "x": {**x, "field": "value", "aggregate": "median"},
                    "x2": {"datum": least},
                    "color": colour,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "color": "black", "size": 16},
                "encoding": {"y": y, "x": {**x, "field": "value"}},
            },
        ],
    }
