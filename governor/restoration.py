"""Fills the ledger again from the topics, and compares the two, for the one who asks for it."""

from collections.abc import AsyncIterator, Callable, Iterator

import msgspec

from governor.bootstrap import ledger_of, sealer_of, wall
from governor.config.policy_file import load_policy
from governor.config.settings import Settings
from governor.core.policy import Policy
from governor.core.record import forget, is_final
from governor.core.standing import REPEATED, SENT, ControlState, Entry, Standing
from governor.ledger.keys import Pseudonyms
from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import Ledger, LedgerUnavailable
from governor.ledger.redis import RedisLedger
from governor.rebuild import Progress, Rebuild, Source

_PAGE = 500

replace = msgspec.structs.replace

Show = Callable[[Progress], None]


class Difference(msgspec.Struct, frozen=True):
    """A person or household of whom ledger and topics tell different things, never which."""

    key: str
    what: str


class Report(msgspec.Struct):
    """What a comparison found."""

    people: int
    read: Progress
    differences: list[Difference]


async def rebuild_all(settings: Settings, show: Show) -> Progress:
    """Empty the ledger and read all of it from the topics.

    It has no epoch meanwhile, so that no worker uses it. Raises LedgerUnavailable and
    BrokerUnavailable.
    """
    policy = load_policy(settings.policy)
    ledger = ledger_of(settings)
    rebuild = _rebuild(settings, policy, ledger, show)
    try:
        await ledger.check_server()
        await rebuild.check()
        async with ledger.restoring() as confirm:
            await ledger.wipe()
            done = await rebuild.run(Source(now=_now(settings)))
            await ledger.found()
            # After it: it may have been founded empty.
            await confirm()
            if not await ledger.vouch(await ledger.trust(), wall(), {}):
                raise LedgerUnavailable("redis: was restarted or emptied while it was rebuilt")
    finally:
        await ledger.close()
    return done


async def compare(settings: Settings, show: Show) -> Report:
    """Read the topics into a ledger in memory and compare each person with the real one.

    What is forgotten in time is left out of both. While workers run, what they have just decided
    may be on its way. Raises LedgerUnavailable and BrokerUnavailable.
    """
    policy = load_policy(settings.policy)
    told, real = MemoryLedger(), ledger_of(settings)
    try:
        await real.check_server()
        rebuild = _rebuild(settings, policy, told, show)
        read = await rebuild.run(Source(now=_now(settings)), under_way=0.0)
        now = read.latest if settings.clock == "record" else wall()
        differences = [
            Difference("control", what)
            for what in _control_differences((await told.load([]))[0], (await real.load([]))[0])
        ]
        keys = list(dict.fromkeys([*told.keys(), *await _people(real)]))
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            (_, expected), (_, found) = await told.load(page), await real.load(page)
            for key, *both in zip(page, expected, found, strict=True):
                lasting = [forget(policy, standing, now) for standing in both]
                differences += [Difference(key, what) for what in _differences(*lasting)]
        if policy.by_household:
            since = now - policy.retention.history
            differences += [each async for each in _households(told, real, since)]
    finally:
        await real.close()
    return Report(len(keys), read, differences)


async def _people(ledger: RedisLedger) -> list[str]:
    return [key async for page in ledger.people() for key in page]


async def _households(
    told: MemoryLedger, real: RedisLedger, since: int
) -> AsyncIterator[Difference]:
    """Name the households of which other releases are known; a reservation may be one by now."""
    known = [key async for page in real.household_keys() for key in page]
    keys = list(dict.fromkeys([*told.household_keys(), *known]))
    for start in range(0, len(keys), _PAGE):
        page = keys[start : start + _PAGE]
        pairs = zip(await told.households(page), await real.households(page), strict=True)
        for key, (one, other) in zip(page, pairs, strict=True):
            expected = {slot.id: replace(slot, seq=0) for slot in one.slots if slot.at > since}
            found = {
                slot.id: replace(slot, seq=0, hold=None)
                for slot in other.slots
                if slot.at > since and (slot.hold is None or slot.id in expected)
            }
            if expected != found:
                numbers = f"{len(expected)} releases by the topics, {len(found)} in the ledger"
                yield Difference(key, f"household: {numbers}")


def _rebuild(settings: Settings, policy: Policy, ledger: Ledger, show: Show) -> Rebuild:
    names = Pseudonyms(settings.pseudonym_key)
    return Rebuild(settings, policy, ledger, names, sealer_of(settings), show)


def _now(settings: Settings) -> int | None:
    return None if settings.clock == "record" else wall()


def _control_differences(told: ControlState, real: ControlState) -> Iterator[str]:
    if told.pauses != real.pauses:
        yield "pauses"
    if told.stops != real.stops:
        yield "stops"


def _differences(told: Standing, real: Standing) -> Iterator[str]:
    """Name what differs of what rules ask for and repeats rest on."""
    if _log(told) != _log(real):
        yield f"send log: {len(told.log)} releases by the topics, {len(real.log)} in the ledger"
    if {(one.message, one.code) for one in told.judged} != {
        (one.message, one.code) for one in real.judged
    }:
        yield f"suppressions: {len(told.judged)} by the topics, {len(real.judged)} in the ledger"
    if _waits(told) != _waits(real):
        yield f"waiting: {len(_waits(told))} by the topics, {len(_waits(real))} in the ledger"
    if set(told.consents) != set(real.consents):
        yield "consents"
    if told.profile != real.profile:
        yield "profile"
    if _handed(told) != _handed(real):
        yield "hand-over to a human"
    yield from _lost(told, real)


def _lost(told: Standing, real: Standing) -> Iterator[str]:
    """Name what the ledger lacks of things of which it may hold more than the topics tell."""
    if not set(told.cancelled) <= set(real.cancelled):
        yield "cancellations"
    if not {one for one in told.answers if told.waits(one.message)} <= set(real.answers):
        yield "answers of reviewers"


def _handed(standing: Standing) -> tuple[str, int] | None:
    """Return what a human was told of; what is in shadow is told to nobody."""
    handed = standing.handed
    return None if handed is None or handed.shadow else (handed.why, handed.since)


def _log(standing: Standing) -> set[Entry]:
    """Return the send log; that a release was repeated is known to whoever met it again alone."""
    return {replace(one, settled=SENT) if one.settled == REPEATED else one for one in standing.log}


def _waits(standing: Standing) -> set[tuple[int, int]]:
    """Return what waits; a final verdict may leave its message behind until it is let go."""
    return {
        (one.message, one.attempt)
        for one in standing.waiting
        if not is_final(standing, one.message)
    }
