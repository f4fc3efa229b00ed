"""How `simulate` has its page written: what is counted on the way, and the ceilings tried then."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from governor.cli.output import settings
from governor.cli.recording import Recording

if TYPE_CHECKING:
    from governor.core.policy import Policy
    from governor.ledger.keys import Pseudonyms
    from governor.report import Curve, Tally
    from governor.simulate import Summary

_EVERY = 20_000


def report_writer(
    path: Path | None,
    recording: Recording,
    policies: Sequence[Path | None],
    until: int | None,
    *,
    quiet: bool,
) -> "ReportWriter | None":
    """Return the writer of the page at *path*, if there is to be one."""
    if path is None:
        return None
    names = [str(policy) for policy in policies if policy]
    return ReportWriter(path, recording, names, until, quiet=quiet)


class ReportWriter:
    """Collects what one or two policies came to, and writes the page."""

    def __init__(
        self,
        path: Path,
        recording: Recording,
        names: Sequence[str],
        until: int | None,
        *,
        quiet: bool,
    ) -> None:
        """Write to *path*; *names* are those of the policies, *quiet* shows no progress."""
        self._path = path
        self._recording = recording
        self._names = names
        self._until = until
        self._quiet = quiet
        self._found: list[tuple[Tally, Summary]] = []

    def tally(self, policy: "Policy", names: "Pseudonyms") -> "Tally":
        """Return what is to watch the next policy."""
        from governor.report import Tally

        name = self._names[len(self._found)]
        self._say(f"judging under {name}")
        return Tally(policy, names, lambda number: self._say(f"{number:,} events"), _EVERY)

    def add(self, tally: "Tally", summary: "Summary") -> None:
        """Take what a policy came to."""
        self._found.append((tally, summary))

    def write(self) -> None:
        """Try the ceilings and write the page."""
        from governor.report import Judged, page

        found = list(zip(self._names, self._found, strict=False))
        moved = next((name for name, (tally, _) in found if tally.policy.intrusiveness), None)
        judged = [
            Judged(name, tally, summary, self._curve(tally, name) if name == moved else None)
            for name, (tally, summary) in found
        ]
        self._path.write_text(page(*judged), encoding="utf-8")
        self._say(f"written to {self._path}")

    def _curve(self, tally: "Tally", name: str) -> "Curve | None":
        from governor.report import Trial, curve

        trial = Trial(self._recording, tally.policy, settings().pseudonym_key, self._until, 1)
        return curve(trial, tally, lambda text: self._say(f"{name}: {text}"))

    def _say(self, text: str) -> None:
        if not self._quiet:
            click.echo(f"report: {text}", err=True)
