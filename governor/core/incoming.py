"""What arrives at the gate, decoded, with what is known of its record."""

from typing import Any, Literal

import msgspec

from governor.core import model

FactKind = Literal["cancellation", "consent", "profile", "feedback", "review"]

EventKind = FactKind | Literal["candidate", "control"]
"""What a record or a recorded event is."""


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A candidate as it arrived.

    `raw` is the JSON object as it came, from which the released record is made; `digest` hashes
    it as a JSON value to 64 bits. `record_at` is the time (ms) of its record, `future` tells that
    `created_at` lies too far ahead of that. `trace` holds the W3C trace headers to pass on,
    `contents` for each variant a keyed hash of what it says to this person, 0 for nothing.
    `urgent`: it came on the lane of what must not wait for others.
    """

    candidate: model.Candidate
    raw: dict[str, Any]
    digest: int
    record_at: int
    future: bool = False
    trace: tuple[tuple[str, bytes], ...] = ()
    contents: tuple[int, ...] = ()
    urgent: bool = False


class Told(msgspec.Struct, frozen=True):
    """A fact about one person as it arrived; `record_at` is the time (ms) of its record."""

    fact: model.Fact
    record_at: int
