"""What governor counts and measures for Prometheus; labels come from closed sets only."""

from governor.metrics.catalogue import CAUSES, REASONS, STEPS, Catalogue, Cause
from governor.metrics.metrics import Metrics

__all__ = ["CAUSES", "REASONS", "STEPS", "Catalogue", "Cause", "Metrics"]
