"""One page on what a policy would have done: a self-contained HTML file with charts and tables."""

from governor.report.ceilings import Curve, Trial, curve
from governor.report.page import Judged, page
from governor.report.tally import Tally

__all__ = ["Curve", "Judged", "Tally", "Trial", "curve", "page"]
