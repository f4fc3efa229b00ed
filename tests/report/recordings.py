"""A small recording of many people, the policies that judge it, and the page read back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from tests.cli.commands import lines, written

START = datetime(2026, 5, 4, tzinfo=UTC)
PEOPLE, DAYS = 24, 20

POLICY = """\
version: 1
defaults: {time_zone: UTC}
categories:
  promotional: {purpose: marketing, basis: [consent]}
  service: {purpose: service, basis: [legitimate_interest], skips: [caps, intrusiveness]}
caps:
  - {id: two-per-day, match: {category: promotional}, limit: 2, window: 24h, at_cap: suppress}
  - {id: few-push, match: {channel: push}, limit: 1, window: 3d, at_cap: suppress}
quiet_hours:
  - {id: day, match: {channel: email}, allow: {mon-sun: "08:00-21:00"}}
intrusiveness: {ceiling: 25, half_life: 3d, above: defer}
modes: {caps.few-push: shadow}
"""


def when(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def record(path: Path) -> list[dict[str, Any]]:
    """Write what happened to everybody; people differ in pace, hour, channel and what they do."""
    events = [event for number in range(PEOPLE) for event in _life(number)]
    events.sort(key=lambda event: event["at"])
    written(path, "".join(json.dumps(event) + "\n" for event in events))
    return events


def _life(number: int) -> list[dict[str, Any]]:
    person = f"secret-person-{number}"
    grant = {"id": f"c-{number}", "person": person, "at": when(START), "action": "grant"}
    grant |= {"purpose": "marketing", "basis": "consent"}
    # Every sixth never agreed.
    life = [] if number % 6 == 0 else [{"at": when(START), "type": "consent", "data": grant}]
    step = timedelta(hours=7 + 5 * (number % 4))
    at, count = START + timedelta(hours=number + 1), 0
    while at < START + timedelta(days=DAYS):
        count += 1
        message = f"secret-message-{number}-{count}"
        data = {"id": message, "person": person, "created_at": when(at), "campaign": "spring"}
        data["category"] = "service" if count % 9 == 0 else "promotional"
        data["channel"] = ("email", "push", "email")[(count + number) % 3]
        life.append({"at": when(at), "type": "candidate", "data": data})
        for kind, every in (("opened", 2), ("clicked", 5)):
            if (count * 7 + number) % every == 0:
                heard = at + timedelta(hours=1 + every)
                fact = {"id": f"{kind}-{message}", "message": message, "person": person}
                fact |= {"at": when(heard), "kind": kind}
                life.append({"at": when(heard), "type": "feedback", "data": fact})
        at += step
    return life


class Ended:
    """What the decisions of a file come to, counted without the product."""

    def __init__(self, path: Path, events: list[dict[str, Any]]) -> None:
        self.of: dict[str, list[dict[str, Any]]] = {}
        for decision in lines(path.read_bytes()):
            self.of.setdefault(decision["message"], []).append(decision)
        sent = [event for event in events if event["type"] == "candidate"]
        self.came = {one["data"]["id"]: one["at"] for one in sent}
        self.feedback = [event["data"] for event in events if event["type"] == "feedback"]

    def end(self, message: str) -> str:
        *before, last = self.of[message]
        if last["outcome"] == "release":
            return "released later" if before else "released"
        return "suppressed" if last["outcome"] == "suppress" else "waiting"

    def messages(self, *ends: str) -> list[str]:
        return [message for message in self.of if self.end(message) in ends]

    def kept(self, kind: str) -> tuple[int, int]:
        """Count feedback of a kind on what goes out, and all of it."""
        out = set(self.messages("released", "released later"))
        heard = [one["message"] for one in self.feedback if one["kind"] == kind]
        return sum(message in out for message in heard), len(heard)


class Page(HTMLParser):
    """A page read strictly: every element closed in its place; its tables by their captions."""

    VOID = frozenset({"meta", "br", "hr", "img", "input", "link"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.charts: list[str] = []
        self.order: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._caption = ""
        self._rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag not in self.VOID:
            self.open.append(tag)
        self.addresses += [found[name] for name in ("href", "src", "xlink:href") if name in found]
        if tag == "svg":
            assert found["role"] == "img"
            self.charts.append(found["aria-label"])
            self.order.append("chart")
        if found.get("role") == "region":
            self._caption, self._rows = found["aria-label"], []
            self.order.append("table")
        if tag == "tr":
            self._rows.append([])
        if tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self._rows[-1][-1] += data

    def rows(self, caption: str) -> list[list[str]]:
        """Return the rows below the head of the table whose caption begins so."""
        [found] = [rows for name, rows in self.tables.items() if name.startswith(caption)]
        return found[1:]


def number(text: str) -> int:
    return int(text.replace(",", ""))
