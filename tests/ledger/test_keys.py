from __future__ import annotations

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.ledger.keys import (
    DERIVED,
    Pseudonyms,
    SealedError,
    Sealer,
    looks_like_pseudonym,
    payload_keys,
    read_key,
)

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
FIRST, SECOND = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def test_a_pseudonym_is_the_same_on_every_worker_and_another_under_another_key() -> None:
    assert Pseudonyms(KEY).of("p-42") == Pseudonyms(KEY).of("p-42")
    assert Pseudonyms(KEY).of("p-42") != Pseudonyms(OTHER).of("p-42")


def test_a_pseudonym_never_changes_between_releases() -> None:
    # What stands here is in people's ledgers: a change of it loses every standing.
    assert Pseudonyms(KEY).of("p-42") == "p_DCzs1q2vJpNjnRSRmIfwEA"
    assert Pseudonyms(KEY).decision_id("p-42", "m-1", 1) == "d-y5OKvE1XFXbkbHNdsyP1wg"
    assert Pseudonyms(None).decision_id("p-42", "m-1", 1) == "d-dQ9_TbLcL5yZ5n76CyvvVA"


@given(st.text(max_size=64))
def test_a_pseudonym_looks_like_one_and_does_not_show_the_person(person: str) -> None:
    name = Pseudonyms(KEY).of(person)
    assert looks_like_pseudonym(name)
    assert len(name) == 24
    assert len(person) < 4 or person not in name


@pytest.mark.parametrize("text", ["", "p-42", "p_42", "p_" + "A" * 21, "p_" + "A" * 21 + "B"])
def test_other_names_do_not_look_like_a_pseudonym(text: str) -> None:
    assert not looks_like_pseudonym(text)


def test_without_a_key_people_keep_their_names() -> None:
    assert Pseudonyms(None).of("p-42") == "p-42"


def test_a_short_pseudonym_key_is_refused() -> None:
    with pytest.raises(ValueError, match="has 5 bytes; it must have 32"):
        Pseudonyms(b"short")


def test_decision_ids_differ_by_person_message_and_attempt() -> None:
    names = Pseudonyms(KEY)
    parts = [("a", "b", 1), ("a", "b", 2), ("ab", "", 1), ("", "ab", 1), ("a", "b1", 1)]
    assert len({names.decision_id(*part) for part in parts}) == len(parts)
    assert names.decision_id("a", "b", 1) == Pseudonyms(KEY).decision_id("a", "b", 1)


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_what_is_sealed_opens_with_the_same_context(plain: bytes, context: bytes) -> None:
    sealer = Sealer({"k1": KEY}, "k1")
    sealed = sealer.seal(plain, context)
    assert sealer.open(sealed, context) == plain
    assert sealed != sealer.seal(plain, context)
    assert len(plain) < 4 or plain not in sealed


def test_what_is_sealed_does_not_open_in_another_place() -> None:
    sealer = Sealer({"k1": KEY}, "k1")
    sealed = sealer.seal(b"body", b"p_1|m-1")
    with pytest.raises(SealedError, match=r"`k1`.*does not open"):
        sealer.open(sealed, b"p_1|m-2")


def test_not_one_bit_of_what_is_sealed_may_change() -> None:
    sealer = Sealer({"k1": KEY}, "k1")
    sealed = sealer.seal(b"body", b"")
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        with pytest.raises(SealedError):
            sealer.open(bytes(altered), b"")
    for end in range(len(sealed)):
        with pytest.raises(SealedError):
            sealer.open(sealed[:end], b"")


def test_what_an_older_key_sealed_opens_until_that_key_is_removed() -> None:
    old = Sealer({"k1": KEY}, "k1").seal(b"body", b"")
    rotated = Sealer({"k2": OTHER, "k1": KEY}, "k2")
    assert rotated.open(old, b"") == b"body"
    assert rotated.seal(b"body", b"")[1:3] == b"k2"
    with pytest.raises(SealedError, match="the key `k1`, which is none of `k2`; put it back"):
        Sealer({"k2": OTHER}, "k2").open(old, b"")


def test_without_a_setting_the_payload_key_comes_from_the_pseudonym_key() -> None:
    keys, current = payload_keys(KEY, None)
    assert current == DERIVED
    assert keys == payload_keys(KEY, " ")[0]
    assert keys != payload_keys(OTHER, None)[0]
    assert keys[DERIVED] != KEY


def test_of_the_set_payload_keys_the_first_seals_and_the_derived_one_still_opens() -> None:
    waits = Sealer(*payload_keys(KEY, None)).seal(b"body", b"")
    keys, current = payload_keys(KEY, f"k2:{SECOND}, k1:{FIRST}")
    assert current == "k2"
    assert list(keys) == ["k2", "k1", DERIVED]
    assert Sealer(keys, current).open(waits, b"") == b"body"


def test_all_defects_of_the_payload_keys_are_told_at_once_and_no_key_is_shown() -> None:
    with pytest.raises(ValueError) as caught:
        payload_keys(KEY, f"k1:{FIRST},k1:{SECOND},nothing,k3:AAAA,k4:?,derived:{FIRST}")
    told = str(caught.value).splitlines()
    assert [line.split(":")[1].strip()[:5] for line in told] == [f"key {n}" for n in range(2, 7)]
    assert "the id `k1` is there twice" in told[0]
    assert "write it as `id:base64`" in told[1]
    assert "has 3 bytes and needs 32" in told[2]
    assert "is not base64" in told[3]
    assert FIRST not in str(caught.value)


def test_a_key_is_read_from_either_alphabet_of_base64() -> None:
    key = os.urandom(30) + b"\xff\xfe"
    assert read_key(base64.b64encode(key).decode() + "\n", "X") == key
    assert read_key(base64.urlsafe_b64encode(key).decode(), "X") == key
