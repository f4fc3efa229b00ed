"""Random policies and random lives under them, for what must hold whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from hypothesis import strategies as st

from governor.core.instant import HOUR, MINUTE, format_instant
from governor.core.resolution import Resolution
from tests.core.story import PERSON, Event, Story, at

START = at("2026-05-04T12:00")
CHANNELS = ["email", "push", "sms"]
TOPICS = [None, "shoes"]
CAMPAIGNS = ["spring", "autumn"]
MESSAGES = [f"m{number}" for number in range(20)]
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata"]
STEPS = [0, 0, 1, MINUTE, HOUR - 1, HOUR, 3 * HOUR, 6 * HOUR - 1, 6 * HOUR, 8 * HOUR]
STEPS += [24 * HOUR - 1, 24 * HOUR]
WINDOWS = ["1h", "6h", "24h", "3d", "calendar day", "calendar hour", "calendar week"]


class Step(NamedTuple):
    """Something that happens `later` (ms) than what happened before."""

    later: int
    kind: str
    data: dict[str, Any]


def _maybe(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), one)


def _given(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(fields).map(
        lambda data: {name: value for name, value in data.items() if value is not None}
    )


def _with_room(cap: dict[str, Any]) -> dict[str, Any]:
    """Leave out a reserve that would leave nothing to others."""
    if cap.get("reserve", {"slots": 0})["slots"] < cap["limit"]:
        return cap
    return {name: value for name, value in cap.items() if name != "reserve"}


MATCHES = st.one_of(
    st.just({}),
    st.sampled_from([{"channel": "email"}, {"channel": "push"}, {"category": "promotional"}]),
    _given(
        channel=_maybe(st.sampled_from(CHANNELS)),
        category=_maybe(st.sampled_from(["promotional", "promotional", "news"])),
        topic=_maybe(st.just("shoes")),
    ),
)
_PER = st.sampled_from([["person"], ["person", "topic"], ["person", "channel"]])
LIMITS = _given(
    match=MATCHES,
    per=_PER,
    limit=st.sampled_from([0, 1, 1, 1, 2, 3]),
    reserve=_maybe(
        st.builds(
            dict, priority_at_least=st.sampled_from([20, 50, 60]), slots=st.sampled_from([1, 2])
        )
    ),
    window=st.sampled_from(WINDOWS),
    at_cap=st.sampled_from(["defer", "suppress"]),
).map(_with_room)
GAPS = _given(match=MATCHES, per=_PER, min_gap=st.sampled_from(["1h", "6h"]))
SILENCES = _given(
    match=MATCHES,
    silence_after=st.sampled_from(["dismissed", "withdraw", "pause"]),
    window=st.sampled_from(["6h", "24h"]),
)
CAPS = st.one_of(LIMITS, LIMITS, GAPS, SILENCES)
HOURS = _given(
    match=MATCHES,
    allow=st.sampled_from(
        [
            {"mon-sun": "08:00-21:00"},
            {"mon-sat": "08:00-21:00", "sun": "none", "holiday": "none"},
            {"mon-sun": ["00:00-02:00", "10:00-16:00", "22:00-24:00"]},
        ]
    ),
    outside=st.sampled_from(["defer", "suppress"]),
    jitter=st.sampled_from(["0s", "30m"]),
)
REVIEWS = _given(
    when=MATCHES,
    sample=_maybe(st.just(0.5)),
    reviewers=st.sampled_from([1, 1, 2]),
)


def _numbered(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"id": f"e{number}", **entry} for number, entry in enumerate(entries)]


def _categories(basis: list[str], quota: dict[str, Any] | None) -> dict[str, Any]:
    code: dict[str, Any] = {"purpose": "contract", "basis": ["contract"], "counts": False}
    code |= {"skips": ["caps", "quiet_hours"]} | ({"quota": quota} if quota else {})
    return {
        "promotional": {"purpose": "marketing", "basis": basis},
        "news": {"purpose": "news", "basis": ["legitimate_interest"]},
        "code": code,
    }


_QUOTAS = _maybe(_given(limit=st.integers(0, 2), window=st.sampled_from(["1h", "24h"])))
ARBITRATION = _given(
    window=st.sampled_from(["0s", "1m", "1h", "6h"]),
    rank=_maybe(st.sampled_from([["value"], ["created_at", "priority"]])),
    losers=_maybe(st.just("suppress")),
)
_TOUCHES = _given(
    messages=_maybe(st.integers(1, 3)),
    signals=st.sampled_from([["dismissed"], ["complained", "replied"]]),
    hold=st.sampled_from(["promotional", ["promotional", "code"]]),
    then=st.sampled_from(["defer", "review", "suppress"]),
)
SECTIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "categories": st.builds(
            _categories, st.sampled_from([["consent"], ["consent", "soft_opt_in"]]), _QUOTAS
        ),
        "caps": st.lists(CAPS, max_size=3).map(_numbered),
        "quiet_hours": st.lists(HOURS, max_size=2).map(_numbered),
        "review": _given(
            rules=st.lists(REVIEWS, max_size=2).map(_numbered),
            deadline=st.sampled_from(["1h", "24h"]),
            on_deadline=st.sampled_from(["suppress", "release"]),
        ),
    },
    optional={"human_touch": _TOUCHES, "arbitration": ARBITRATION},
)

_VARIANTS = st.lists(st.sampled_from(CHANNELS), min_size=1, max_size=2).map(
    lambda channels: [{"id": f"v{n}", "channel": name} for n, name in enumerate(channels)]
)
_CANDIDATES = _given(
    id=st.sampled_from(MESSAGES),
    category=st.sampled_from(["promotional", "promotional", "promotional", "news", "code"]),
    campaign=st.sampled_from(CAMPAIGNS),
    topic=st.sampled_from(TOPICS),
    priority=st.sampled_from([10, 50, 90]),
    variants=_VARIANTS,
    expires_in=st.sampled_from([None, None, None, HOUR, 8 * HOUR, 48 * HOUR]),
    begins_in=st.sampled_from([None, None, None, None, MINUTE, 6 * HOUR]),
)
_CONSENTS = _given(
    action=st.sampled_from(
        ["grant"] * 5 + "refuse withdraw object unobject pause pause resume".split()
    ),
    purpose=st.sampled_from(["marketing", "marketing", "news"]),
    channel=_maybe(st.sampled_from(CHANNELS)),
    topic=_maybe(st.just("shoes")),
    ago=st.sampled_from([0, 0, MINUTE, -MINUTE, HOUR]),
    ends_in=_maybe(st.sampled_from([HOUR, 24 * HOUR])),
    basis=st.sampled_from(["consent", "consent", "soft_opt_in"]),
)
_KINDS = "delivered bounced failed dismissed unsubscribed complained clicked replied".split()
_KINDS += ["human_contacted"]
_FEEDBACK = _given(message=st.sampled_from([*MESSAGES, "x"]), kind=st.sampled_from(_KINDS))
_PROFILES = _given(
    time_zone=_maybe(st.sampled_from(ZONES)),
    comfort=_maybe(st.fixed_dictionaries({"max_per_week": st.integers(0, 3)})),
)
_CANCELLATIONS = st.one_of(
    _given(message=st.sampled_from(MESSAGES)), _given(campaign=st.sampled_from(CAMPAIGNS))
)
_CONTROLS = _given(
    action=st.sampled_from(["pause", "resume", "stop", "start"]),
    scope=st.sampled_from([{}, {"campaign": "spring"}, {"channel": "push"}]),
)
_ANSWERS = _given(
    message=st.sampled_from(MESSAGES),
    reviewer=st.sampled_from(["ann", "bob"]),
    answer=st.sampled_from(["approve", "approve", "refuse"]),
)
_DATA = {
    "candidate": _CANDIDATES,
    "consent": _CONSENTS,
    "feedback": _FEEDBACK,
    "profile": _PROFILES,
    "cancellation": _CANCELLATIONS,
    "control": _CONTROLS,
    "review": _ANSWERS,
}
_WEIGHTS = ["candidate"] * 7 + ["consent"] * 3 + ["feedback"] * 2 + sorted(_DATA)[:2]
_ALL = [*_WEIGHTS, "profile", "cancellation", "control", "review"]


def steps(
    kinds: list[str] | None = None, *, least: int = 8, most: int = 30
) -> st.SearchStrategy[list[Step]]:
    """Give the steps of a life in which things of *kinds* happen."""
    one = st.sampled_from(kinds or _ALL).flatmap(
        lambda kind: st.builds(Step, st.sampled_from(STEPS), st.just(kind), _DATA[kind])
    )
    return st.lists(one, min_size=least, max_size=most)


def event(step: Step, number: int, now: int) -> Event:
    """Write a step as the event of a record that arrives at *now*."""
    data = dict(step.data)
    if step.kind == "candidate":
        return "candidate", _candidate(data, now)
    data["at"] = format_instant(now - data.pop("ago", 0))
    if step.kind == "consent":
        _complete_consent(data, now)
    if step.kind == "control":
        return "control", data | {"id": f"k{number}", "by": "ops"}
    return step.kind, data | {"id": f"e{number}", "person": PERSON, "reason": "because"}


def _candidate(data: dict[str, Any], now: int) -> dict[str, Any]:
    for given, field in (("expires_in", "expires_at"), ("begins_in", "not_before")):
        if given in data:
            data[field] = format_instant(now + data.pop(given))
    return data | {"person": PERSON, "created_at": format_instant(START)}


def _complete_consent(data: dict[str, Any], now: int) -> None:
    ends_in = data.pop("ends_in", None)
    if data["action"] != "grant":
        del data["basis"]
    if ends_in is not None:
        data["until" if data["action"] == "pause" else "expires_at"] = format_instant(now + ends_in)


class Life:
    """A life as it was played: its story, and every event with the moment of its arrival."""

    def __init__(self, sections: dict[str, Any], *, consenting: bool = True) -> None:
        self.story = Story(**sections)
        self.now = START
        self.events: list[tuple[int, Event]] = []
        if consenting:
            grant = {"action": "grant", "purpose": "marketing", "basis": "consent"}
            self.live(Step(0, "consent", grant))

    def live(self, step: Step) -> list[Resolution]:
        """Let a step happen and return what was decided, the time until then included."""
        self.now += step.later
        happening = event(step, len(self.events), self.now)
        self.events.append((self.now, happening))
        before = len(self.story.resolutions)
        self.story.happens(self.now, happening)
        return self.story.resolutions[before:]

    def end(self, later: int) -> list[Resolution]:
        """Let time pass and return what was decided."""
        before = len(self.story.resolutions)
        self.now += later
        self.story.run(self.now)
        return self.story.resolutions[before:]

    def candidates(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield every candidate with the moment of its arrival."""
        for now, (kind, data) in self.events:
            if kind == "candidate":
                yield now, data
