from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.core.standing import Standing
from governor.ledger.put_by import PutBy
from tests.ledger.people import settled_person, standings

replace = msgspec.structs.replace


def person(version: int, sends: int = 5) -> Standing:
    known = settled_person((6.0,) * sends)
    return replace(known, version=version)


@given(st.lists(st.tuples(st.sampled_from("abcde"), standings), max_size=12), st.integers(0, 20))
def test_everybody_is_found_as_they_were_put_however_little_is_kept_as_it_is(
    rows: list[tuple[str, Standing]], most: int
) -> None:
    kept, expected = PutBy(most), dict[str, Standing]()
    for key, standing in rows:
        kept.put(key, standing)
        expected[key] = standing
        assert repr(kept[key]) == repr(standing)
    assert len(kept) == len(expected)
    assert sorted(kept) == sorted(expected)
    for key, standing in expected.items():
        assert repr(kept[key]) == repr(standing)


def test_who_is_not_known_is_not_made_up() -> None:
    kept = PutBy(0)
    assert kept.get("a") is None
    with pytest.raises(KeyError):
        kept["a"]
    assert len(kept) == 0


def test_who_was_put_longest_ago_is_packed_first() -> None:
    kept = PutBy(30)
    known = {key: person(9) for key in "abc"}
    for key, standing in known.items():
        kept.put(key, standing)
    assert all(kept[key] is standing for key, standing in known.items())
    kept.put("a", known["a"])
    kept.put("d", person(9))
    assert [kept[key] is known[key] for key in "ac"] == [True, True]
    assert kept["b"] is not known["b"]
    assert kept["b"] == known["b"]


def test_the_room_that_somebody_took_is_free_again_when_they_take_less() -> None:
    kept = PutBy(30)
    known = {key: person(9) for key in "ab"}
    for key, standing in known.items():
        kept.put(key, standing)
    for _ in range(5):
        kept.put("c", person(9, sends=10))
        kept.put("c", person(9, sends=1))
        for key, standing in known.items():
            kept.put(key, standing)
    kept.put("c", person(9, sends=5))
    assert all(kept[key] is standing for key, standing in known.items())
