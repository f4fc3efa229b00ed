"""What a simulation did, kept per message: how each ended, what held it back, what came of it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from governor.codec.decode import Rejected, decode_event
from governor.codec.encode import WrittenFinding
from governor.core import model
from governor.core.incoming import Told
from governor.core.instant import parse_instant
from governor.core.policy import Policy
from governor.core.verdict import OUTCOMES
from governor.ledger.keys import Pseudonyms
from governor.simulate import Event

Key = tuple[str, str]
"""Person, as in the decisions, and message."""

Entry = tuple[str, str, str]
"""What a finding is of: rule, id of the policy's entry, code."""

_DIFFERENT = 2


class _Score(msgspec.Struct, gc=False):
    after: float


class _Decision(msgspec.Struct, gc=False):
    person: str
    message: str
    category: str
    outcome: str
    variant: str
    channel: str
    code: str | None
    decided_at: str
    eligible_at: str | None
    findings: Sequence[WrittenFinding]
    intrusiveness: _Score | None


class Fate(msgspec.Struct):
    """What became of one message: its last decision, and which entries made it wait before.

    `arrived` and `at` (ms) are when it came and when that was decided; `by` is the entry that
    decided, None for a release.
    """

    category: str
    arrived: int
    channel: str = ""
    outcome: str = ""
    at: int = 0
    variant: str = ""
    eligible_at: str | None = None
    by: Entry | None = None
    held_by: tuple[Entry, ...] = ()

    @property
    def ending(self) -> tuple[object, ...]:
        """Return what two policies are compared by, as `simulate --compare` does."""
        moment = {"release": self.at, "suppress": None}.get(self.outcome, self.eligible_at)
        return self.outcome, self.by and self.by[2], self.variant, self.channel, moment

    @property
    def end(self) -> str:
        """Name the end in the words of the page."""
        if self.outcome == "release":
            return "released later" if self.held_by or self.at > self.arrived else "released"
        return "suppressed" if self.outcome == "suppress" else "waiting"


class Reach(msgspec.Struct):
    """How far the values of one field of an entry's findings went."""

    lowest: float | None = None
    highest: float | None = None
    words: set[str] = msgspec.field(default_factory=set)

    def add(self, value: float | str | None) -> None:
        """Take in one value; of different words two are enough to know that they differ."""
        if isinstance(value, str):
            if len(self.words) < _DIFFERENT:
                self.words.add(value)
        elif value is not None:
            self.lowest = value if self.lowest is None else min(self.lowest, value)
            self.highest = value if self.highest is None else max(self.highest, value)


class Spoken(msgspec.Struct):
    """What the findings of one entry said, all of them together."""

    limit: Reach = msgspec.field(default_factory=Reach)
    observed: Reach = msgspec.field(default_factory=Reach)
    window: str | None = None

    def add(self, finding: WrittenFinding) -> None:
        """Take in one finding."""
        self.limit.add(finding.limit)
        self.observed.add(finding.observed)
        self.window = finding.window


class Shadow(msgspec.Struct):
    """What an entry in shadow judged, and what it spoke against.

    `went_out` counts what was released all the same, by what would have become of it instead.
    """

    judged: set[Key] = msgspec.field(default_factory=set)
    against: set[Key] = msgspec.field(default_factory=set)
    went_out: Counter[str] = msgspec.field(default_factory=Counter)


class Response(msgspec.Struct, frozen=True):
    """Feedback on a message, and when it was recorded (ms)."""

    key: Key
    kind: str
    at: int


class Tally:
    """Watches a simulation: the events that go in, and the decisions that come out."""

    def __init__(
        self,
        policy: Policy,
        names: Pseudonyms,
        progress: Callable[[int], None] | None = None,
        step: int = 1,
    ) -> None:
        """Count for *policy*; *names* are those of the decisions.

        Every *step* events *progress* is told how many there were.
        """
        self.policy = policy
        self.fates: dict[Key, Fate] = {}
        self.responses: list[Response] = []
        self.shadows: dict[tuple[str, str], Shadow] = {}
        self.spoken: dict[Entry, Spoken] = {}
        self.scores: list[float] = []
        self.first: int | None = None
        self.last: int | None = None
        self._names, self._progress, self._step = names, progress, step
        self._arrived: dict[Key, int] = {}
        self._heard: set[Key] = set()
        self._read = msgspec.json.Decoder(_Decision).decode

    def watching(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass *events* on, and note what arrives when and what people did with it."""
        for number, event in enumerate(events, 1):
            if self._progress is not None and number % self._step == 0:
                self._progress(number)
            self.first = event.at if self.first is None else self.first
            self.last = event.at
            if event.kind == "candidate" and isinstance(event.data, dict):
                person, message = event.data.get("person"), event.data.get("id")
                if isinstance(person, str) and isinstance(message, str):
                    key = self._names.of(person), message
                    if key not in self.fates:
                        self._arrived[key] = event.at
            elif event.kind == "feedback":
                self._hear(event)
            yield event

    def _hear(self, event: Event) -> None:
        try:
            told = decode_event("feedback", event.data, event.at, self.policy)
        except Rejected:
            return
        if not isinstance(told, Told) or not isinstance(told.fact, model.Feedback):
            return
        fact = told.fact
        person = self._names.of(fact.person)
        if (person, fact.id) not in self._heard:
            self._heard.add((person, fact.id))
            self.responses.append(Response((person, fact.message), fact.kind, event.at))

    def decided(self, line: bytes) -> None:
        """Take in a decision as it is written."""
        decision = self._read(line)
        key = decision.person, decision.message
        at = parse_instant(decision.decided_at)
        fate = self.fates.get(key)
        if fate is None:
            fate = Fate(decision.category, self._arrived.pop(key, at))
            self.fates[key] = fate
            if decision.intrusiveness is not None:
                self.scores.append(decision.intrusiveness.after)
        fate.channel, fate.outcome, fate.at = decision.channel, decision.outcome, at
        fate.variant, fate.eligible_at = decision.variant, decision.eligible_at
        fate.by = self._deciding(decision)
        if fate.by is not None and decision.outcome in ("defer", "review"):
            fate.held_by = tuple(dict.fromkeys((*fate.held_by, fate.by)))
        self._watch_shadows(key, decision)

    def _deciding(self, decision: _Decision) -> Entry | None:
        if decision.outcome == "release":
            return None
        against = [
            finding
            for finding in decision.findings
            if finding.enforced
            and finding.outcome != "release"
            and (finding.code, finding.variant) == (decision.code, decision.variant)
        ]
        if not against:
            return "none", "", decision.code or ""
        finding = max(against, key=lambda one: OUTCOMES[one.outcome])
        return self._note(finding)

    def _watch_shadows(self, key: Key, decision: _Decision) -> None:
        for finding in decision.findings:
            if finding.enforced:
                continue
            shadow = self.shadows.setdefault((finding.rule, finding.id), Shadow())
            shadow.judged.add(key)
            if finding.outcome == "release":
                continue
            shadow.against.add(key)
            self._note(finding)
            if decision.outcome == "release" and finding.variant == decision.variant:
                shadow.went_out[finding.outcome] += 1

    def _note(self, finding: WrittenFinding) -> Entry:
        entry = finding.rule, finding.id, finding.code or ""
        self.spoken.setdefault(entry, Spoken()).add(finding)
        return entry
