"""Examines a whole run and says everything that is wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from tests.faults.oracle.book import Book, Candidate
from tests.faults.oracle.households import wrong_households
from tests.faults.oracle.life import Bounds, wrong_decisions
from tests.faults.oracle.verdicts import (
    Said,
    defects_of_message,
    defects_of_records,
    overdue,
    person_of_each,
    said_of,
)

__all__ = ["Bounds", "Report", "examine"]


@dataclass(frozen=True)
class Report:
    """What is wrong, and how much there was to look at."""

    defects: list[str]
    candidates: int
    decisions: int
    outcomes: dict[str, int]
    codes: dict[str, int]
    waiting: int
    letters: int
    releases: int
    repeated_releases: int
    repeated_decisions: int
    excused: list[str]
    """What withheld more than topics explain, and what a release explains that was taken back."""

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        head = (
            f"{self.candidates} candidates, {self.decisions} decisions ({outcomes}),"
            f" {self.waiting} wait, {self.letters} dead letters, {self.releases} released,"
            f" again: {self.repeated_releases} released, {self.repeated_decisions} decisions"
        )
        codes = ", ".join(f"{count} {name}" for name, count in sorted(self.codes.items()))
        excused = [f"excused: {one}" for one in self.excused]
        return "\n".join([head, f"codes: {codes}", *excused, *self.defects])


def examine(book: Book, bounds: Bounds, ended: int) -> Report:
    """Judge a run that had come to rest at *ended* (ms): what was due before must be done."""
    said = [(one, said_of(book, one.id)) for one in book.candidates.values()]
    values = [decided.value for _, one in said for decided in one.decisions]
    outcomes = Counter(value["outcome"] for value in values)
    codes = Counter(value["code"] for value in values if value["code"] is not None)
    releases = sum(len(lines) for lines in book.released.values())
    released = sum(bool(one.releases) for _, one in said)
    decisions = sum(len(one.decisions) for _, one in said)
    excused: list[str] = []
    return Report(
        defects=list(_defects(book, said, bounds, ended, excused)),
        excused=excused,
        candidates=len(said),
        decisions=decisions,
        outcomes=dict(outcomes),
        codes=dict(codes),
        waiting=sum(bool(one.decisions) and not one.last.value["final"] for _, one in said),
        letters=len(book.letters),
        releases=released,
        repeated_releases=releases - released,
        repeated_decisions=sum(len(lines) for lines in book.decisions.values()) - decisions,
    )


def _defects(
    book: Book,
    said: list[tuple[Candidate, Said]],
    bounds: Bounds,
    ended: int,
    excused: list[str],
) -> Iterator[str]:
    yield from defects_of_records(book)
    yield from person_of_each(said)
    people: dict[str, list[tuple[Candidate, Said]]] = defaultdict(list)
    for candidate, one in said:
        yield from defects_of_message(book, candidate, one)
        yield from overdue(book, candidate, one, ended)
        people[candidate.person].append((candidate, one))
    for mine in people.values():
        yield from wrong_decisions(book, mine, bounds, excused)
    yield from wrong_households(book, said, excused)
