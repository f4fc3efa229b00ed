"""What one promotional e-mail in 7 days, by day, must make of an e-mail log, counted from its rows.

A second opinion that shares nothing with the product. Of each person: an e-mail within 7 days
after the last one that went out is suppressed; one outside of 08:00 to 21:00 (UTC) waits for the
next 08:00, where of several the earlier row's goes first, before what is sent at that moment.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

SENT = {"sent_weekly_digest", "sent_reengagement_email"}
WEEK = timedelta(days=7)
OPENS, CLOSES = 8, 21


class Fate(NamedTuple):
    """What becomes of an e-mail, and when; `waited` is the moment that it had to wait for."""

    outcome: str
    at: datetime
    waited: datetime | None = None


def read(path: Path) -> dict[str, list[tuple[datetime, int]]]:
    """Return of every person the e-mails of the log: moment and number of the row."""
    people: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as rows:
        for number, row in enumerate(csv.DictReader(rows), 1):
            if row["action"] in SENT:
                moment = datetime.strptime(row["occurred_at"], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
                people[row["user_id"]].append((moment, number))
    return people


def fates(sends: list[tuple[datetime, int]]) -> dict[int, Fate]:
    """Return what becomes of each e-mail to one person, by the number of its row."""
    found: dict[int, Fate] = {}
    last: datetime | None = None
    waiting: list[tuple[datetime, datetime, str, int]] = []
    for moment, number in sorted(sends):
        last = _morning(found, waiting, last, moment)
        if _full(last, moment):
            found[number] = Fate("suppress", moment)
        elif OPENS <= moment.hour < CLOSES:
            found[number], last = Fate("release", moment), moment
        else:
            opens = moment.replace(hour=OPENS, minute=0, second=0, microsecond=0)
            opens += timedelta(days=moment.hour >= CLOSES)
            waiting.append((opens, moment, f"m-{number}", number))
    _morning(found, waiting, last, max(sends)[0] + WEEK)
    return found


def _full(last: datetime | None, moment: datetime) -> bool:
    return last is not None and moment < last + WEEK


def _morning(
    found: dict[int, Fate],
    waiting: list[tuple[datetime, datetime, str, int]],
    last: datetime | None,
    until: datetime,
) -> datetime | None:
    """Let go what has waited for a morning up to *until*, one of it; return the last release."""
    waiting.sort()
    while waiting and waiting[0][0] <= until:
        opens, _, _, number = waiting.pop(0)
        if _full(last, opens):
            found[number] = Fate("suppress", opens, opens)
        else:
            found[number], last = Fate("release", opens, opens), opens
    return last
