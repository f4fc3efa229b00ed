"""Hands a person over to a human, once for each time that one is needed."""

from collections.abc import Iterator, Sequence

import msgspec

from governor.core import model
from governor.core.human_touch import MESSAGES, RULE, Hold, contacted_at, hold_of
from governor.core.resolution import Handover, Resolution
from governor.core.setting import Setting, Turn
from governor.core.standing import HandedOver, Standing, name64
from governor.core.verdict import RELEASE

replace = msgspec.structs.replace


class _Source(msgspec.Struct, frozen=True):
    mark: int
    person: str
    message: str | None = None
    campaign: str | None = None


def hand_over(
    setting: Setting,
    standing: Standing,
    turn: Turn,
    resolutions: Sequence[Resolution],
    now: int,
) -> tuple[Standing, Handover | None]:
    """Return the standing after a turn, and what a human is to be told now.

    It is told in the wake of what set it off, or of the first message that is held; that is let go
    only once this is published, and a repeat of it repeats this, under the same id.
    """
    if setting.policy.human_touch is None:
        return standing, None
    hold, known = hold_of(setting.policy, standing, now), standing.handed
    told = known is not None and known.since >= contacted_at(standing)
    if known is not None and told and not (known.shadow and hold and hold.enforced):
        return standing, _again(setting, known, turn, resolutions)
    if hold is None:
        return standing, None
    source = next(_sources(hold, turn, resolutions), None)
    if source is None:
        return standing, None
    channel = standing.log[-1].channel if standing.log else None
    handed = HandedOver(hold.why, hold.since, channel, source.mark, not hold.enforced)
    after = replace(standing, version=standing.version + 1, handed=handed)
    return after, _told(setting, handed, source)


def _again(
    setting: Setting, known: HandedOver, turn: Turn, resolutions: Sequence[Resolution]
) -> Handover | None:
    """Tell again what was told in the wake of something that has come again."""
    repeated = [one for one in resolutions if one.repeat]
    for source in (*_feedback(turn), *map(_release, repeated), *map(_held, repeated)):
        if source.mark == known.source:
            return replace(_told(setting, known, source), repeat=True)
    return None


def _sources(hold: Hold, turn: Turn, resolutions: Sequence[Resolution]) -> Iterator[_Source]:
    """Yield what set the hold off, if it is of this turn, then what met it first."""
    if hold.why != MESSAGES:
        yield from _feedback(turn, hold)
    fresh = [one for one in resolutions if not one.repeat]
    yield from (_release(one) for one in fresh if one.entry and one.entry.message == hold.message)
    yield from (_held(one) for one in fresh if _meets(one, hold))


def _feedback(turn: Turn, hold: Hold | None = None) -> Iterator[_Source]:
    for told in turn.told:
        fact = told.fact
        if not isinstance(fact, model.Feedback):
            continue
        if hold is None or (fact.kind, fact.at) == (hold.why, hold.since):
            yield _Source(name64(f"feedback {fact.id}"), fact.person, fact.message)


def _release(resolution: Resolution) -> _Source:
    candidate = resolution.incoming.candidate
    mark = name64(f"release {candidate.id}")
    return _Source(mark, candidate.person, candidate.id, candidate.campaign)


def _held(resolution: Resolution) -> _Source:
    candidate = resolution.incoming.candidate
    return _Source(name64(f"held {candidate.id}"), candidate.person)


def _meets(resolution: Resolution, hold: Hold) -> bool:
    return any(
        found.rule == RULE and found.outcome is not RELEASE and found.enforced is hold.enforced
        for found in resolution.verdict.findings
    )


def _told(setting: Setting, handed: HandedOver, source: _Source) -> Handover:
    name = setting.decision_id(source.person, f"handover {handed.why}", handed.since)
    return Handover(
        "h-" + name.removeprefix("d-"),
        source.person,
        handed.why,
        handed.since,
        source.message,
        source.campaign,
        handed.channel,
        handed.shadow,
    )
