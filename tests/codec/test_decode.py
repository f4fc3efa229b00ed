"""What arrives becomes a value of the core, or the first reason that speaks against it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

import msgspec
import pytest
from cloudevents.core.bindings.kafka import to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from governor.codec.decode import (
    EventKind,
    FactKind,
    Headers,
    Reason,
    Rejected,
    decode_candidate,
    decode_control,
    decode_event,
    decode_fact,
    digest64,
    parse,
    unwrap,
)
from governor.core import model
from governor.core.incoming import Incoming, Told
from governor.core.instant import MINUTE, format_instant
from tests.codec.examples import (
    AT,
    CANDIDATE,
    CONSENT,
    CONTROL,
    FACTS,
    FEEDBACK,
    POLICY,
    REVIEW,
    SHORT,
    decoded,
)

encode = msgspec.json.encode
STRUCTURED: Headers = [("content-type", b"application/cloudevents+json")]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=8) | st.sampled_from(sorted(CANDIDATE)), json_values)


def refused(raw: Any, key: bytes | None = None, max_bytes: int = 1 << 20) -> Rejected:
    value = raw if isinstance(raw, bytes | None) else json.dumps(raw).encode()
    with pytest.raises(Rejected) as caught:
        decode_candidate(value, (), key, AT, POLICY, max_bytes)
    return caught.value


def test_the_example_is_read_with_all_it_says() -> None:
    incoming = decoded(CANDIDATE, key=b"p-42")
    assert incoming.raw == CANDIDATE
    assert incoming.candidate.variants[1].channel == "email"
    assert incoming.candidate.created_at == AT
    assert (incoming.record_at, incoming.future, incoming.trace) == (AT, False, ())


def test_a_channel_at_the_top_is_one_variant_named_only() -> None:
    (variant,) = decoded(SHORT).candidate.variants
    assert (variant.id, variant.channel, variant.content) == ("only", "email", "hello")


def test_trace_headers_are_kept_and_others_are_not() -> None:
    trace: Headers = [("traceparent", b"00-\xff-01"), ("tracestate", b"a=b")]
    incoming = decoded(SHORT, [("ce_id", b"7"), *trace, ("other", None)])
    assert incoming.trace == tuple(trace)


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        (None, "value: is null"),
        (b"", "value: is no JSON"),
        (b"{", "value: is no JSON"),
        (b'{"a":NaN}', "value: is no JSON"),
        (b'{"a":-Infinity}', "value: is no JSON"),
        (b'{"a":1e400}', "value: is no JSON, Number out of range"),
        (b'{"a":"\\ud800"}', "value: is no JSON"),
        (b'{"a":"\xff"}', "value: is not UTF-8"),
        (b"\xef\xbb\xbf{}", "value: is no JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "value: is no JSON, Integer value out of range"),
        (b"[]", "value: is no JSON object"),
        (b"null", "value: is no JSON object"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "value: nests deeper than 64"),
        (b"[" * 200_000, "value: nests deeper than 64"),
        (b'{"a":' * 200_000, "value: nests deeper than 64"),
    ],
)
def test_what_is_no_json_object_is_undecodable(value: bytes | None, detail: str) -> None:
    rejected = refused(value)
    assert rejected.reason == "undecodable"
    assert rejected.detail.startswith(detail)


def test_an_object_may_nest_64_deep() -> None:
    assert parse(b'{"a":' * 64 + b"1" + b"}" * 64)
    assert parse(b'{"a":[' + b"{}," * 100 + b"{}]}")


def test_of_a_name_that_comes_twice_the_last_counts() -> None:
    value = json.dumps(SHORT)[:-1] + ', "person": "p-43"}'
    assert decode_candidate(value.encode(), (), b"p-43", AT, POLICY).candidate.person == "p-43"


@pytest.mark.parametrize(
    "number",
    "123456789012345678901234567890 18446744073709551616 -9223372036854775809 1e22 -0.0 5e-324 "
    "9007199254740993 0.30000000000000004 1.7976931348623157e308".split(),
)
def test_numbers_come_through_as_they_are(number: str) -> None:
    came = json.loads(encode(parse(b'{"a":%s}' % number.encode())))["a"]
    assert repr(came) == repr(json.loads(number))


@given(objects)
def test_every_json_value_comes_through_as_it_is(raw: dict[str, Any]) -> None:
    finite = json.loads(json.dumps(raw).replace("Infinity", "0"))
    assert json.loads(encode(parse(json.dumps(finite).encode()))) == finite


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        ({}, "id: is missing; person: is missing; campaign: is missing; category: is missing"),
        (CANDIDATE | {"variants": [{"id": "a"}]}, "variants.0.channel: is missing"),
        (SHORT | {"uses": [{"source": "x"}]}, "uses.0.attribute: is missing; uses.0.source: must"),
        (SHORT | {"priority": 101}, "priority: must be at most 100"),
        (SHORT | {"priority": True}, "priority: must be a whole number"),
        (SHORT | {"value": 10**400}, "value: must be a number"),
        (SHORT | {"person": ""}, "person: must not be empty"),
        (SHORT | {"person": "\u00fc" * 129}, "person: is longer than 256 bytes"),
        (SHORT | {"created_at": "5 `May`"}, "created_at: is no time with a zone, such as 2026-"),
        (SHORT | {"created_at": "2026-02-30T00:00:00Z"}, "created_at: is not a moment of the"),
        (SHORT | {"created_at": 1}, "created_at: must be a time as text"),
        (SHORT | {"content": 1, "ai_generated": 1}, "ai_generated: must be true or false"),
        (CANDIDATE | {"variants": []}, "variants: must have at least 1"),
        (CANDIDATE | {"variants": CANDIDATE["variants"] * 5}, "variants: must have at most 8"),
        (CANDIDATE | {"variants": CANDIDATE["variants"] * 2}, "candidate: has two variants with"),
        (CANDIDATE | {"channel": "push"}, "candidate: has both `channel` and `variants`"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_the_sender(raw: Any, detail: str) -> None:
    rejected = refused(raw)
    assert rejected.reason == "invalid"
    assert rejected.detail.startswith(detail)


def test_at_most_five_flaws_are_listed_and_the_rest_counted() -> None:
    rejected = refused({"variants": [{}]})
    assert rejected.detail.count(": is missing") == 5
    assert rejected.detail.endswith("; and 2 more")


def test_the_first_reason_in_the_order_of_the_contract_is_given() -> None:
    wrong = CANDIDATE | {"priority": -1, "category": "spam", "payload": "x" * 900}
    wrong["variants"] = [{"id": "a", "channel": "fax"}]
    order = [refused(json.dumps(wrong).encode()[:-1], b"other", 800)]
    for repair in ({}, {"priority": 1}, {"payload": 1}, {"category": "service"}):
        wrong |= repair
        order.append(refused(wrong, b"other", 800))
    wrong["variants"] = [{"id": "a", "channel": "sms"}]
    order.append(refused(wrong, b"other", 800))
    expected = [*get_args(Reason)[:6]]
    assert [rejected.reason for rejected in order] == expected
    assert decoded(wrong, key=b"p-42").candidate.category == "service"


def test_unknown_names_are_shown_with_the_nearest_known() -> None:
    near = refused(SHORT | {"category": "promotion"})
    assert near.detail == "category: `promotion` is not in the policy, did you mean `promotional`?"
    odd = refused(SHORT | {"channel": "e\nmail\u2028"})
    assert odd.detail.startswith("variants.0.channel: this name is not in the policy")


def test_a_null_channel_or_null_variants_are_as_if_they_were_left_out() -> None:
    several = decoded(CANDIDATE | {"channel": None}).candidate
    assert several == decoded(CANDIDATE).candidate
    assert decoded(SHORT | {"variants": None}).candidate == decoded(SHORT).candidate
    assert refused(SHORT | {"channel": None}).detail == "variants: is missing"


def test_what_a_sender_says_besides_in_its_own_way_costs_no_complaint() -> None:
    told = {"id": "f", "message": "m", "person": "p", "at": "2026-05-05T10:00:00Z"}
    for detail in ("too_late", {"smtp": 550}, ["a"], 7, None):
        fact = {**told, "kind": "complained", "detail": detail}
        assert decode_fact("feedback", json.dumps(fact).encode(), (), None, AT).fact.person == "p"


def test_a_null_key_is_no_mismatch() -> None:
    assert decoded(SHORT, key=None).raw == SHORT
    assert refused(SHORT, key=b"").reason == "key_mismatch"


@pytest.mark.parametrize(("ahead", "future"), [(5 * MINUTE, False), (5 * MINUTE + 1, True)])
def test_a_candidate_from_more_than_five_minutes_ahead_is_marked(
    ahead: int, *, future: bool
) -> None:
    assert decoded(SHORT, at=AT - ahead).future is future


@pytest.mark.parametrize("kind", FACTS)
def test_facts_of_the_contract_are_read(kind: FactKind) -> None:
    told = decode_fact(kind, encode(FACTS[kind]), (), b"p-42", AT)
    assert (told.fact.person, told.fact.at, told.record_at) == ("p-42", AT, AT)


@pytest.mark.parametrize("kind", FACTS)
def test_only_a_review_may_be_keyed_otherwise_than_by_its_person(kind: FactKind) -> None:
    if kind == "review":
        assert decode_fact(kind, encode(REVIEW), (), b"a-pseudonym", AT).fact.person == "p-42"
        return
    with pytest.raises(Rejected, match="key_mismatch"):
        decode_fact(kind, encode(FACTS[kind]), (), b"p-43", AT)


def test_a_fact_can_be_oversized_too() -> None:
    with pytest.raises(Rejected, match="oversized: value: has"):
        decode_fact("feedback", encode(FEEDBACK), (), b"p-43", AT, 10)
    with pytest.raises(Rejected, match="oversized"):
        decode_control(encode(CONTROL), (), AT, 10)


LOOSENING = [("grant", True), ("unobject", True), ("resume", True), ("pause", False)]
LOOSENING += [("object", False), ("withdraw", False), ("refuse", False)]


@pytest.mark.parametrize(("action", "loosens"), LOOSENING)
def test_from_the_future_consent_only_tightens(action: str, *, loosens: bool) -> None:
    value = encode(CONSENT | {"action": action})
    early = AT - 5 * MINUTE - 1
    assert decode_fact("consent", value, (), None, early + 1).fact.at == AT
    if loosens:
        with pytest.raises(Rejected, match="future_time"):
            decode_fact("consent", value, (), None, early)
    else:
        assert decode_fact("consent", value, (), None, early).fact.at == early


@pytest.mark.parametrize(
    ("action", "loosens"), [("pause", False), ("stop", False), ("resume", True), ("start", True)]
)
def test_from_the_future_control_only_tightens(action: str, *, loosens: bool) -> None:
    value = encode(CONTROL | {"action": action})
    early = AT - 5 * MINUTE - 1
    assert decode_control(value, (), early + 1).at == AT
    if loosens:
        with pytest.raises(Rejected, match="future_time"):
            decode_control(value, (), early)
    else:
        assert decode_control(value, (), early).at == early


@pytest.mark.parametrize("kind", ["cancellation", "feedback", "profile", "review"])
def test_other_facts_from_the_future_apply_with_their_records_time(kind: FactKind) -> None:
    early = AT - 5 * MINUTE - 1
    told = decode_fact(kind, encode(FACTS[kind]), (), None, early)
    assert (told.fact.at, told.record_at) == (early, early)


def test_a_misspelt_scope_is_refused_rather_than_taken_for_everything() -> None:
    with pytest.raises(Rejected, match=r"scope.campain: is not known here"):
        decode_control(encode(CONTROL | {"scope": {"campain": "x"}}), (), AT)


def test_an_event_is_read_as_its_record_is() -> None:
    at = format_instant(AT)
    assert decode_event("candidate", CANDIDATE, AT, POLICY) == decoded(CANDIDATE)
    assert decode_event("control", CONTROL, AT, POLICY) == decode_control(encode(CONTROL), (), AT)
    for kind, fact in FACTS.items():
        name: Any = kind
        read = decode_event(name, fact | {"at": at}, AT, POLICY)
        assert read == decode_fact(name, encode(fact), (), None, AT)
    with pytest.raises(Rejected, match="unknown_channel"):
        decode_event("candidate", SHORT | {"channel": "fax"}, AT, POLICY)
    with pytest.raises(Rejected, match="undecodable"):
        decode_event("candidate", [], AT, POLICY)
    with pytest.raises(Rejected, match="future_time"):
        decode_event("consent", CONSENT, AT - 6 * MINUTE, POLICY)


def cloud_event(data: Any) -> CloudEvent:
    attributes = {"type": "anything", "source": "/engine", "id": "1", "specversion": "1.0"}
    attributes["datacontenttype"] = "application/json"
    return CloudEvent(attributes=attributes, data=data)


def test_cloud_events_of_both_modes_give_what_bare_json_gives() -> None:
    bare = decoded(CANDIDATE)
    for write in (to_binary, to_structured):
        for data in (CANDIDATE, encode(CANDIDATE)):
            message = write(cloud_event(data), JSONFormat())
            headers = list(message.headers.items())
            assert decode_candidate(message.value, headers, None, AT, POLICY) == bare


def test_the_content_type_alone_tells_a_structured_event() -> None:
    envelope = {"specversion": "1.0", "data": SHORT}
    for name, media in [
        ("Content-Type", b"Application/CloudEvents+JSON; charset=UTF-8"),
        ("content-type", b"application/cloudevents+json"),
    ]:
        assert unwrap(encode(envelope), [(name, media)]) == SHORT
    assert unwrap(encode(envelope), [("content-type", b"application/json")]) == envelope


@pytest.mark.parametrize(
    "envelope",
    [
        {"specversion": "1.0"},
        {"specversion": "1.0", "data": None},
        {"specversion": "1.0", "data": "{}"},
        {"specversion": "0.3", "data": {}},
        {"data": {}},
        {"specversion": "1.0", "data": {}, "data_base64": "e30="},
        {"specversion": "1.0", "data_base64": "%%%"},
        {"specversion": "1.0", "data_base64": "\u00fc"},
        {"specversion": "1.0", "data_base64": 1},
        {"specversion": "1.0", "data_base64": base64.b64encode(b"{").decode()},
    ],
)
def test_a_structured_event_without_one_json_object_is_undecodable(envelope: Any) -> None:
    with pytest.raises(Rejected) as caught:
        unwrap(encode(envelope), STRUCTURED)
    assert caught.value.reason == "undecodable"


def test_a_batch_of_events_is_undecodable() -> None:
    with pytest.raises(Rejected, match="only `application/cloudevents"):
        unwrap(b"{}", [("content-type", b"application/cloudevents-batch+json")])


@given(st.binary() | json_values.map(encode), st.sampled_from([(), STRUCTURED]))
def test_any_bytes_are_read_or_refused(value: bytes, headers: Headers) -> None:
    try:
        decode_candidate(value, headers, None, AT, POLICY)
    except Rejected as rejected:
        assert_bounded(rejected)


@given(st.sampled_from([*get_args(FactKind), "candidate", "control"]), objects, st.data())
def test_any_object_is_read_or_refused(kind: EventKind, raw: dict[str, Any], data: Any) -> None:
    base = {"candidate": CANDIDATE, "control": CONTROL} | FACTS
    kept = data.draw(st.sets(st.sampled_from(sorted(base[kind]))))
    changed = raw | {name: base[kind][name] for name in kept}
    try:
        value = decode_event(kind, changed, AT, POLICY)
    except Rejected as rejected:
        assert_bounded(rejected)
    else:
        assert isinstance(value, Incoming | Told | model.Control)


def assert_bounded(rejected: Rejected) -> None:
    assert rejected.reason in get_args(Reason)
    assert rejected.detail.isprintable()
    assert 0 < len(rejected.detail) <= 500


SECRET = "Zoe.Example-1990"


def with_secrets(value: Any) -> Any:
    """Put the secret, as text or in something else, in the place of every value in turn."""
    for wrong in (SECRET, f"`{SECRET}` x", [SECRET], {"x": SECRET}, [{"attribute": [SECRET]}]):
        if isinstance(value, dict):
            for name, inner in value.items():
                yield value | {name: wrong}
                yield from (value | {name: changed} for changed in with_secrets(inner))
        elif isinstance(value, list):
            for index in range(len(value)):
                yield from (
                    [*value[:index], changed, *value[index + 1 :]]
                    for changed in with_secrets(value[index])
                )


@contextmanager
def suppress_rejections(said: list[str]) -> Iterator[None]:
    """Note what is said of a record that is refused."""
    try:
        yield
    except Rejected as rejected:
        said.append(str(rejected))


@pytest.mark.parametrize("kind", ["candidate", "control", *FACTS])
def test_no_value_of_a_record_is_in_what_is_said_of_it(kind: EventKind) -> None:
    base = {"candidate": CANDIDATE, "control": CONTROL} | FACTS
    said: list[str] = []
    for changed in with_secrets(base[kind]):
        with suppress_rejections(said):
            decode_event(kind, changed, AT, POLICY)
    assert len(said) > 3
    assert not [text for text in said if SECRET in text and not text.startswith("unknown_c")]


def test_a_field_whose_name_could_break_a_log_line_is_not_named() -> None:
    with pytest.raises(Rejected, match=r"invalid: groups\.\?: must be text"):
        decode_event("profile", FACTS["profile"] | {"groups": {"a\nb": 1}}, AT, POLICY)


def test_the_digest_does_not_see_how_a_value_is_written() -> None:
    one = digest64(parse(b'{"a":1,"b":[0,1e22,"x\\u0041",{"c":0.5,"d":null}]}'))
    for same in (
        b' { "b" : [ -0.0, 10000000000000000000000, "xA", {"d":null,"c":5e-1} ], "a" : 1.0 } ',
        b'{"a":1e0,"b":[0.0,1E+22,"xA",{"c":0.5,"d":null}]}',
    ):
        assert digest64(parse(same)) == one
    for other in (
        b'{"a":2,"b":[0,1e22,"xA",{"c":0.5,"d":null}]}',
        b'{"a":"1","b":[0,1e22,"xA",{"c":0.5,"d":null}]}',
        b'{"a":1,"b":[0,1e22,"xA",{"c":0.5}]}',
        b'{"a":1,"b":[1e22,0,"xA",{"c":0.5,"d":null}]}',
        b'{"a":true,"b":[0,1e22,"xA",{"c":0.5,"d":null}]}',
    ):
        assert digest64(parse(other)) != one


@given(objects)
def test_the_digest_is_that_of_the_value_and_fits_in_64_bits(raw: dict[str, Any]) -> None:
    finite = json.loads(json.dumps(raw).replace("Infinity", "0"))
    shuffled = dict(reversed(finite.items()))
    digest = digest64(finite)
    assert digest == digest64(shuffled) == digest64(parse(json.dumps(finite, indent=2).encode()))
    assert 0 <= digest < 1 << 64
    assert digest64(finite | {"one more": 1}) != digest


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70))
def test_equal_numbers_have_equal_digests(number: float) -> None:
    as_float = float(number)
    assert (digest64({"a": number}) == digest64({"a": as_float})) == (number == as_float)


def test_the_digest_stays_what_it_is() -> None:
    """What waits or is in the log carries digests; they must survive an upgrade."""
    assert digest64(CANDIDATE) == 3262991922833812500
