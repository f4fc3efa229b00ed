"""One decision in one short line: who, what, by which way, and why."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from governor.config import topics
from governor.core.instant import parse_instant, to_datetime
from governor.demo.day import Day, Decision, Gathering, Handover
from governor.demo.script import SHOP, Person
from governor.demo.story import KEY
from governor.explain import texts
from governor.ledger.keys import Pseudonyms

OUTCOMES = {
    "release": "released",
    "defer": "deferred",
    "review": "in review",
    "suppress": "suppressed",
}

_NEEDS = {
    "complained": "the person complained",
    "messages": "too many messages without a human contact",
}


class Row(msgspec.Struct, frozen=True):
    """A line of the view."""

    clock: str
    outcome: str
    name: str
    what: str
    why: str


class Teller:
    """Tells decisions about *people*, whom it recognises by their pseudonyms."""

    def __init__(self, people: Mapping[str, Person]) -> None:
        names = Pseudonyms(KEY)
        self._ids = people
        self._people = {names.of(each): person for each, person in people.items()}

    def row(self, decision: Decision) -> Row:
        """Tell a decision."""
        person = self._people[decision["person"]]
        what = named(decision)
        if decision["outcome"] == "release":
            what += f", by {decision['channel']}"
            why = self._quieter(decision, person)
        else:
            found = deciding(decision)
            why = self._reason(decision, found, person) + _later(decision, found)
        at = parse_instant(decision["decided_at"])
        return Row(shop_clock(at), OUTCOMES[decision["outcome"]], person.name, what, why)

    def again(self, decision: Decision, day: Day) -> Row:
        """Tell a decision that was published again."""
        person = self._people[decision["person"]]
        times = len(day.released.get(decision["message"], ()))
        why = f"the verdict of {shop_clock(parse_instant(decision['decided_at']))} stands"
        if times > 1:
            why += "; the sender knows by the idempotency key that it has it"
        return Row("", "repeated", person.name, named(decision), why)

    def gathers(self, gathering: Gathering, at: int) -> Row:
        """Tell what began to wait for rivals at *at* (ms), before anything is decided on it."""
        person = self._people[gathering.person]
        what = _titled(gathering.message, person)
        return Row(shop_clock(at), "gathers", person.name, what, "nothing is decided on it yet")

    def handed_over(self, handover: Handover) -> Row:
        """Tell who needs a human."""
        person = self._ids[handover.person]
        what = _titled(handover.message or "", person)
        why = f"{_NEEDS[handover.why]}; the CRM hears of it on {topics.HANDOVERS}"
        since = shop_clock(parse_instant(handover.since))
        return Row(since, "handed over", person.name, what, why)

    def _quieter(self, decision: Decision, person: Person) -> str:
        """Say why the more personal variants, which come first, were refused."""
        refused = refusals(decision)
        return "; ".join(
            f"not by {channel_of(finding)}: {self._reason(decision, finding, person)}"
            for finding in refused
        )

    def _reason(self, decision: Decision, finding: Decision | None, person: Person) -> str:
        if finding is None:
            return ""
        text = texts({**decision, "findings": [finding]})[0]
        said = text.partition(": ")[2].partition(", ")[2].rpartition("; ")
        reason = said[0] or said[2]
        if finding["code"] == "cap_reached":
            reason = f"{finding['id']}: {reason}"
        if finding["code"] == "quiet_hours":
            reason += _whereabouts(person, parse_instant(decision["decided_at"]))
        return reason


def deciding(decision: Decision) -> Decision | None:
    """Return the finding that held the message back, None where nothing did."""
    if decision["code"] is None:
        return None
    for finding in decision["findings"]:
        same = finding["code"] == decision["code"] and finding["variant"] == decision["variant"]
        if same and finding["enforced"]:
            return dict(finding)
    return None


def refusals(decision: Decision) -> list[Decision]:
    """Return what stood against each variant before the released one: its first finding."""
    found: dict[str, Decision] = {}
    for finding in decision["findings"]:
        if finding["code"] and finding["enforced"] and finding["variant"] != decision["variant"]:
            found.setdefault(finding["variant"], finding)
    return list(found.values())


def channel_of(finding: Mapping[str, Any]) -> str:
    """Return the channel of the story's variant that a finding is about."""
    return str(finding["variant"]).removeprefix("personal-")


def named(decision: Decision) -> str:
    """Name a message by its campaign."""
    return str(decision["campaign"]).replace("-", " ")


def _titled(message: str, person: Person) -> str:
    return message.removesuffix(f"-{person.id}").replace("-", " ")


def shop_clock(at: int) -> str:
    """Write the time of day on the shop's clock."""
    return f"{to_datetime(at).astimezone(SHOP):%H:%M}"


def _later(decision: Decision, finding: Decision | None) -> str:
    if decision["outcome"] == "suppress" and finding and finding["outcome"] == "defer":
        return "; by then it would be past its end"
    if decision["outcome"] != "defer":
        return ""
    if not decision["eligible_at"]:
        return "; waits"
    today = _in_shop(decision["decided_at"])
    later = _in_shop(decision["eligible_at"])
    day = "" if later.date() == today.date() else f"{later:%A} "
    return f"; waits until {day}{later:%H:%M}"


def _in_shop(written: str) -> datetime:
    return to_datetime(parse_instant(written)).astimezone(SHOP)


def _whereabouts(person: Person, at: int) -> str:
    clock = person.clock(at)
    if clock is None:
        return f" ({person.place}, zone unknown: all its zones count)"
    holiday = ", a public holiday" if person.holiday else ""
    return f" ({clock} in {person.place}{holiday})"
