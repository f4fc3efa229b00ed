"""One person's story at the pure core: what happens to them, and what is decided in words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count
from typing import Any, cast

import msgspec

from governor.codec.decode import EventKind, decode_event
from governor.codec.waiting import decode_body, encode_body
from governor.core.case import Case
from governor.core.facts import apply_control, scope_of
from governor.core.incoming import Incoming, Told
from governor.core.instant import format_instant, format_second, parse_instant
from governor.core.person import Person
from governor.core.policy import Policy
from governor.core.resolution import Handover, Resolution
from governor.core.standing import SENT, STRANGER, ControlState, Scope, name64
from governor.core.turn import Setting, Turn, sent, take_turn
from governor.core.verdict import OUTCOME_NAMES, Finding, Verdict

TODAY = "2026-05-05"
"""A Tuesday without a holiday; what has no date happens on it."""
PERSON = "p-42"

CATEGORIES: dict[str, Any] = {
    "promotional": {"purpose": "marketing", "basis": ["consent", "soft_opt_in"]},
    "news": {"purpose": "news", "basis": ["legitimate_interest"]},
    "service": {"purpose": "service", "basis": ["contract", "legitimate_interest"]},
}

Event = tuple[str, dict[str, Any]]

_TIME = re.compile(r"(?:(\d{4}-\d\d-)?(\d\d)T)?(\d\d:\d\d)(:\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?")


def at(text: str) -> int:
    """Read `10:00`, `06T10:00:30` (of May 2026) or a full time; UTC where no zone is named."""
    found = _TIME.fullmatch(text)
    assert found, text
    month, day, clock, seconds, zone = found.groups()
    return parse_instant(
        f"{month or TODAY[:8]}{day or TODAY[8:]}T{clock}{seconds or ':00'}{zone or 'Z'}"
    )


def written(text: str) -> str:
    """Write a time of a story as it stands on the wire."""
    return format_instant(at(text))


def policy(**sections: Any) -> Policy:
    """Read a policy with three categories whose people live in Berlin unless they say otherwise."""
    base: dict[str, Any] = {
        "version": 1,
        "defaults": {"country": "DE", "time_zone": "Europe/Berlin"},
        "categories": CATEGORIES,
    }
    return Policy.model_validate({**base, **sections})


def variant(id: str, channel: str = "email", **data: Any) -> dict[str, Any]:
    """Write one variant of a candidate."""
    return {"id": id, "channel": channel, **data}


def words(resolution: Resolution) -> str:
    """Say what was decided: the message, the outcome, its code and the time it names."""
    verdict = resolution.verdict
    eligible_at = None if verdict.eligible_at is None else _short(verdict.eligible_at)
    parts = (
        resolution.incoming.candidate.id,
        OUTCOME_NAMES[verdict.outcome],
        verdict.code,
        eligible_at,
    )
    return " ".join(part for part in parts if part)


def _short(moment: int) -> str:
    return format_second(moment).removeprefix(f"{TODAY}T")


class Story:
    """A person whose turns are taken one after the other, each published at once.

    Every method that makes something happen first lets what fell due before it happen, and
    returns what was decided, in words.
    """

    def __init__(self, *, forgets: bool = True, **sections: Any) -> None:
        self.policy = policy(**sections)
        self.standing = STRANGER
        self.control = ControlState()
        self.forgets = forgets
        self.resolutions: list[Resolution] = []
        self.rejected: list[tuple[str, str]] = []
        self.notes: list[str] = []
        self.handovers: list[Handover] = []
        self._numbers = count(1)

    def setting(self) -> Setting:
        """Return what a turn is taken with now."""
        return Setting(
            self.policy,
            self.control,
            lambda household: f"alias of {household}",
            lambda person, message, attempt: f"d-{person}-{message}-{attempt}",
            lambda _key, waiting: decode_body(waiting.body),
            lambda _key, incoming: encode_body(incoming),
            forgets=self.forgets,
        )

    def happens(self, when: str | int, *events: Event) -> list[str]:
        """Let *events* happen at one moment."""
        now = at(when) if isinstance(when, str) else when
        return [*self.run(now - 1), *self.take(self._turn(now, events))]

    def catches_up(self, now: int, *events: Event) -> list[str]:
        """Let *events* happen at *now* (ms), where nobody has looked at what was due before."""
        said = []
        if any(kind == "control" for kind, _ in events):
            said = self.take(Turn(PERSON, now - 1, due=True, catch_up=True))
        turn = msgspec.structs.replace(self._turn(now, events), catch_up=True)
        return [*said, *self.take(turn)]

    def _turn(self, now: int, events: Iterable[Event]) -> Turn:
        told: list[Told] = []
        fresh: list[Incoming] = []
        covered: list[Scope] = []
        for kind, data in events:
            value = decode_event(cast("EventKind", kind), data, now, self.policy)
            if isinstance(value, Incoming):
                fresh.append(value)
            elif isinstance(value, Told):
                told.append(value)
            else:
                self.control = apply_control(self.control, value)
                covered.append(scope_of(value))
        return Turn(PERSON, now, tuple(told), tuple(fresh), tuple(covered), due=True)

    def take(self, turn: Turn, *, publish: bool = True) -> list[str]:
        """Take *turn*; the broker has it at once unless told otherwise."""
        taken = take_turn(self.setting(), self.standing, turn)
        self.standing = taken.standing
        self.resolutions += taken.resolutions
        self.rejected += [(one.candidate.id, reason) for one, reason in taken.rejected]
        self.notes += taken.notes
        self.handovers += [taken.handover] if taken.handover else []
        if publish:
            self.standing = sent(self.standing, taken.resolutions)
        return [words(one) for one in taken.resolutions if not one.gathers]

    def run(self, until: str | int) -> list[str]:
        """Let time pass to *until*, that moment included."""
        end = at(until) if isinstance(until, str) else until
        said: list[str] = []
        while self.standing.waiting:
            due = min(one.wake_at for one in self.standing.waiting)
            if due > end:
                break
            said += self.take(Turn(PERSON, due, due=True))
        return said

    def consent(self, when: str, action: str, **data: Any) -> list[str]:
        """Let the person say something about a purpose, marketing unless another is named."""
        return self.happens(when, self.said(when, action, **data))

    def said(self, when: str, action: str, **data: Any) -> Event:
        """Write a consent change."""
        base: dict[str, Any] = {"id": self._id("c"), "person": PERSON, "at": written(when)}
        base |= {"action": action, "purpose": "marketing"}
        if action == "grant":
            base["basis"] = "consent"
        return "consent", base | data

    def grant(self, when: str = "00:00", **data: Any) -> list[str]:
        """Let the person grant consent for marketing."""
        return self.consent(when, "grant", **data)

    def profile(self, when: str = "00:00", **data: Any) -> list[str]:
        """Let the CRM tell about the person."""
        return self.happens(when, ("profile", {"person": PERSON, "at": written(when), **data}))

    def feedback(self, when: str, message: str, kind: str, **data: Any) -> list[str]:
        """Let it be told what became of a message."""
        base = {"id": self._id("f"), "message": message, "person": PERSON, "at": written(when)}
        return self.happens(when, ("feedback", {**base, "kind": kind, **data}))

    def cancel(self, when: str, **data: Any) -> list[str]:
        """Let the engine take something back."""
        base = {"id": self._id("x"), "person": PERSON, "at": written(when)}
        return self.happens(when, ("cancellation", {**base, **data}))

    def answer(self, when: str, message: str, answer: str, **data: Any) -> list[str]:
        """Let a reviewer, ann unless another is named, answer."""
        base: dict[str, Any] = {"id": self._id("r"), "message": message, "person": PERSON}
        base |= {"reviewer": "ann", "at": written(when), "answer": answer, "reason": "seen"}
        return self.happens(when, ("review", base | data))

    def steer(self, when: str, action: str, **scope: str) -> list[str]:
        """Let ops pause, resume, stop or start what is in scope."""
        return self.happens(when, self.steered(when, action, **scope))

    def steered(self, when: str, action: str, **scope: str) -> Event:
        """Write a control."""
        base: dict[str, Any] = {"id": self._id("k"), "at": written(when), "by": "ops"}
        return "control", base | {"action": action, "scope": scope}

    def candidate(self, when: str, id: str = "m", **data: Any) -> list[str]:
        """Let a candidate arrive, a promotional e-mail unless *data* says otherwise."""
        return self.happens(when, asked(when, id, **data))

    def findings(self, message: str | None = None) -> list[Finding]:
        """Return the findings of the last decision, or of the last one on *message*."""
        found = [
            one
            for one in self.resolutions
            if message is None or one.incoming.candidate.id == message
        ]
        return list(found[-1].verdict.findings)

    def finding(self, rule: str, id: str, message: str | None = None) -> Finding:
        """Return the one finding of a rule in the last decision (on *message*)."""
        (found,) = [one for one in self.findings(message) if (one.rule, one.id) == (rule, id)]
        return found

    def verdict(self) -> Verdict:
        """Return the last verdict."""
        return self.resolutions[-1].verdict

    def case(self, when: str | int, event: Event) -> tuple[Case, int]:
        """Return the case of a candidate as the rules would see it, and the moment."""
        now = at(when) if isinstance(when, str) else when
        incoming = decode_event("candidate", event[1], now, self.policy)
        assert isinstance(incoming, Incoming)
        person = Person(self.setting(), self.standing, Turn(PERSON, now))
        waiting = self.standing.waits(name64(incoming.candidate.id))
        case = person._case(incoming, waiting, self.standing)
        assert case is not None
        return case, person.now

    def _id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"


def asked(when: str, id: str = "m", **data: Any) -> Event:
    """Write a candidate, a promotional e-mail unless *data* says otherwise."""
    base: dict[str, Any] = {"id": id, "person": PERSON, "campaign": "spring"}
    base |= {"category": "promotional", "created_at": written(when)}
    if "variants" not in data:
        base["channel"] = "email"
    return "candidate", base | data


def arrived(person: Story, when: str | int, event: Event) -> Incoming:
    """Return a candidate as it arrives at *when*."""
    now = at(when) if isinstance(when, str) else when
    incoming = decode_event("candidate", event[1], now, person.policy)
    assert isinstance(incoming, Incoming)
    return incoming


def heard(person: Story, when: str, event: Event) -> Told:
    """Return a fact as it arrives at *when*."""
    told = decode_event(cast("EventKind", event[0]), event[1], at(when), person.policy)
    assert isinstance(told, Told)
    return told


def bare(resolution: Resolution) -> Resolution:
    """Return *resolution* without what tells a repeat from the first time.

    What has become of a release since is no part of its verdict either, and the end of its hours
    is read again from the place where the person is now.
    """
    entry = resolution.entry and msgspec.structs.replace(resolution.entry, settled=SENT)
    verdict = msgspec.structs.replace(
        resolution.verdict, findings=(), score=None, wake_at=None, send_before=None
    )
    incoming = msgspec.structs.replace(resolution.incoming, record_at=0)
    return msgspec.structs.replace(
        resolution,
        incoming=incoming,
        verdict=verdict,
        entry=entry,
        repeat=False,
        was_waiting=False,
        reconstructed=False,
        waiting=None,
    )
