"""The CSV export of another tool, made into the events that `simulate` plays."""

from governor.convert.events import Conversion, Tally
from governor.convert.mapping import Map, load_map
from governor.convert.table import InputInvalid

__all__ = ["Conversion", "InputInvalid", "Map", "Tally", "load_map"]
