from __future__ import annotations

import msgspec
import pytest
from hypothesis import given

from governor.core.standing import STRANGER, ControlState, LearnedComfort, Standing
from governor.ledger.packing import (
    UnreadableError,
    pack,
    pack_control,
    pack_version,
    peek,
    unpack,
    unpack_control,
)
from governor.ledger.protocol import earliest_wake
from tests.ledger.people import control_states, settled_person, standing, standings


@given(standings)
def test_every_field_of_a_standing_comes_back_as_it_was(known: Standing) -> None:
    again = unpack(pack(known))
    assert again == known
    # Equal is not enough: True equals 1, and a list would not equal a tuple in another place.
    assert repr(again) == repr(known)


@given(control_states)
def test_a_control_state_comes_back_as_it_was(state: ControlState) -> None:
    assert unpack_control(pack_control(state)) == state


def test_what_is_not_there_is_a_stranger_and_no_control() -> None:
    assert unpack(None) == STRANGER
    assert unpack_control(None) == ControlState()
    assert peek(None) == (0, None)


@given(standings)
def test_the_head_tells_version_and_earliest_wake_without_unpacking(known: Standing) -> None:
    record = pack(known)
    assert record[1:9] == known.version.to_bytes(8, "big")
    wake = earliest_wake(known)
    assert peek(record) == (known.version, None if wake is None else max(wake, 0))


def test_the_version_of_a_stranger_is_no_bytes() -> None:
    assert pack_version(0) == b""
    assert pack_version(258) == b"\0\0\0\0\0\0\1\2"


@pytest.mark.parametrize("known", [settled_person(), standing(3, 5)], ids=["settled", "waiting"])
def test_another_format_is_refused_with_what_to_do(known: Standing) -> None:
    record = bytearray(pack(known))
    record[0] += 1
    with pytest.raises(UnreadableError, match=r"format 4 .* reads format 3; run the version"):
        unpack(bytes(record))
    with pytest.raises(UnreadableError, match="format 4"):
        peek(bytes(record))
    with pytest.raises(UnreadableError, match="format 4"):
        unpack_control(bytes(record))


@pytest.mark.parametrize("kept", [0, 1, 8, 9, 20, 100])
def test_a_record_that_was_cut_is_refused(kept: int) -> None:
    with pytest.raises(UnreadableError, match="record is damaged"):
        unpack(pack(settled_person())[:kept])


def test_a_settled_person_takes_little_room_whatever_the_exposures() -> None:
    alike = len(pack(settled_person()))
    different = len(pack(settled_person((6.0, 7.04256, 8.1001, 9.33333333, 10.1))))
    print(f"a settled person: {alike} bytes, with five different exposures {different}")
    assert alike <= 280
    assert different <= 314  # the largest that fits Redis's block of 320


def test_what_was_learned_takes_little_room_and_nothing_where_there_is_none() -> None:
    known = settled_person()
    at = 1_778_000_000_123
    for count in (0, 1, 8):
        comfort = LearnedComfort(0.679, at, ((at, 2**63),) * count)
        learned = msgspec.structs.replace(known, learned=comfort)
        assert len(pack(learned)) - len(pack(known)) <= 27 + 19 * count


def test_what_was_learned_before_lessons_were_remembered_one_by_one_is_still_read() -> None:
    known = msgspec.structs.replace(settled_person(), learned=LearnedComfort(0.679, 1, ((1, 2),)))
    record = pack(known)
    before = bytes([record[0] - 1]) + record[1:].replace(b"\x01\x91\x92\x01\x02", b"\x01")
    before = before.replace(b"\x93\xcb\x3f\xe5", b"\x92\xcb\x3f\xe5")
    assert len(before) == len(record) - 4
    read = unpack(before)
    assert read == msgspec.structs.replace(known, learned=LearnedComfort(0.679, 1))


def test_sends_alike_are_written_once() -> None:
    known = settled_person()
    longer = msgspec.structs.replace(known, log=known.log * 20)
    per_send = (len(pack(longer)) - len(pack(known))) / 95
    assert per_send < 42
