"""An oracle that judges a run of governor from its topics alone; it imports nothing of governor.

What it knows comes from the contract: which record says what, and what may never be seen. It does
not know in which order facts were applied, only what bounds that order: a fact cannot have been
applied before it was written, and must have been once the gate would have held for it.
"""

from tests.faults.oracle.book import Book
from tests.faults.oracle.judge import Bounds, Report, examine
from tests.faults.oracle.records import Line
from tests.faults.oracle.rules import Rules

__all__ = ["Book", "Bounds", "Line", "Report", "Rules", "examine"]
