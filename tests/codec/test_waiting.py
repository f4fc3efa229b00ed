"""What waits comes back as it went, from its body and from its topic."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.codec.waiting import decode_body, decode_waiting, encode_body, encode_waiting
from governor.core.standing import Waiting
from governor.core.verdict import Outcome
from tests.codec.examples import AT, CANDIDATE, SHORT, decoded

RICH = CANDIDATE | {"payload": [10**30, -0.0, 1e22, 0.1, "\u2028", None, {"": []}], "new": True}
WAITING = Waiting(
    message=2**64 - 1,
    digest=2**63,
    campaign=7,
    received_at=AT,
    decided_at=AT,
    outcome=Outcome.REVIEW,
    code="needs_review",
    variant=1,
    eligible_at=None,
    wake_at=AT,
    planned_at=AT,
    attempt=2,
    seq=9,
    review_since=AT,
)


@given(st.binary(), st.integers(0, 2**53))
def test_a_body_gives_back_the_candidate_its_trace_and_its_time(trace: bytes, at: int) -> None:
    headers = [("traceparent", trace or b"0"), ("tracestate", b"\xff")]
    for raw in (RICH, SHORT):
        incoming = decoded(raw, headers, at=at + AT)
        again = decode_body(encode_body(incoming))
        assert again == incoming
        assert repr(again.raw) == repr(incoming.raw)


def test_the_topic_gives_back_all_that_waits_but_the_sealed_body() -> None:
    waiting, incoming = decode_waiting(encode_waiting(WAITING, decoded(RICH)))
    assert (waiting, incoming) == (WAITING, decoded(RICH))
    sealed = msgspec.structs.replace(WAITING, body=b"sealed")
    text = encode_waiting(sealed, decoded(SHORT))
    assert decode_waiting(text)[0].body == b""


@pytest.mark.parametrize("read", [decode_body, decode_waiting])
@pytest.mark.parametrize("text", [b"", b"{}", b'{"raw":{},"digest":1,"record_at":1,"trace":[]}'])
def test_anything_else_is_a_value_error(read: object, text: bytes) -> None:
    assert callable(read)
    with pytest.raises(ValueError):
        read(text)
