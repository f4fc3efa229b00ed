"""Fills the ledger again from the topics, and compares the two, for the one who asks for it."""

from collections.abc import Callable, Iterator

import msgspec

from governor.bootstrap import ledger_of, sealer_of, wall
from governor.config.policy_file import load_policy
from governor.config.settings import Settings
from governor.core.standing import Standing
from governor.ledger.keys import Pseudonyms
from governor.ledger.memory import MemoryLedger
from governor.ledger.protocol import Ledger
from governor.rebuild import Progress, Rebuild, Source

_PAGE = 500

Show = Callable[[Progress], None]


class Difference(msgspec.Struct, frozen=True):
    """A person of whom ledger and topics tell different things; never what they tell."""

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
    ledger = ledger_of(settings)
    try:
        await ledger.check_server()
        await ledger.wipe()
        done = await _rebuild(settings, ledger, show)
        await ledger.found()
        await ledger.vouch(await ledger.trust(), wall(), {})
    finally:
        await ledger.close()
    return done


async def compare(settings: Settings, show: Show) -> Report:
    """Read the topics into a ledger in memory and compare each person with the real one."""
    told, real = MemoryLedger(), ledger_of(settings)
    try:
        read = await _rebuild(settings, told, show)
        differences: list[Difference] = []
        keys = told.keys()
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            control, expected = await told.load(page)
            in_force, found = await real.load(page)
            for key, one, other in zip(page, expected, found, strict=True):
                differences += [Difference(key, what) for what in _differences(one, other)]
            if not start and (control.pauses, control.stops) != (in_force.pauses, in_force.stops):
                differences.append(Difference("control", "pauses or stops"))
    finally:
        await real.close()
    return Report(len(keys), read, differences)


async def _rebuild(settings: Settings, ledger: Ledger, show: Show) -> Progress:
    names = Pseudonyms(settings.pseudonym_key)
    policy = load_policy(settings.policy)
    return await Rebuild(settings, policy, ledger, names, sealer_of(settings), show).run(Source())


def _differences(told: Standing, real: Standing) -> Iterator[str]:
    """Name what differs, leaving out what the ledger may have forgotten in time."""
    oldest = min((entry.at for entry in real.log), default=None)
    log = {one for one in told.log if oldest is not None and one.at >= oldest}
    if log != set(real.log):
        yield f"send log: the topics tell of {len(log)} releases, the ledger of {len(real.log)}"
    if {(one.message, one.attempt) for one in told.waiting} != {
        (one.message, one.attempt) for one in real.waiting
    }:
        yield f"waiting: {len(told.waiting)} by the topics, {len(real.waiting)} in the ledger"
    if set(told.consents) != set(real.consents):
        yield "consents"
    if told.profile != real.profile:
        yield "profile"
