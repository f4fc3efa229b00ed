"""What came of a judgement, as records for the topics."""

from collections.abc import Iterable, Iterator, Sequence

from governor.codec.encode import (
    dead_letter_headers,
    decision_headers,
    encode_decision,
    encode_handover,
    encode_released,
    handover_headers,
    released_headers,
)
from governor.codec.waiting import encode_waiting
from governor.config import topics
from governor.core.resolution import Handover, Resolution
from governor.core.verdict import Outcome
from governor.ledger.keys import Sealer
from governor.stream.intake import Letter
from governor.stream.producer import Outgoing


class Writer:
    """Writes records for the topics with *prefix*."""

    def __init__(self, prefix: str, sealer: Sealer) -> None:
        self._waiting = prefix + topics.WAITING
        self._released = prefix + topics.RELEASED
        self._decisions = prefix + topics.DECISIONS
        self._handovers = prefix + topics.HANDOVERS
        self._dead_letters = prefix + topics.DEAD_LETTERS
        self._sealer = sealer

    def resolutions(self, resolutions: Iterable[Resolution]) -> list[Outgoing]:
        """Return the records of all *resolutions*, in the order that a crash does least harm.

        What waits is kept before its decision says so; a final decision stands before the
        tombstone that lets go of what waited.
        """
        return [record for one in resolutions for record in self._resolution(one)]

    def waiting(self, resolutions: Iterable[Resolution]) -> list[Outgoing]:
        """Return what the topic of what waits is to say last of each message."""
        return [self._waits(resolution) for resolution in resolutions]

    def handovers(self, handovers: Iterable[Handover]) -> list[Outgoing]:
        """Return what humans are to be told; what is in shadow stays here."""
        return [
            Outgoing(
                self._handovers,
                one.person.encode(),
                encode_handover(one),
                handover_headers(one),
            )
            for one in handovers
            if not one.shadow
        ]

    def letters(self, letters: Sequence[Letter], at: int) -> list[Outgoing]:
        """Return the dead letters with their original keys, bytes and headers."""
        return [
            Outgoing(
                self._dead_letters,
                letter.record.key,
                letter.record.value,
                dead_letter_headers(
                    letter.record.headers,
                    letter.reason,
                    letter.record.topic,
                    letter.record.partition,
                    letter.record.offset,
                    at,
                ),
            )
            for letter in letters
        ]

    def _resolution(self, resolution: Resolution) -> Iterator[Outgoing]:
        if resolution.waiting is not None:
            yield self._waits(resolution)
        if resolution.gathers:
            return
        if resolution.verdict.outcome is Outcome.RELEASE:
            yield Outgoing(
                self._released,
                resolution.incoming.candidate.person.encode(),
                encode_released(resolution, None, resolution.verdict.send_before),
                released_headers(resolution),
            )
        yield Outgoing(
            self._decisions,
            resolution.key.encode(),
            encode_decision(resolution, person=resolution.key),
            decision_headers(resolution),
        )
        if resolution.was_waiting and resolution.verdict.final:
            yield self._waits(resolution)

    def _waits(self, resolution: Resolution) -> Outgoing:
        key = f"{resolution.key}|{resolution.incoming.candidate.id}".encode()
        sealed = None
        if resolution.waiting is not None:
            body = encode_waiting(resolution.waiting, resolution.incoming)
            sealed = self._sealer.seal(body, key)
        return Outgoing(self._waiting, key, sealed)
