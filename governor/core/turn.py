"""Take one person's turn: apply what is told, judge what waits, then judge what is new."""

from collections.abc import Iterable, Iterator

import msgspec

from governor.core.person import Person
from governor.core.record import is_final
from governor.core.resolution import Resolution
from governor.core.setting import Setting, Taken, Turn
from governor.core.standing import SENT, Standing, name64
from governor.core.verdict import RELEASE

__all__ = ["Setting", "Taken", "Turn", "overtaken", "reconsider", "sent", "take_turn"]

replace = msgspec.structs.replace


def take_turn(setting: Setting, standing: Standing, turn: Turn) -> Taken:
    """Return the next standing and everything to publish; pure, so it can be taken again.

    INVARIANT (one-verdict): a message whose id is known keeps its verdict; it is only published
    again.
    """
    person = Person(setting, standing, turn)
    if turn.catch_up:
        person.catch_up()
    wake_all = person.apply_told()
    if person.standing.waiting:
        person.judge_waiting(everything=wake_all)
    for incoming in turn.fresh:
        person.judge_fresh(incoming)
    return person.taken()


def sent(standing: Standing, published: Iterable[Resolution]) -> Standing:
    """Return the standing with the sources of *published*, acknowledged by the broker, let go."""
    attempts = {(name64(one.incoming.candidate.id), one.attempt) for one in published}
    waiting = []
    for one in standing.waiting:
        if not one.unsent or (one.message, one.attempt) not in attempts:
            waiting.append(one)
        elif not is_final(standing, one.message):
            waiting.append(replace(one, wake_at=one.planned_at, unsent=False))
    if len(waiting) == len(standing.waiting) and tuple(waiting) == standing.waiting:
        return standing
    return replace(standing, version=standing.version + 1, waiting=tuple(waiting))


def overtaken(standing: Standing, published: Iterable[Resolution]) -> Iterator[Resolution]:
    """Yield those that say that a message waits which was judged since, with what waits by now."""
    for one in published:
        if one.waiting is not None:
            message = name64(one.incoming.candidate.id)
            waits = None if is_final(standing, message) else standing.waits(message)
            if waits is None or waits.attempt != one.waiting.attempt:
                yield replace(one, waiting=waits)


def reconsider(
    setting: Setting, standing: Standing, release: Resolution, now: int
) -> tuple[Standing, Resolution]:
    """Judge a release again that was committed but never published.

    Where it still may go nothing changes. Else its slot is given back and the message gets the
    verdict that holds now, under the same attempt, because none was published. What somebody has
    repeated meanwhile, or told of, is out of our hands and stays as it is.

    INVARIANT (one-verdict): taken again, because the answer to a commit was lost, it comes to what
    was written down then.
    """
    message = name64(release.incoming.candidate.id)
    entry = standing.released(message)
    if release.entry is not None and entry is None and standing.suppressed(message) is not None:
        person = Person(setting, standing, Turn(release.key, now))
        person.judge_fresh(release.incoming)
        # Whoever suppressed it gave its slot back: what is told of it is that, for the first time.
        return person.standing, replace(person.resolutions[-1], repeat=False)
    if release.entry is not None and entry is None:
        # The ledger has lost it: it takes its slot again, or gets the verdict that holds now.
        person = Person(setting, standing, Turn(release.key, now))
        again = person.judge_anew(release.incoming, standing.waits(message), release.attempt)
        return person.standing, again
    if entry is None or release.entry is None or entry.seq != release.seq:
        return standing, release
    if entry.settled != SENT:
        return standing, release
    before = replace(standing, log=tuple(one for one in standing.log if one is not entry))
    person = Person(setting, before, Turn(release.key, now))
    again = person.judge_anew(release.incoming, standing.waits(message), release.attempt)
    same = (again.verdict.outcome, again.verdict.variant) == (
        RELEASE,
        release.verdict.variant,
    )
    if same:
        person.sharing.undo()
        return standing, release
    return person.standing, again
