"""What a view of the demonstration is told, and the one that writes it as JSON lines."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from governor.core.instant import format_instant
from governor.demo.checks import Check
from governor.demo.day import Came, Day, Gathering, Handover, Letter
from governor.demo.process import Part
from governor.demo.script import Beat, Person
from governor.demo.sentences import Teller
from governor.demo.totals import quieter, reasons


class View(Protocol):
    """Shows the demonstration to somebody."""

    def waits(self, what: str) -> None:
        """Tell what is being waited for."""

    def runs(self, part: Part, what: str) -> None:
        """Tell that a part runs."""

    def introduces(self, people: Mapping[str, Person]) -> None:
        """Tell who takes part."""

    def beat(self, beat: Beat) -> None:
        """Tell what happens at a moment."""

    def came(self, came: Came, day: Day) -> None:
        """Tell what came out."""

    def pause(self, day: Day) -> None:
        """Leave time to read, where somebody reads."""

    def ends(self, day: Day, checks: Sequence[Check]) -> None:
        """Tell what came of the day."""

    def hints(self, folder: Path, kept: Mapping[str, str] | None) -> None:
        """Tell where to look further; *kept* are the settings of what goes on running."""

    def fails(self, flaws: Sequence[str]) -> None:
        """Tell what went wrong with the demonstration itself."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Lines:
    """Writes one JSON object a line."""

    def __init__(self, people: Mapping[str, Person]) -> None:
        self._teller = Teller(people)

    def waits(self, what: str) -> None:
        """Write nothing: programs wait in silence."""

    def runs(self, part: Part, what: str) -> None:
        """Write a line of type `part`."""
        _write("part", name=part.name, what=what, address=part.address, pid=part.pid)

    def introduces(self, people: Mapping[str, Person]) -> None:
        """Write a line of type `person` for each."""
        for id, person in people.items():
            _write("person", person=id, name=person.name, place=person.place)

    def beat(self, beat: Beat) -> None:
        """Write a line of type `beat`."""
        _write("beat", at=format_instant(beat.at), caption=beat.caption)

    def came(self, came: Came, day: Day) -> None:
        """Write a line: `decision`, `repeat`, `dead_letter`, `gathering` or `handover`."""
        if isinstance(came, Letter):
            _write("dead_letter", reason=came.reason, value=came.value.decode(errors="replace"))
            return
        if isinstance(came, Gathering):
            _write("gathering", person=came.person, message=came.message)
            return
        if isinstance(came, Handover):
            row = self._teller.handed_over(came)
            _write("handover", name=row.name, text=row.why, handover=came)
            return
        fresh = day.decisions[came["id"]] is came
        row = self._teller.row(came)
        _write("decision" if fresh else "repeat", name=row.name, text=row.why, decision=came)

    def pause(self, day: Day) -> None:
        """Go on at once: programs need no time to read."""

    def ends(self, day: Day, checks: Sequence[Check]) -> None:
        """Write a line of type `summary`."""
        _write(
            "summary",
            released=day.count("release"),
            suppressed=day.count("suppress"),
            waiting=day.count("defer") + day.count("review"),
            dead_letters=len(day.letters),
            decisions=len(day.decisions),
            repeats=len(day.repeats),
            handovers=len(day.handovers),
            said_again=day.said_again,
            quieter=[each._asdict() for each in quieter(day)],
            reasons=[each._asdict() for each in reasons(day)],
            checks=[{"promise": each.promise, "flaws": each.flaws} for each in checks],
        )

    def hints(self, folder: Path, kept: Mapping[str, str] | None) -> None:
        """Write a line of type `files`."""
        _write("files", folder=str(folder), settings=kept)

    def fails(self, flaws: Sequence[str]) -> None:
        """Write a line of type `failed`."""
        _write("failed", flaws=list(flaws))

    def close(self) -> None:
        """Do nothing: nothing is open."""


def _write(kind: str, **said: Any) -> None:
    print(msgspec.json.encode({"type": kind, **said}).decode(), flush=True)
