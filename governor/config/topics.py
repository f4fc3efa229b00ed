"""Every topic that governor reads or writes, and how each is to be kept."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from governor.core.incoming import FactKind

CANDIDATES = "outreach.candidates"
URGENT = "outreach.candidates.urgent"
CANCELLATIONS = "outreach.cancellations"
RELEASED = "outreach.released"
DECISIONS = "outreach.decisions"
HANDOVERS = "outreach.handovers"
FEEDBACK = "outreach.feedback"
CONSENTS = "people.consents"
PROFILES = "people.profiles"
REVIEWS = "governor.reviews"
CONTROL = "governor.control"
WAITING = "governor.waiting"
DEAD_LETTERS = "outreach.dead-letters"

# Inputs take more than is judged, so that what is too large reaches the dead letters; what governor
# adds to a record may not make it too large for the topic it goes to next.
INPUT_BYTES, ROOMY_BYTES = 6 << 20, 8 << 20


class Topic(msgspec.Struct, frozen=True):
    """One topic, without the prefix.

    `kept` is for how long: for ever, as long as the policy's `retention.history`, as long as the
    broker keeps things, or the last record of each key. A stop has no end, so a rebuild has to find
    it however old it is; of a person everything is kept equally long, so that no consent outlives
    the feedback that withdrew it. A `single` topic has one partition, all others have the same
    number, so that a person has the same one everywhere. `roomy` topics take records larger than
    those that come in, and those take more than the broker does by default.
    """

    name: str
    key: Literal["person", "person or pseudonym", "pseudonym", "control", "waiting", "as it came"]
    kept: Literal["ever", "history", "broker", "last"] = "broker"
    single: bool = False
    roomy: bool = False


TOPICS: tuple[Topic, ...] = (
    Topic(CANDIDATES, "person"),
    Topic(URGENT, "person"),
    Topic(CANCELLATIONS, "person"),
    Topic(RELEASED, "person", roomy=True),
    Topic(DECISIONS, "pseudonym", kept="history"),
    Topic(HANDOVERS, "person", kept="history"),
    Topic(FEEDBACK, "person", kept="history"),
    Topic(CONSENTS, "person", kept="history"),
    Topic(PROFILES, "person", kept="history"),
    Topic(REVIEWS, "person or pseudonym"),
    Topic(CONTROL, "control", kept="ever", single=True),
    Topic(WAITING, "waiting", kept="last", roomy=True),
    Topic(DEAD_LETTERS, "as it came", kept="history", roomy=True),
)


FACTS: "Mapping[str, FactKind]" = {
    CANCELLATIONS: "cancellation",
    CONSENTS: "consent",
    PROFILES: "profile",
    FEEDBACK: "feedback",
    REVIEWS: "review",
}
"""What the records of a topic are that tells of one person."""

OF_KIND: Mapping[str, str] = {
    "candidate": CANDIDATES,
    "control": CONTROL,
    **{kind: topic for topic, kind in FACTS.items()},
}
"""The topic of each kind of event, of candidates that of those in no hurry."""

INPUTS = frozenset((URGENT, *OF_KIND.values()))
"""What governor reads of what others write; what it writes itself it believes."""


def named(prefix: str) -> Iterator[tuple[str, Topic]]:
    """Yield every topic after its name on the broker."""
    for topic in TOPICS:
        yield prefix + topic.name, topic
