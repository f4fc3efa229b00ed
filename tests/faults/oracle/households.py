"""What a household got, from the decisions on all of its people: never above a cap.

In which order two people's releases were decided is not on the topics. So of every window only
those are counted that held their slot whatever the order was: no failure of theirs was even told
when the last of them went out.

A slot is taken before its release is written down for the person, and given back when that is
refused then. Who was refused meanwhile was refused for a release that nobody has ever seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.faults.oracle import records
from tests.faults.oracle.book import Book, Candidate, message_of, variants_of
from tests.faults.oracle.records import Json, duration
from tests.faults.oracle.rules import Message
from tests.faults.oracle.verdicts import Decided, Said

_FAILURES = ("bounced", "failed")
_IN_THE_MAKING = 60_000


@dataclass(frozen=True)
class Got:
    """One release to somebody of a household."""

    id: str
    at: int
    published: int
    failed: float
    message: Message
    free: bool
    """Its category skips the caps: it takes a slot and needs none."""


def wrong_households(
    book: Book, said: Sequence[tuple[Candidate, Said]], excused: list[str]
) -> Iterator[str]:
    """Yield where a household got more than its caps allow, and refusals that nothing explains.

    Into *excused* goes what only a slot explains that was given back.
    """
    if not book.rules.caps_of_households:
        return
    got = _got(book, said)
    for name, sends in got.items():
        yield from _above(book, name, sends)
    aliases = _aliases(said)
    for home, known in aliases.items():
        if len(known) > 1:
            yield f"one-verdict: the household {home} goes with {sorted(known)}"
    for candidate, one in said:
        own = aliases.get(candidate.value.get("household", ""), set(got))
        others = [send for name in own for send in got[name] if send.id != candidate.id]
        for decided in one.decisions:
            complaints = list(_unexplained(book, candidate, decided, others))
            if complaints and _reserved_by(book, candidate, decided, said):
                excused += complaints
            else:
                yield from complaints


def _aliases(said: Iterable[tuple[Candidate, Said]]) -> dict[str, set[str]]:
    """Return how governor calls each household that candidates name."""
    found: dict[str, set[str]] = defaultdict(set)
    for candidate, one in said:
        named = candidate.value.get("household")
        if named and one.decisions and one.last.value["outcome"] == "release":
            found[named].add(one.last.value["entry"]["household"])
    return found


def _match(cap: Json) -> Json:
    match: Json = cap.get("match", {})
    return match


def _got(book: Book, said: Iterable[tuple[Candidate, Said]]) -> dict[str, list[Got]]:
    """Return what each household got, by its pseudonym; who has none is one for themselves."""
    failures = _failures(book)
    found: dict[str, list[Got]] = defaultdict(list)
    for candidate, one in said:
        if not one.decisions or one.last.value["outcome"] != "release":
            continue
        value = one.last.value
        if value["entry"]["counts"]:
            message = message_of(candidate.value, value["variant"])
            skips = book.rules.categories[message.category].skips
            failed = failures.get(candidate.id, float("inf"))
            send = Got(
                candidate.id, one.last.at, one.last.published, failed, message, "caps" in skips
            )
            found[value["entry"]["household"] or value["person"]].append(send)
    return found


def _failures(book: Book) -> dict[str, float]:
    """Return when the first failure of each message was told."""
    found: dict[str, float] = {}
    for streams in book.facts.values():
        for fact in streams.get(records.FEEDBACK, ()):
            if fact.value["kind"] in _FAILURES:
                message = fact.value["message"]
                found[message] = min(found.get(message, float("inf")), fact.line.at)
    return found


def _groups(cap: Json, sends: Sequence[Got]) -> list[list[Got]]:
    shared = [name for name in cap["per"] if name != "household"]
    groups: dict[tuple[str, ...], list[Got]] = defaultdict(list)
    for one in sends:
        groups[tuple(getattr(one.message, name) for name in shared)].append(one)
    return list(groups.values())


def _above(book: Book, name: str, sends: Sequence[Got]) -> Iterator[str]:
    for cap in book.rules.caps_of_households:
        held = [one for one in sends if not one.free and one.message.matched(_match(cap))]
        for group in _groups(cap, held):
            for inside in _windows(cap, group):
                ended = max(one.published for one in inside)
                sure = sorted(one.id for one in inside if one.failed > ended)
                if len(sure) > cap.get("limit", 1):
                    yield f"never-above-a-cap: {name} got {sure} within {cap['id']}"


def _windows(cap: Json, group: Sequence[Got]) -> Iterator[list[Got]]:
    width = duration(cap.get("window") or cap["min_gap"])
    for last in group:
        yield [one for one in group if last.at - width < one.at <= last.at]


def _unexplained(
    book: Book, candidate: Candidate, decided: Decided, sends: Sequence[Got]
) -> Iterator[str]:
    """A refusal needs others who had the slots."""
    if decided.value["code"] != "household_cap":
        return
    message = message_of(candidate.value, decided.value["variant"])
    for cap in book.rules.caps_of_households:
        since = decided.at - duration(cap.get("window") or cap["min_gap"])
        others = [
            one
            for one in sends
            if since < one.at <= max(decided.at, decided.published)
            and one.message.matched(_match(cap))
        ]
        if message.matched(_match(cap)) and len(others) >= cap.get("limit", 1):
            return
    name = f"{candidate.person}/{candidate.id}"
    yield f"explained: {name} was refused for its household, which had nothing at {decided.at}"


def _reserved_by(
    book: Book,
    candidate: Candidate,
    decided: Decided,
    said: Iterable[tuple[Candidate, Said]],
) -> bool:
    """Tell whether somebody else's message may have had a slot at a decision, and lost it.

    It had come by then and was decided on later, so that it was in the making.
    """
    message = message_of(candidate.value, decided.value["variant"])
    home = candidate.value.get("household")
    caps = [cap for cap in book.rules.caps_of_households if message.matched(_match(cap))]
    return any(
        other.value.get("household") in (home, None)
        and other.person != candidate.person
        and other.first_at <= decided.at
        and any(decided.at <= later.at <= decided.at + _IN_THE_MAKING for later in one.decisions)
        and any(
            message_of(other.value, variant["id"]).matched(_match(cap))
            for variant in variants_of(other.value)
            for cap in caps
        )
        for other, one in said
    )
