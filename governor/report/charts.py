"""The charts of the page, drawn by Vega-Lite as SVG whose colours the page's style decides."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

import vl_convert

from governor.report.blocks import Chart

Row = Mapping[str, Any]
Spec = dict[str, Any]

_WIDE, _NARROW = 700, 330
_VERSION = "6.4"
_XMLNS = re.compile(r' xmlns(:\w+)?="[^"]*"| version="1\.1"')
_SIZE = re.compile(r'<svg class="marks" width="(\d+)" height="(\d+)"')
_CONFIG: Spec = {
    "background": "transparent",
    "font": "Arial, Helvetica, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--ink)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 220,
        "labelOverlap": "greedy",
        "labelSeparation": 12,
    },
    "legend": {
        "orient": "top",
        "direction": "horizontal",
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "symbolType": "square",
        "columnPadding": 24,
        "title": None,
    },
}

END_COLOURS = {
    "released": "var(--go)",
    "released later": "var(--late)",
    "waiting": "var(--wait)",
    "suppressed": "var(--stop)",
}
PAIR_COLOURS = ("var(--before)", "var(--go)")
KIND_COLOURS = ("var(--go)", "var(--wait)", "var(--late)", "var(--stop)")
_BETWEEN = {"stroke": "var(--paper)", "strokeWidth": 0.5}


def drawn(caption: str, spec: Spec, *, height: int) -> Chart:
    """Draw *spec* in both widths; *caption* says in words what is to be seen."""
    widths = (_svg(caption, spec, width, height) for width in (_WIDE, _NARROW))
    return Chart(caption, *widths)


def _svg(caption: str, spec: Spec, width: int, height: int) -> str:
    legend = dict(_CONFIG["legend"], columns=2 if width == _NARROW else 4)
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": width,
        "height": height,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": {"left": 12, "right": 16, "top": 4, "bottom": 4},
        "config": _CONFIG | {"legend": legend},
        **spec,
    }
    svg = _XMLNS.sub("", vl_convert.vegalite_to_svg(whole, vl_version=_VERSION))
    label = html.escape(caption)
    return _SIZE.sub(rf'<svg role="img" aria-label="{label}" width="\1" height="\2"', svg, count=1)


def stacked(
    caption: str, rows: Sequence[Row], *, along: str, ends: Sequence[str], lying: bool
) -> Chart:
    """Stack the `messages` of *rows* by their `end`, over the values of *along*, in their order."""
    order = list(dict.fromkeys(row[along] for row in rows))
    kind: Spec = {"field": along, "type": "ordinal", "sort": order, "title": None}
    kind["axis"] = {"labelAngle": 0}
    amount: Spec = {
        "field": "messages",
        "type": "quantitative",
        "title": "messages",
        "stack": "zero",
    }
    amount["axis"] = {"format": ",d", "tickMinStep": 1, "tickCount": 5}
    spec: Spec = {
        "data": {"values": list(rows)},
        "mark": {"type": "bar", **_BETWEEN},
        "encoding": {
            "y" if lying else "x": kind,
            "x" if lying else "y": amount,
            "color": _coloured("end", ends, [END_COLOURS[end] for end in ends]),
            "order": {"field": "rank", "type": "quantitative"},
        },
    }
    return drawn(caption, spec, height=70 + 34 * len(order) if lying else 280)


def paired(
    caption: str, rows: Sequence[Row], *, along: str, title: str, amount: str, pair: Sequence[str]
) -> Chart:
    """Set bars of the two values of `when` side by side, over the values of *along*."""
    order = list(dict.fromkeys(row[along] for row in rows))
    spec: Spec = {
        "data": {"values": list(rows)},
        "mark": {"type": "bar"},
        "encoding": {
            "x": {
                "field": along,
                "type": "ordinal",
                "sort": order,
                "title": title,
                "axis": {"labelAngle": 0},
            },
            "xOffset": {"field": "when", "sort": list(pair)},
            "y": {
                "field": "number",
                "type": "quantitative",
                "title": amount,
                "axis": {"format": ",d", "tickMinStep": 1, "tickCount": 5},
            },
            "color": _coloured("when", pair, PAIR_COLOURS),
        },
    }
    return drawn(caption, spec, height=260)


def traded(
    caption: str,
    rows: Sequence[Row],
    marks: Sequence[Row],
    kinds: Sequence[str],
    *,
    labels: Sequence[Row],
    signs: Sequence[Row],
) -> Chart:
    """Draw the share of feedback kept over the share of messages withheld, and policies in it."""
    share: Spec = {"type": "quantitative", "axis": {"format": ".0%", "tickCount": 5}}
    share["scale"] = {"domain": [0, 1]}
    colour = {"color": _coloured("kind", kinds, KIND_COLOURS)}
    named = {"text": {"field": "label"}}
    chance = [{"withheld": 0, "kept": 1}, {"withheld": 1, "kept": 0}]
    words = {"type": "text", "fill": "var(--ink)", "fontSize": 11, "align": "left"}
    diamond = {"type": "point", "shape": "diamond", "size": 150, "filled": True, "opacity": 1}
    curve = {"type": "line", "strokeWidth": 2, "point": {"size": 45}}
    spec: Spec = {
        "encoding": {
            "x": share | {"field": "withheld", "title": "messages withheld"},
            "y": share | {"field": "kept", "title": "feedback kept"},
        },
        "layer": [
            _layer(chance, {"type": "line", "strokeDash": [4, 4], "color": "var(--muted)"}),
            _layer(rows, curve, colour | {"order": {"field": "withheld"}}),
            _layer(labels, words | {"dx": 6, "dy": -8}, named),
            _layer(marks, diamond | {"stroke": "var(--ink)"}, colour),
            _layer(signs, words | {"dx": -4, "dy": 20, "fontWeight": "bold"}, named),
        ],
    }
    return drawn(caption, spec, height=380)


def _layer(rows: Sequence[Row], mark: Spec, encoding: Spec | None = None) -> Spec:
    return {"data": {"values": list(rows)}, "mark": mark, "encoding": encoding or {}}


def _coloured(field: str, domain: Sequence[str], colours: Sequence[str]) -> Spec:
    palette = [colours[number % len(colours)] for number in range(len(domain))]
    return {
        "field": field,
        "type": "nominal",
        "sort": None,
        "scale": {"domain": list(domain), "range": palette},
    }
