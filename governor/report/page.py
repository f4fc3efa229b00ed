"""Puts the sections together and writes the page as one HTML file that needs nothing else."""

from collections.abc import Sequence

import jinja2
import msgspec

from governor.report.blocks import ENDS, Chart, Section, is_figure, percent, shown
from governor.report.ceilings import Curve, point_of
from governor.report.difference import difference
from governor.report.limits import limits
from governor.report.outcomes import judged, outcomes, rules, weeks
from governor.report.people import people
from governor.report.shadows import shadows
from governor.report.tally import Tally
from governor.report.tradeoff import tradeoff
from governor.simulate import Summary


class Judged(msgspec.Struct, frozen=True):
    """What a simulation under one policy came to; `name` is what ops call its file."""

    name: str
    tally: Tally
    summary: Summary
    curve: Curve | None


def page(found: Judged, other: Judged | None = None) -> str:
    """Write the page on *found*; *other* is a second policy that it is compared with."""
    fates = found.tally.fates
    sections = [
        judged(found.tally, found.summary, found.name),
        outcomes(fates.values()),
        rules(found.tally),
        weeks(fates.values()),
        people(fates),
        limits(found.tally),
        shadows(found.tally),
        _tradeoff(found, other),
    ]
    if other is not None:
        sections.insert(1, difference(found.tally, other.tally, (found.name, other.name)))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("governor.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"shown": shown, "figure": is_figure}
    environment.tests["drawing"] = lambda block: isinstance(block, Chart)
    template = environment.get_template("page.html.jinja")
    return template.render(name=found.name, sections=sections, figures=_figures(found.tally))


def _figures(tally: Tally) -> Sequence[tuple[str, int, str]]:
    ends = point_of(tally).ends
    whole = len(tally.fates)
    return [(end, ends.get(end, 0), percent(ends.get(end, 0), whole)) for end in ENDS]


def _tradeoff(found: Judged, other: Judged | None) -> Section:
    both = [found] if other is None else [found, other]
    moved = next((one for one in both if one.curve is not None), None)
    policies = [(one.name, point_of(one.tally)) for one in both]
    section = tradeoff(moved.curve if moved else None, policies)
    if moved is not None and other is not None:
        text = f"This is the curve of {moved.name}. {section.text}"
        return msgspec.structs.replace(section, text=text)
    return section
