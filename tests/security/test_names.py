"""Ids that look like keys, patterns, pseudonyms or each other name only what they name."""

from __future__ import annotations

import asyncio
import itertools
import json
import unicodedata
from typing import Any, cast

import pytest
from redis import Redis

from governor.config import topics
from governor.ledger.keys import SealedError, looks_like_pseudonym
from governor.ledger.packing import unpack
from governor.ledger.protocol import Change
from governor.ledger.redis import RedisLedger
from governor.stream.producer import Outgoing
from tests.security.desk import Came, Desk, Record, candidate, grant, record

ODD = [
    "{x}:ledger",
    "g:p:{p_1}",
    "g:control",
    "governor:*",
    "*",
    "?[a-z]",
    "p_AAAAAAAAAAAAAAAAAAAAAA",
    "p_AAAAAAAAAAAAAAAAAAAAAA|m-1",
    "p|m|n",
    "1:p",
    "a b\tc",
    "\r\nDEL x",
    "\x00",
    "-1",
    "null",
    "../p",
    "%00",
    "Zoe",
    "zoe",
    "Zo\u00e9",
    "Zoe\u0301",
    "Z\u043ee",
    "Zoe\u200b",
    "\ufeffZoe",
    "\U0001f600" * 64,
    "x" * 256,
]


def released(came: Came) -> list[bytes | None]:
    return [one.key for one in came.to(topics.RELEASED)]


def test_no_name_is_taken_for_another() -> None:
    """Composed and decomposed, alike to the eye, cut or trimmed: each is a person of its own."""
    assert len(set(ODD)) == len(ODD)
    assert len({unicodedata.normalize("NFKC", one) for one in ODD}) < len(ODD)
    for chosen in ODD:
        desk = Desk()
        desk.take(grant(chosen))
        asked = [record(topics.CANDIDATES, candidate(one)) for one in ODD]
        assert released(desk.take(*asked)) == [chosen.encode()]
    assert len({Desk().names.of(one) for one in ODD}) == len(ODD)


def test_ids_and_people_are_not_confused_where_they_are_put_together() -> None:
    names = Desk().names
    parts = ["", "1", "1:", ":1", "a", "a:", "|", "a|", "2:ab", "\x00"]
    made = {names.decision_id(p, m, n) for p, m, n in itertools.product(parts, parts, (1, 11, 111))}
    assert len(made) == 3 * len(parts) ** 2


@pytest.mark.parametrize("message", ODD)
def test_a_message_of_any_name_waits_comes_back_and_is_let_go(message: str) -> None:
    desk = Desk()
    desk.take(grant("p"))
    later = {"not_before": "2026-05-05T11:00:00Z"}
    came = desk.take(record(topics.CANDIDATES, candidate("p", message, **later)))
    [kept] = came.to(topics.WAITING)
    key = desk.names.of("p")
    assert kept.key == f"{key}|{message}".encode()
    assert kept.key.decode().partition("|")[2] == message
    assert message.encode() not in (kept.value or b"") or len(message) < 3
    cancelled = {"id": "x", "person": "p", "message": message, "at": "2026-05-05T10:00:00Z"}
    gone = desk.take(record(topics.CANCELLATIONS, cancelled))
    assert [one.value for one in gone.to(topics.WAITING)] == [None]
    assert json.loads(gone.to(topics.DECISIONS)[0].value or b"")["message"] == message


@pytest.mark.parametrize("name", ["id", "person", "campaign", "category", "topic", "household"])
def test_a_name_of_more_than_256_bytes_is_refused(name: str) -> None:
    for long in ("x" * 257, "\u00fc" * 129, "x" * 900_000):
        letter = Desk().take(record(topics.CANDIDATES, candidate("p") | {name: long})).letter()
        assert letter.detail == f"{name}: is longer than 256 bytes"
    letter = Desk().take(record(topics.CANDIDATES, candidate("p") | {name: ""})).letter()
    assert letter.detail == f"{name}: must not be empty"


def test_a_person_whose_name_looks_like_a_pseudonym_is_not_that_person() -> None:
    """Only a reviewer's answer may name a person by pseudonym, as it stands in the decision."""
    desk = Desk()
    pseudonym = desk.names.of("p")
    assert looks_like_pseudonym(pseudonym)
    desk.take(grant("p"))
    assert released(desk.take(record(topics.CANDIDATES, candidate(pseudonym)))) == []
    assert set(desk.ledger.bytes) == {pseudonym, desk.names.of(pseudonym)}


def test_what_was_sealed_for_one_person_or_message_opens_for_no_other() -> None:
    desk = Desk()
    later = {"not_before": "2026-05-05T11:00:00Z"}
    desk.take(grant("p"))
    came = desk.take(record(topics.CANDIDATES, candidate("p", "m-1", **later)))
    [kept] = came.to(topics.WAITING)
    assert kept.key is not None
    assert kept.value is not None
    assert b"m-1" in desk.sealer.open(kept.value, kept.key)
    for other in (kept.key + b"x", kept.key.replace(b"|m-1", b"|m-2"), b"p_x|m-1"):
        with pytest.raises(SealedError):
            desk.sealer.open(kept.value, other)
    [waiting] = unpack(desk.ledger.bytes[desk.names.of("p")]).waiting
    with pytest.raises(SealedError):
        desk.sealer.open(waiting.body, desk.names.of("q").encode())


def test_redis_holds_each_person_under_their_pseudonym_alone(redis_url: str) -> None:
    desk = Desk()
    for one in ODD:
        desk.take(grant(one), record(topics.CANDIDATES, candidate(one, one)))
    changes = [Change(key, 0, unpack(packed)) for key, packed in desk.ledger.bytes.items()]

    async def write() -> list[bool]:
        ledger = RedisLedger(redis_url, timeout=10.0)
        try:
            return await ledger.commit(changes)
        finally:
            await ledger.close()

    assert all(asyncio.run(write()))
    with Redis.from_url(redis_url) as redis:
        found = set(cast("list[bytes]", redis.keys("*"))) - {b"g:due", b"{g:due}:by"}
        assert found == {f"g:p:{{{desk.names.of(one)}}}".encode() for one in ODD}
        assert all(
            looks_like_pseudonym(one.decode())
            for one in cast("list[bytes]", redis.zrange("g:due", 0, -1))
        )


@pytest.mark.parametrize(
    "odd", ["promotion\u0430l", "Promotional", "promotional ", "promotional\x00"]
)
def test_a_category_or_channel_that_only_looks_like_one_is_unknown(odd: str) -> None:
    desk = Desk()
    letter = desk.take(record(topics.CANDIDATES, candidate("p", category=odd))).letter()
    assert (letter.reason, letter.detail.isprintable()) == ("unknown_category", True)
    odd = odd.replace("romotion", "us").replace("al", "h")
    letter = desk.take(record(topics.CANDIDATES, candidate("p", channel=odd))).letter()
    assert letter.reason == "unknown_channel"


FORGED = [
    ("governor_decision_id", b"d-forged"),
    ("idempotency_key", b"forged"),
    ("governor_entry", b'{"exposure": -99}'),
    ("ce_id", b"forged"),
    ("ce_source", b"governor/released"),
    ("ce_type", b"outreach.released.v1"),
    ("ce_specversion", b"9"),
    ("ce_time", b"forged"),
    ("content-type", b"text/forged"),
    ("dlq_reason", b"forged"),
    ("dlq_topic", b"outreach.released"),
    ("dlq_partition", b"forged"),
    ("dlq_offset", b"forged"),
    ("dlq_at", b"forged"),
    ("dlq_retried_at", b"forged"),
    ("Traceparent", b"forged"),
    ("anything", b"forged"),
]


def test_headers_that_an_engine_forges_are_not_passed_on_as_ours() -> None:
    desk = Desk()
    desk.take(grant("p"))
    trace = ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    one = record(topics.CANDIDATES, candidate("p"), headers=[*FORGED, trace, *FORGED])
    more = candidate("p", "m-2", not_before="2026-05-05T11:00:00Z")
    came = desk.take(one, record(topics.CANDIDATES, more, headers=[*FORGED, trace]))
    assert {out.topic for out in came.records} == {
        topics.RELEASED,
        topics.DECISIONS,
        topics.WAITING,
    }
    for out in came.records:
        names = [name for name, _ in out.headers]
        assert len(set(names)) == len(names)
        assert not [content for _, content in out.headers if b"forged" in (content or b"")]
        assert not [name for name in names if name.startswith("dlq_")]
    for out in came.to(topics.RELEASED):
        headers = dict(out.headers)
        assert headers["idempotency_key"] == b"m-1"
        assert headers["traceparent"] == trace[1]
        decision = json.loads(out.value or b"")["decision"]
        assert headers["governor_decision_id"] == headers["ce_id"] == decision.encode()


def last(out: Outgoing, name: str) -> bytes | None:
    return [content for known, content in out.headers if known == name][-1]


def test_a_dead_letter_says_last_where_it_came_from_whatever_it_said_before() -> None:
    wrong = Record(topics.FEEDBACK, b"{", b"k", FORGED, partition=3, offset=7)
    [letter] = Desk().take(wrong).to(topics.DEAD_LETTERS)
    assert list(letter.headers)[: len(FORGED)] == FORGED
    assert last(letter, "dlq_topic") == topics.FEEDBACK.encode()
    assert (last(letter, "dlq_partition"), last(letter, "dlq_offset")) == (b"3", b"7")
    assert last(letter, "dlq_reason") == b"undecodable"


def test_fields_that_an_engine_forges_are_written_over() -> None:
    desk = Desk()
    desk.take(grant("p"))
    forged: dict[str, Any] = {"decision": "d-forged", "variant": "forged", "send_before": "forged"}
    forged |= {"unsubscribe": {"url": "https://forged", "one_click": True}}
    variants = [{"id": "a", "channel": "email", "uses": [], "content": "true"}]
    beside: dict[str, Any] = {
        "uses": ["forged"],
        "techniques": ["forged"],
        "ai_generated": "forged",
    }
    for number, more in enumerate((forged, forged | beside | {"variants": variants})):
        came = desk.take(record(topics.CANDIDATES, candidate("p", f"m-{number}", **more)))
        assert b"forged" not in (came.to(topics.RELEASED)[0].value or b"")
