"""A household as bytes comes back as it was; what cannot be read is refused, never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.core.household import Hold, Household, Slot
from governor.ledger.household_packing import pack_household, unpack_household
from governor.ledger.packing import UnreadableError

hashes = st.integers(0, 2**64 - 1)
moments = st.integers(-(2**40), 2**48)
words = st.text(max_size=8)
holds = st.none() | st.builds(Hold, person=words, message=hashes, until=moments)
slots = st.builds(
    Slot,
    id=hashes,
    at=moments,
    category=words,
    campaign=hashes,
    channel=words,
    topic=st.none() | hashes,
    seq=st.integers(0, 2**40),
    refunded=st.booleans(),
    hold=holds,
)
households = st.builds(
    Household, version=st.integers(1, 2**40), slots=st.lists(slots, max_size=5).map(tuple)
)


@given(households)
def test_every_field_of_a_household_comes_back_as_it_was(known: Household) -> None:
    again = unpack_household(pack_household(known))
    assert again == known
    # Equal is not enough: True equals 1.
    assert repr(again) == repr(known)


@given(households)
def test_its_version_is_where_the_script_looks_for_it(known: Household) -> None:
    assert pack_household(known)[1:9] == known.version.to_bytes(8, "big")


def test_fail_closed_a_record_that_cannot_be_read_is_no_empty_household() -> None:
    slot = Slot(1, 2, "promotional", 3, "mail", None, 4, hold=Hold("p", 5, 6))
    record = pack_household(Household(7, (slot,)))
    assert unpack_household(None) == Household()
    for end in range(len(record)):
        with pytest.raises(UnreadableError):
            unpack_household(record[:end])
    with pytest.raises(UnreadableError, match=r"format 2 .* reads format 1; run the version"):
        unpack_household(b"\2" + record[1:])
    with pytest.raises(UnreadableError, match="damaged"):
        unpack_household(record[:9] + b"\x91\x91\xa1x")
