"""All that is known about one person, as one frozen value with one version."""

import hashlib
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from governor.core.verdict import Outcome


@lru_cache(maxsize=65536)
def name64(name: str) -> int:
    """Hash *name* to 64 bits, so that a send log holds no free text."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


class Consent(msgspec.Struct, frozen=True, gc=False):
    """The latest consent event of one action for one purpose, channel, topic and basis.

    `channel` and `topic` None mean all. `expires_at` ends a grant, `until` a pause. `proven`
    tells that the evidence names a notice version and a method.
    """

    action: str
    purpose: str
    channel: str | None
    topic: str | None
    basis: str | None
    at: int
    expires_at: int | None = None
    until: int | None = None
    proven: bool = False


class Heard(msgspec.Struct, frozen=True, gc=False):
    """The latest feedback of one kind; `channel` None means that it speaks for all."""

    kind: str
    channel: str | None
    at: int


class Comfort(msgspec.Struct, frozen=True, gc=False):
    """How much the person said they are comfortable with."""

    level: str | None = None
    max_per_week: int | None = None


class LearnedComfort(msgspec.Struct, frozen=True, gc=False):
    """What the person's feedback multiplies their ceiling by as of *at*; it fades towards 1.

    `taught` are the latest lessons, each as its time and a hash, so that none teaches twice.
    """

    factor: float
    at: int
    taught: tuple[tuple[int, int], ...] = ()


class Profile(msgspec.Struct, frozen=True):
    """What the CRM knows of the person; `born` is an ISO date."""

    at: int
    time_zone: str | None = None
    country: str | None = None
    region: str | None = None
    locale: str | None = None
    born: str | None = None
    minor: bool = False
    vulnerabilities: tuple[str, ...] = ()
    groups: dict[str, str] = {}
    household: str | None = None
    comfort: Comfort = Comfort()


SENT, REFUNDED, RECOUNTED, REPEATED = 0, 1, 2, 3


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One release in the send log, its attributes frozen as they were then.

    `campaign`, `topic` and `message` are 64-bit hashes, `digest` one of the whole candidate,
    `content` a keyed 32-bit one of what was said to this person, 0 when that is not kept (longer).
    `variant` is an index. `settled`: SENT, REPEATED (sent, and published again by whoever met it
    again), REFUNDED (does not count), RECOUNTED (counts again).
    """

    message: int
    at: int
    category: str
    campaign: int
    channel: str
    topic: int | None = None
    household: str | None = None
    counts: bool = True
    exposure: float = 0.0
    techniques: tuple[str, ...] = ()
    offer_ends_at: int | None = None
    settled: int = SENT
    variant: int = 0
    attempt: int = 1
    seq: int = 0
    digest: int = 0
    content: int = 0


def counted(log: Iterable[Entry]) -> list[Entry]:
    """Return the releases that hold a slot, in order of time: not those that were given back."""
    return [entry for entry in log if entry.counts and entry.settled != REFUNDED]


class Judged(msgspec.Struct, frozen=True, gc=False):
    """A message that was suppressed, remembered so that its verdict stays."""

    message: int
    at: int
    code: str
    variant: int
    attempt: int
    seq: int
    digest: int


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A reviewer's first answer on one message; `variant` None means all of them."""

    message: int
    reviewer: int
    approve: bool
    variant: str | None
    at: int


class Cancelled(msgspec.Struct, frozen=True, gc=False):
    """A message that the engine took back, whether or not it has arrived.

    Or what else must have no effect when it is told once more: the name of a cancellation of a
    campaign, or of feedback on a message that waited, stands for `message` then.
    """

    message: int
    at: int


class HandedOver(msgspec.Struct, frozen=True):
    """That the person was handed over to a human, so that it is told once.

    `why` and `since` (ms) are those of the hold, `channel` is the last one used, `source` the hash
    of the event or message in whose wake it was told. `shadow`: it was counted and not told.
    """

    why: str
    since: int
    channel: str | None
    source: int = 0
    shadow: bool = False


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """A message that is deferred or in review, with what its next judgement needs.

    `received_at` is when governor first judged it, `review_since` its first decision with
    outcome review, `planned_at` its own next moment: when it becomes eligible, its deadline or
    its end. `wake_at` is when somebody has to look, which is earlier when it was woken while the
    gate was held. `body` is opaque here: the ledger's owner seals and opens it.

    `unsent`: the broker has not acknowledged the last decision, so `wake_at` is near and whoever
    looks then publishes it again; a final verdict leaves the entry behind for that long only.
    With attempt 0 nothing is decided yet (see `governor.core.arbitrate`).
    """

    message: int
    digest: int
    campaign: int
    received_at: int
    decided_at: int
    outcome: Outcome
    code: str
    variant: int
    eligible_at: int | None
    wake_at: int
    planned_at: int
    attempt: int
    seq: int
    review_since: int | None = None
    cancelled: bool = False
    unsent: bool = False
    body: bytes = b""

    def early(self, now: int) -> bool:
        """Tell whether *now* is before any moment of its own, none of which jitter delays."""
        return now < self.planned_at and (self.eligible_at is None or now < self.eligible_at)


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What is known about one person. `version` rises with every change; 0 is a stranger."""

    version: int = 0
    consents: tuple[Consent, ...] = ()
    heard: tuple[Heard, ...] = ()
    profile: Profile | None = None
    log: tuple[Entry, ...] = ()
    judged: tuple[Judged, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    cancelled: tuple[Cancelled, ...] = ()
    answers: tuple[Answer, ...] = ()
    learned: LearnedComfort | None = None
    handed: HandedOver | None = None

    def released(self, message: int) -> Entry | None:
        """Return the send log's entry of *message*."""
        for entry in self.log:
            if entry.message == message:
                return entry
        return None

    def suppressed(self, message: int) -> Judged | None:
        """Return the remembered suppression of *message*."""
        for judged in self.judged:
            if judged.message == message:
                return judged
        return None

    def known(self, message: int) -> Entry | Judged | Waiting | None:
        """Return what is known of *message*, its final verdict before anything else."""
        return self.released(message) or self.suppressed(message) or self.waits(message)

    def waits(self, message: int) -> Waiting | None:
        """Return *message* as it waits."""
        for waiting in self.waiting:
            if waiting.message == message:
                return waiting
        return None


STRANGER = Standing()


class Scope(msgspec.Struct, frozen=True):
    """What a control covers; None means every one, and all None is everything."""

    campaign: str | None = None
    channel: str | None = None
    category: str | None = None

    def covers(self, campaign: str, channel: str, category: str) -> bool:
        """Tell whether a message of *campaign* and *category* on *channel* falls under this."""
        return (
            self.campaign in (None, campaign)
            and self.channel in (None, channel)
            and self.category in (None, category)
        )


class ControlState(msgspec.Struct, frozen=True):
    """The pauses and stops in force for everybody; `version` rises with every change.

    `applied` are the last controls that were written down, as hashes, so that a record that is
    read again after a crash does not undo what came after it.
    """

    version: int = 0
    pauses: frozenset[Scope] = frozenset()
    stops: frozenset[Scope] = frozenset()
    applied: tuple[int, ...] = ()
