"""The words in which the sample day is written: people, and what happens at which moment."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from governor.config import topics
from governor.core.instant import format_instant, from_datetime, to_datetime

SHOP = ZoneInfo("Europe/Berlin")
_DAY = "2026-05-08"
_BROWSED = {"uses": [{"attribute": "browsing_history", "source": "observed"}]}


class Person(msgspec.Struct, frozen=True):
    """Somebody the shop knows: where they are, and what they have agreed to before today."""

    name: str
    place: str
    country: str
    zone: str | None = None
    agreed: str | None = "consent"
    personal: bool = True
    wants_little: bool = False
    holiday: bool = False
    grieves: bool = False
    household: str | None = None

    @property
    def id(self) -> str:
        """The id by which the shop knows this person."""
        return self.name.lower().replace("é", "e")

    def clock(self, at: int) -> str | None:
        """Return the time of day where this person is, None where that is not known."""
        if self.zone is None:
            return None
        return f"{to_datetime(at).astimezone(ZoneInfo(self.zone)):%H:%M}"


class Step(msgspec.Struct, frozen=True):
    """One record that reaches governor; `expected` is what must become of a candidate.

    That is every decision in its order, such as `defer quiet_hours, release email`, or the reason
    of its dead letter; None: it is the repeat of an earlier one. `gathers`: it waits for rivals
    before anything is decided; `hands_over`: why a human is told of the person then.
    """

    kind: str
    data: dict[str, Any]
    expected: str | None = None
    urgent: bool = False
    raw: bytes | None = None
    gathers: bool = False
    hands_over: str | None = None

    @property
    def topic(self) -> str:
        """The topic that the record goes to."""
        return topics.URGENT if self.urgent else topics.OF_KIND[self.kind]

    @property
    def refused(self) -> bool:
        """Whether it is to become a dead letter."""
        return self.expected is not None and " " not in self.expected

    @property
    def repeated(self) -> bool:
        """Whether it is a candidate that came before."""
        return self.kind == "candidate" and self.expected is None

    @property
    def key(self) -> str:
        """The key of the record."""
        return str(self.data.get("person", "control"))

    @property
    def value(self) -> bytes:
        """The record itself."""
        return msgspec.json.encode(self.data) if self.raw is None else self.raw


class Beat(msgspec.Struct, frozen=True):
    """A moment (ms) of the day, what happens then, and the caption that tells it."""

    at: int
    caption: str
    steps: tuple[Step, ...]


def moment(clock: str) -> int:
    """Return the millisecond of a time of the sample day, on the shop's clock."""
    return from_datetime(datetime.fromisoformat(f"{_DAY}T{clock}").replace(tzinfo=SHOP))


def beat(clock: str, caption: str, *steps: Step) -> Beat:
    """Let *steps* happen at one moment of the sample day; their times and ids are filled in."""
    at = moment(clock)
    dated = [
        msgspec.structs.replace(step, data=_dated(step, at, f"{step.kind}-{clock}-{number}"))
        for number, step in enumerate(steps)
    ]
    return Beat(at, caption, tuple(dated))


def _dated(step: Step, at: int, name: str) -> dict[str, Any]:
    written = format_instant(at)
    if step.kind == "candidate":
        return {"created_at": written, **step.data}
    return {"id": name, "at": written, **step.data}


def offer(
    campaign: str,
    person: str,
    channels: str,
    expected: str | None,
    *,
    personal: Mapping[str, Any] | None = None,
    **more: Any,
) -> Step:
    """Have an engine propose a promotion by one of several *channels*, the favourite first.

    The last channel is the plain way; those before it are *personal*, by default about what the
    person looked at.
    """
    *favourites, last = channels.split()
    variants = [
        {
            "id": f"personal-{name}",
            "channel": name,
            "content": {"template": f"{campaign}-for-you"},
            **(personal or _BROWSED),
        }
        for name in favourites
    ]
    variants.append({"id": "plain", "channel": last, "content": {"template": campaign}})
    return message("promotional", campaign, person, expected, variants=variants, **more)


def message(
    category: str,
    campaign: str,
    person: str,
    expected: str | None,
    *,
    urgent: bool = False,
    gathers: bool = False,
    hands_over: str | None = None,
    **more: Any,
) -> Step:
    """Have an engine propose a message of any category; *more* holds its channel or variants."""
    about = {"id": f"{campaign}-{person}", "person": person, "campaign": campaign}
    data = {**about, "category": category, **more}
    return Step("candidate", data, expected, urgent, gathers=gathers, hands_over=hands_over)


def recommendation(what: str, person: str, expected: str, **more: Any) -> Step:
    """Have an engine recommend something by push; it gathers with what others recommend."""
    variants = [{"id": "personal-push", "channel": "push", **_BROWSED}]
    return message(
        "recommendation", what, person, expected, variants=variants, gathers=True, **more
    )


def told(record: str, person: str, *, hands_over: str | None = None, **data: Any) -> Step:
    """Have something be said of a person: a consent, a profile, feedback, a review's answer."""
    return Step(record, {"person": person, **data}, hands_over=hands_over)


def control(action: str, reason: str, **scope: str) -> Step:
    """Have ops pause, resume, stop or start what is in *scope*, everything where it is empty."""
    return Step("control", {"by": "ops-lena", "action": action, "scope": scope, "reason": reason})


def broken(raw: bytes, expected: str) -> Step:
    """Have an engine send bytes that are no message."""
    return Step("candidate", {"id": "", "person": "nobody"}, expected, raw=raw)


def introduced(people: Mapping[str, Person]) -> Iterator[Step]:
    """Yield what the CRM knows of *people* when the day begins."""
    for person in people.values():
        profile: dict[str, Any] = {"country": person.country}
        if person.zone:
            profile["time_zone"] = person.zone
        if person.wants_little:
            profile["comfort"] = {"level": "low"}
        if person.household:
            profile["household"] = person.household
        if person.grieves:
            profile["vulnerabilities"] = ["bereavement"]
        yield told("profile", person.id, **profile)
        if person.agreed:
            yield _granted(person, "marketing", person.agreed)
        if person.agreed and person.personal:
            yield _granted(person, "personalisation", "consent")


def _granted(person: Person, purpose: str, basis: str) -> Step:
    return told("consent", person.id, action="grant", purpose=purpose, basis=basis)
