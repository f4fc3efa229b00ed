"""JSON made to hurt: depth, numbers, names that come twice, characters that are none."""

from __future__ import annotations

import json
import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import pytest

from governor.codec.decode import LONGEST_TRACE, Rejected, digest64, parse
from governor.codec.unwrap import DEEPEST
from governor.config import topics
from tests.security.desk import NOW, Desk, Record, candidate, grant, record

MIB = 1 << 20


def value_of(**written: str) -> bytes:
    """A candidate with values that are put in as they are written."""
    text = json.dumps(candidate("p") | dict.fromkeys(written, 0))
    for name, words in written.items():
        text = text.replace(f'"{name}": 0', f'"{name}": {words}')
    return text.encode()


def refused(desk: Desk, value: bytes) -> tuple[str, str]:
    letter = desk.take(Record(topics.CANDIDATES, value)).letter()
    assert letter.record.value == value
    return letter.reason, letter.detail


@pytest.mark.parametrize(
    "words",
    ["1e400", "-1e400", "1" + "0" * 5_000, "NaN", "Infinity", "-Infinity", "01", "1.", "+1", "0x1"],
)
@pytest.mark.parametrize("name", ["value", "payload"])
def test_a_number_that_no_double_holds_is_a_dead_letter(name: str, words: str) -> None:
    reason, detail = refused(Desk(), value_of(**{name: words}))
    assert reason == "undecodable"
    assert words not in detail


def test_numbers_that_a_field_cannot_take_are_refused_with_the_field() -> None:
    desk = Desk()
    for name, words in (
        ("priority", "1" + "0" * 4_000),
        ("priority", "50.5"),
        ("value", "9" * 400),
    ):
        assert refused(desk, value_of(**{name: words}))[1].startswith(f"{name}: must be")
    many = {"person": "p", "at": "2026-05-05T10:00:00Z", "comfort": {"max_per_week": 10**30}}
    letter = desk.take(Record(topics.PROFILES, json.dumps(many).encode())).letter()
    assert letter.detail == "comfort.max_per_week: must be at most 1000000"


@pytest.mark.parametrize("at", [-1, 0, 2**47, 2**53, 2**62, 2**63 - 1])
@pytest.mark.parametrize("action", ["grant", "withdraw", "object", "pause"])
def test_a_record_of_any_time_can_be_written_down(at: int, action: str) -> None:
    """Whoever produces a record chooses its time, and brokers need not look at it."""
    desk = Desk()
    for far in ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        asked = candidate("p", far, created_at=far)
        desk.take(
            grant("p", action=action, at=far)._replace(timestamp=at),
            record(topics.CANDIDATES, asked)._replace(timestamp=at),
        )
    assert desk.ledger.bytes


def nested(depth: int) -> bytes:
    return b'{"a":' * depth + b"1" + b"}" * depth


def test_json_may_nest_so_deep_and_no_deeper_wherever_it_stands() -> None:
    desk = Desk()
    inner = json.loads(nested(DEEPEST - 1))
    desk.take(grant("p"))
    came = desk.take(record(topics.CANDIDATES, candidate("p", payload=inner)))
    assert json.loads(came.to(topics.RELEASED)[0].value or b"")["payload"] == inner
    deep = json.dumps(candidate("p")).encode()[:-1] + b', "payload": '
    for text in (nested(DEEPEST), nested(30_000), b"[" * MIB, b'{"a":[' * 150_000):
        assert refused(desk, deep + text + b"}")[0] == "undecodable"


def test_of_a_name_that_comes_twice_what_was_judged_is_what_is_released() -> None:
    desk = Desk()
    desk.take(grant("p"))
    text = json.dumps(candidate("p", channel="call", payload="loud")).encode()[:-1]
    twice = text + b', "channel": "email", "payload": "quiet"}'
    [released] = desk.take(Record(topics.CANDIDATES, twice)).to(topics.RELEASED)
    assert released.value is not None
    assert released.value.count(b'"channel"') == released.value.count(b'"payload"') == 1
    assert b'"email"' in released.value
    assert b"loud" not in released.value


def test_the_person_of_a_record_cannot_be_one_for_the_key_and_another_for_the_value() -> None:
    text = json.dumps(candidate("p")).encode()[:-1] + b', "person": "q"}'
    letter = Desk().take(Record(topics.CANDIDATES, text, b"p")).letter()
    assert letter.reason == "key_mismatch"


@pytest.mark.parametrize("text", [rb'"\ud800"', rb'"\udc00\ud800"', b'"\xed\xa0\x80"', b'"\xff"'])
def test_half_a_character_is_no_text(text: bytes) -> None:
    for padded in (text, text + b" " * 20_000, text + b"," + b",".join([b"1e308"] * 4_000)):
        with pytest.raises(Rejected, match="undecodable"):
            parse(b'{"a": [' + padded + b"]}")


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@pytest.mark.parametrize("number", [b"1e308", b"5e-324", b"1.7976931348623157e308", b"2.3e-308"])
def test_numbers_at_the_edge_cost_hardly_more_than_others(number: bytes) -> None:
    """The parser takes 20 us for each: a record of 6 MiB would stop a worker for half a minute."""
    values = [
        b'{"a":[' + b",".join([one] * (MIB // 16)) + b"]}" for one in (number, b"12345.678901")
    ]
    edge, usual = (min(seconds(partial(parse, one)) for _ in range(3)) for one in values)
    assert edge < 8 * usual
    assert parse(values[0])["a"][0] == float(number)


def test_the_slower_way_refuses_what_the_other_refuses() -> None:
    edges = b",".join([b"1e308"] * 4_000)
    for wrong in (
        b"1e309",
        b"NaN",
        b"-Infinity",
        b"1" + b"0" * 5_000,
        b"01",
        b"\xff",
        b"[" * 99_999,
    ):
        with pytest.raises(Rejected, match="undecodable"):
            parse(b'{"a":[' + edges + b"," + wrong + b"]}")
    assert digest64(parse(b'{"a":[' + edges + b"]}")) == digest64({"a": [1e308] * 4_000})


def test_one_record_takes_a_bounded_multiple_of_its_size() -> None:
    """Whatever it holds: a MiB, the most that is judged, takes less than 110 while it is judged."""
    size = MIB // 32
    kinds = [
        b'"x"',
        b"{}",
        b'{"a":1}',
        b"[]",
        b"1e308",
        b"9" * 4_000,
        b'"\xf0\x9f\x98\x80"',
        b"null",
    ]
    for kind in kinds:
        filled = b",".join([kind] * ((size - 1_000) // (len(kind) + 1)))
        text = json.dumps(candidate("p")).encode()[:-1] + b', "payload": [' + filled + b"]}"
        assert len(text) < size
        desk = Desk()
        tracemalloc.start()
        came = desk.take(grant("p"), Record(topics.CANDIDATES, text))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert came.to(topics.RELEASED)
        print(f"{kind[:20]!r}: {peak / size:.0f} times its size")
        assert peak < 110 * size, kind[:20]


def test_what_is_too_large_goes_whole_and_is_not_judged() -> None:
    desk = Desk()
    large = json.dumps(candidate("p", payload="x" * MIB)).encode()
    assert refused(desk, large)[0] == "oversized"


def test_headers_are_passed_on_only_as_long_as_a_trace_is() -> None:
    desk = Desk()
    desk.take(grant("p"))
    headers = [("traceparent", b"x" * LONGEST_TRACE), ("tracestate", b"x" * (LONGEST_TRACE + 1))]
    came = desk.take(Record(topics.CANDIDATES, json.dumps(candidate("p")).encode(), None, headers))
    for out in came.records:
        assert [name for name, _ in out.headers if name.startswith("trace")] == ["traceparent"]
    assert came.judgement.resolutions[0].decided_at == NOW
