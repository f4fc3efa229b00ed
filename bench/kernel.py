"""The heart of a decision written for a compiler: what `bench.floor` compiles and times.

No part of governor: consent, six caps, the score and a dozen findings on native classes, so that it
is known what a compiled core would be worth.
"""

import math

from mypy_extensions import i64

_WEEK: i64 = 604_800_000


class Send:
    """A release that holds a slot."""

    def __init__(self, at: i64, campaign: int, topic: int, exposure: float) -> None:
        self.at = at
        self.campaign = campaign
        self.topic = topic
        self.exposure = exposure


class Cap:
    """A rolling cap, for each topic or campaign where it says so."""

    def __init__(self, id: str, limit: i64, window: i64, text: str, per: str) -> None:
        self.id = id
        self.limit = limit
        self.window = window
        self.text = text
        self.per_topic = per == "topic"
        self.per_campaign = per == "campaign"


class Said:
    """A consent event."""

    def __init__(self, action: str, purpose: str, channel: str | None, at: i64) -> None:
        self.action = action
        self.purpose = purpose
        self.channel = channel
        self.at = at


class Found:
    """What a rule says."""

    def __init__(
        self, rule: str, id: str, outcome: i64, code: str | None, limit: float, observed: float
    ) -> None:
        self.rule = rule
        self.id = id
        self.outcome = outcome
        self.code = code
        self.limit = limit
        self.observed = observed


class Message:
    """What is asked about."""

    def __init__(self, campaign: int, topic: int, channel: str, purpose: str, ends: i64) -> None:
        self.campaign = campaign
        self.topic = topic
        self.channel = channel
        self.purpose = purpose
        self.ends = ends


def judge(
    message: Message, log: list[Send], said: list[Said], caps: list[Cap], now: i64
) -> tuple[i64, list[Found]]:
    """Return the strictest outcome and what every rule says."""
    found = [Found("control", name, 0, None, 0.0, 0.0) for name in ("stop", "pause")]
    found.append(Found("validity", "cancelled", 0, None, 0.0, 0.0))
    found.append(_rule("validity", "expires_at", now >= message.ends, "expired", 0.0, 0.0))
    found.append(_rule("consent", "basis", not _agreed(message, said), "no_consent", 0.0, 0.0))
    for cap in caps:
        count = _count(message, log, cap, now)
        full, limit = count >= cap.limit, float(cap.limit)
        found.append(_rule("caps", cap.id, full, "cap_reached", limit, float(count)))
    after = _after(message, log, now)
    found.append(_rule("intrusiveness", "ceiling", after > 100.0, "too_intrusive", 100.0, after))
    found.append(Found("quiet_hours", "always-open", 0, None, 0.0, 0.0))
    outcome: i64 = 0
    for one in found:
        outcome = max(outcome, one.outcome)
    return outcome, found


def _rule(rule: str, id: str, refused: bool, code: str, limit: float, observed: float) -> Found:  # noqa: FBT001
    return Found(rule, id, 3 if refused else 0, code if refused else None, limit, observed)


def _agreed(message: Message, said: list[Said]) -> bool:
    granted: i64 = -1
    ended: i64 = -1
    for one in said:
        if one.purpose != message.purpose or one.channel not in (None, message.channel):
            continue
        if one.action == "grant":
            granted = max(granted, one.at)
        else:
            ended = max(ended, one.at)
    return granted > ended


def _count(message: Message, log: list[Send], cap: Cap, now: i64) -> i64:
    count: i64 = 0
    since = now - cap.window
    for send in log:
        same_topic = not cap.per_topic or send.topic == message.topic
        same_campaign = not cap.per_campaign or send.campaign == message.campaign
        if send.at > since and same_topic and same_campaign:
            count += 1
    return count


def _after(message: Message, log: list[Send], now: i64) -> float:
    pressure, repeats = 0.0, 0
    for send in log:
        pressure += send.exposure * math.pow(2.0, float(send.at - now) / 259_200_000.0)
        if send.topic == message.topic and send.at > now - _WEEK:
            repeats += 1
    return pressure + 4.2 * min(1.0 + 0.25 * repeats, 2.0)
