"""What is wrong with a file that ops wrote, and where."""

from collections.abc import Iterable
from dataclasses import dataclass

from governor.core.printable import printable


@dataclass(frozen=True, slots=True, order=True)
class Defect:
    """One thing that is wrong; line 0 means the file as a whole."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        """Put the place first, on one line whatever the file holds."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return printable(f"{place}: {self.message}")


class PolicyInvalid(Exception):
    """A policy that cannot be used, with every defect that it has."""

    def __init__(self, defects: Iterable[Defect]) -> None:
        """Keep the defects in the order of their files and lines."""
        self.defects = sorted(set(defects))
        super().__init__("\n".join(str(defect) for defect in self.defects))
