"""What may be seen of each message: one verdict, said the same each time, and nothing lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.faults.oracle.book import Book, Candidate, variants_of
from tests.faults.oracle.records import Json, Line, instant, moment, read

_SAID_AGAIN = (
    *("message", "person", "campaign", "category", "topic", "outcome", "final", "variant"),
    *("channel", "code", "eligible_at", "attempt", "seq", "decided_at", "entry", "variant_index"),
)
_OF_THE_VARIANT = ("channel", "content", "uses", "techniques", "ai_generated")
_OUTCOMES = ("release", "defer", "review", "suppress")


@dataclass
class Decided:
    """One decision, however often it was published."""

    value: Json
    at: int
    published: int
    times: int = 1

    @property
    def attempt(self) -> int:
        return int(self.value["attempt"])

    @property
    def seq(self) -> int:
        return int(self.value["seq"])


@dataclass
class Said:
    """All that was said of one message."""

    decisions: list[Decided] = field(default_factory=list)
    releases: list[Line] = field(default_factory=list)

    @property
    def last(self) -> Decided:
        return self.decisions[-1]


def said_of(book: Book, message: str) -> Said:
    """Return the decisions on a message, the first attempt first, and its releases."""
    by_id: dict[str, Decided] = {}
    for line in book.decisions.get(message, []):
        value = read(line.value) or {}
        known = by_id.get(value["id"])
        if known is None:
            by_id[value["id"]] = Decided(value, moment(value["decided_at"]), line.at)
        else:
            known.times += 1
            known.published = min(known.published, line.at)
    decisions = sorted(by_id.values(), key=lambda one: (one.attempt, one.seq))
    releases = book.released.get(message, [])
    for one in decisions:
        if one.value["outcome"] == "release" and releases:
            one.published = min(one.published, *(line.at for line in releases))
    return Said(decisions, releases)


def defects_of_records(book: Book) -> Iterator[str]:
    """Nothing lost: what is no good is a dead letter as it came, and nothing else is."""
    letters = dict(book.letters)
    good = {line.place for line in book.good}
    for line in book.bad:
        if line.place not in letters:
            yield f"nothing-lost: {line.place} is no good and no dead letter"
    for line in (*book.bad, *book.good):
        for letter in letters.pop(line.place, ()):
            yield from _unlike(line, letter)
            if line.place in good and line.place not in book.conflicting:
                yield f"nothing-lost: {line.place} is good and a dead letter"
    for place in letters:
        yield f"nothing-lost: a dead letter comes from {place}, where there is no record"
    for message in {*book.decisions, *book.released} - set(book.candidates):
        yield f"one-verdict: {message} was judged and no candidate has this id"


def _unlike(line: Line, letter: Line) -> Iterator[str]:
    own = [one for one in letter.headers if not one[0].startswith("dlq_")]
    if (letter.key, letter.value, own) != (line.key, line.value, list(line.headers)):
        yield f"nothing-lost: the dead letter of {line.place} is not as the record came"


def defects_of_message(book: Book, candidate: Candidate, said: Said) -> Iterator[str]:
    """One verdict, said the same each time, a release for each that releases, and none lost."""
    name = f"{candidate.person}/{candidate.id}"
    yield from (f"{flaw}: {name}" for flaw in _contents(book, candidate))
    if not said.decisions:
        if said.releases:
            yield f"one-verdict: {name} was released without a decision"
        if not _all_refused(book, candidate):
            yield f"nothing-lost: {name} has no verdict and is no dead letter"
        return
    yield from (f"one-verdict: {name}: {flaw}" for flaw in _repeats(book, candidate.id))
    yield from (f"one-verdict: {name}: {flaw}" for flaw in _chain(said))
    yield from (f"one-verdict: {name}: {flaw}" for flaw in _pairs(said))
    yield from (f"one-verdict: {name}: {flaw}" for flaw in _as_it_came(book, candidate, said))
    yield from (f"nothing-lost: {name}: {flaw}" for flaw in _kept(book, candidate, said))


def _contents(book: Book, candidate: Candidate) -> Iterator[str]:
    """Of one id at most one content is judged; every record of another is a dead letter."""
    if sum(not _refused(book, candidate, value) for value in _distinct(candidate)) > 1:
        yield "nothing-lost: two contents under one id and no dead letter"


def _distinct(candidate: Candidate) -> list[Json]:
    distinct: list[Json] = []
    for value in candidate.values:
        if value not in distinct:
            distinct.append(value)
    return distinct


def _refused(book: Book, candidate: Candidate, content: Json) -> bool:
    return all(
        line.place in book.conflicting
        for line, value in zip(candidate.lines, candidate.values, strict=True)
        if value == content
    )


def _all_refused(book: Book, candidate: Candidate) -> bool:
    return all(_refused(book, candidate, value) for value in _distinct(candidate))


def _repeats(book: Book, message: str) -> Iterator[str]:
    first: dict[str, Json] = {}
    for line in book.decisions[message]:
        value = read(line.value) or {}
        known = first.setdefault(value["id"], value)
        for field_ in _SAID_AGAIN:
            if known.get(field_) != value.get(field_):
                was, now = known.get(field_), value.get(field_)
                yield f"decision {value['id']} said {field_} {was!r} and then {now!r}"
        if line.header("ce_id") != value["id"]:
            yield f"decision {value['id']} carries the event id {line.header('ce_id')}"


def _chain(said: Said) -> Iterator[str]:
    """Attempts count up, the last and only the last may be final.

    There may be a hole: a decision to wait that a crash kept from the topic, and that had been
    taken again by the time the crash was made good.
    """
    attempts = [one.attempt for one in said.decisions]
    if attempts != sorted(set(attempts)):
        yield f"its attempts are {attempts}"
    if len({one.seq for one in said.decisions}) < len(attempts):
        yield "two of its decisions have one seq"
    if any(one.value["final"] for one in said.decisions[:-1]):
        yield "something follows its final verdict"
    for one in said.decisions:
        outcome = one.value["outcome"]
        if outcome not in _OUTCOMES or one.value["final"] != (outcome in ("release", "suppress")):
            yield f"outcome {outcome} is said to be final: {one.value['final']}"
    for before, after in zip(said.decisions, said.decisions[1:], strict=False):
        if after.seq < before.seq:
            yield f"attempt {after.attempt} is older than the one before"


def _pairs(said: Said) -> Iterator[str]:
    """A decision to release and what was released belong together, with one idempotency key."""
    releasing = [one.value for one in said.decisions if one.value["outcome"] == "release"]
    if releasing and not said.releases:
        yield "a release was decided and never published"
    values = [read(line.value) or {} for line in said.releases]
    for line, value in zip(said.releases, values, strict=True):
        if line.header("idempotency_key") != value["id"]:
            yield f"a release has the idempotency key {line.header('idempotency_key')}"
        if line.header("governor_decision_id") != value.get("decision"):
            yield "a release names two decisions"
        if _without(value, "send_before") != _without(values[0], "send_before"):
            yield f"it was released once as {values[0]} and once as {value}"
        if not any(_decided(one, value) for one in releasing):
            yield f"{value.get('decision')} released {value.get('variant')}, decided was no such"


def _without(value: Json, name: str) -> Json:
    """What a repeat must say again; `send_before` is made again with the profile known by then."""
    return {key: content for key, content in value.items() if key != name}


def _decided(decision: Json, released: Json) -> bool:
    return all(
        decision[mine] == released.get(its)
        for mine, its in (("id", "decision"), ("variant", "variant"), ("channel", "channel"))
    )


def _as_it_came(book: Book, candidate: Candidate, said: Said) -> Iterator[str]:
    """What is released is the candidate, and of its variants the chosen one alone."""
    for line in said.releases:
        value = read(line.value) or {}
        if line.key != candidate.person.encode():
            yield f"a release has the key {line.key!r}"
        if not any(_made_of(value, one) for one in candidate.values):
            yield f"what was released is not what came: {value}"


def _made_of(released: Json, candidate: Json) -> bool:
    named = [one for one in variants_of(candidate) if one["id"] == released.get("variant")]
    if not named:
        return False
    kept = {name: content for name, content in candidate.items() if name != "variants"}
    chosen = {name: named[0][name] for name in _OF_THE_VARIANT if name in named[0]}
    expected = {**kept, **chosen}
    added = {"decision", "variant", "send_before", "unsubscribe"}
    return {k: v for k, v in released.items() if k not in added} == expected


def _kept(book: Book, candidate: Candidate, said: Said) -> Iterator[str]:
    """What is not final lies on the topic of what waits; what is final has left it."""
    key = f"{said.last.value['person']}|{candidate.id}".encode()
    lines = book.waiting.get(key, [])
    if said.last.value["final"]:
        if lines and lines[-1].value is not None:
            yield "it is final and was not taken off what waits"
    elif not lines or lines[-1].value is None:
        yield "it waits and is not on the topic of what waits"


def overdue(book: Book, candidate: Candidate, said: Said, ended: int) -> Iterator[str]:
    """Nothing waits on when its time has come."""
    if not said.decisions or said.last.value["final"]:
        return
    ends = [instant(value.get("expires_at")) for value in candidate.values]
    if all(end is None for end in ends):
        ends = [said.decisions[0].at + book.rules.expires_after]
    due = [instant(said.last.value["eligible_at"]), *ends]
    reviewed = [one.at for one in said.decisions if one.value["outcome"] == "review"]
    if said.last.value["outcome"] == "review":
        due.append(reviewed[0] + book.rules.deadline)
    late = [at for at in due if at is not None and at < ended]
    if late:
        yield f"nothing-lost: {candidate.person}/{candidate.id} waits and was due {min(late)}"


def person_of_each(said: Iterable[tuple[Candidate, Said]]) -> Iterator[str]:
    """One person has one pseudonym, and no two people share one."""
    names: dict[str, set[str]] = defaultdict(set)
    owners: dict[str, set[str]] = defaultdict(set)
    for candidate, one in said:
        for decided in one.decisions:
            names[candidate.person].add(decided.value["person"])
            owners[decided.value["person"]].add(candidate.person)
    for table in (names, owners):
        for key, others in table.items():
            if len(others) > 1:
                yield f"one-verdict: {key} goes with {sorted(others)}"
