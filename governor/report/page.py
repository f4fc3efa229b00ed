"""Puts the sections together and writes the page as one HTML file that needs nothing else."""

from collections.abc import Sequence
from pathlib import PurePath

import jinja2
import msgspec

from governor.report.blocks import ENDS, Chart, Section, percent, shown
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
    fates, names = found.tally.fates, _short([one.name for one in (found, other) if one])
    sections = [
        judged(found.tally, found.summary, found.name),
        outcomes(fates.values()),
        rules(found.tally),
        weeks(fates.values()),
        people(fates),
        limits(found.tally),
        shadows(found.tally),
        _tradeoff(found, other, names),
    ]
    if other is not None:
        sections.insert(1, difference(found.tally, other.tally, names))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("governor.report", "."),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["shown"] = shown
    environment.tests["drawing"] = lambda block: isinstance(block, Chart)
    template = environment.get_template("page.html.jinja")
    return template.render(name=found.name, sections=sections, figures=_figures(found.tally))


def _figures(tally: Tally) -> Sequence[tuple[str, int, str]]:
    ends = point_of(tally).ends
    whole = len(tally.fates)
    return [(end, ends.get(end, 0), percent(ends.get(end, 0), whole)) for end in ENDS]


def _tradeoff(found: Judged, other: Judged | None, names: Sequence[str]) -> Section:
    both = [found] if other is None else [found, other]
    policies = [(name, point_of(one.tally)) for name, one in zip(names, both, strict=True)]
    for name, one in zip(names, both, strict=True):
        if one.curve is not None:
            return tradeoff(one.curve, name, policies)
    return tradeoff(None, "", policies)


def _short(names: Sequence[str]) -> Sequence[str]:
    """Leave out the folders where the names of the files are enough."""
    files = [PurePath(name).name for name in names]
    return files if len(set(files)) == len(files) else names
