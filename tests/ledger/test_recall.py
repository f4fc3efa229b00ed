from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from governor.core.standing import STRANGER, Entry, Standing
from governor.ledger.log_packing import LogPart, overlap, pack_log
from governor.ledger.packing import pack, unpack
from governor.ledger.protocol import Change
from governor.ledger.recall import Recall
from tests.ledger.clients import opened
from tests.ledger.people import NOW, entries, settled_person, standing, standings

replace = msgspec.structs.replace

# Few kinds of entries, so that logs have shapes and exposures in common.
kinds = st.builds(
    Entry,
    message=st.integers(1, 9),
    at=st.just(NOW),
    category=st.sampled_from(["promotional", "service", "own"]),
    campaign=st.just(7),
    channel=st.sampled_from(["email", "sms"]),
    topic=st.sampled_from([None, 3]),
    exposure=st.sampled_from([6.0, 7.5, 8.0]),
    seq=st.integers(0, 9),
    content=st.sampled_from([0, 0, 5]),
)
logs = st.lists(kinds | entries, max_size=6).map(tuple)


@st.composite
def one_and_the_next(draw: st.DrawFn) -> tuple[Standing, Standing]:
    """Draw a standing and one that keeps a part of its log and of what was suppressed."""
    known, after = draw(standings), draw(standings)
    log = draw(logs)
    first = draw(st.integers(0, len(log)))
    kept = list(log[first : draw(st.integers(first, len(log)))])
    if draw(st.booleans()) and kept:
        place = draw(st.integers(0, len(kept) - 1))
        kept[place] = replace(kept[place], settled=2)
    changed = draw(st.sets(st.sampled_from(Standing.__struct_fields__)))
    fields = {name: getattr(after, name) for name in changed}
    known = replace(known, log=log)
    log = (*kept, *draw(logs))
    judged = (*known.judged[draw(st.integers(0, 4)) :], *fields.pop("judged", ()))
    return known, replace(known, **fields | {"log": log, "judged": judged})


@given(one_and_the_next())
def test_a_record_made_from_an_earlier_one_holds_the_standing(
    both: tuple[Standing, Standing],
) -> None:
    known, after = both
    again = unpack(pack(after, known, pack(known)))
    assert repr(again) == repr(after)


@given(logs, st.integers(0, 6), logs)
def test_a_log_made_from_an_earlier_one_holds_nothing_that_no_entry_needs(
    log: tuple[Entry, ...], first: int, added: tuple[Entry, ...]
) -> None:
    after = (*log[first:], *added)
    before = pack_log(log, 20, LogPart(), 0, (0, 0))
    anew = pack_log(after, 21, LogPart(), 0, (0, 0))
    made = pack_log(after, 21, before, 20, overlap(log, after))
    assert set(made.shapes) == set(anew.shapes)
    assert set(made.weights) == set(anew.weights)
    assert made.fixed == anew.fixed
    assert len(made.places) == len(after)


def test_one_more_send_makes_the_very_record_that_would_be_made_of_all() -> None:
    known = settled_person()
    last = replace(known.log[-1], message=99, at=NOW, seq=known.version + 1)
    after = replace(known, version=known.version + 1, log=(*known.log, last))
    assert pack(after, known, pack(known)) == pack(after)


def test_what_was_written_or_read_is_not_taken_apart_again() -> None:
    recall = Recall()
    written = settled_person()
    record = recall.pack("a", written)
    assert recall.unpack("a", record) is written
    other = recall.unpack("b", bytes(record))
    assert other == written
    assert recall.unpack("b", bytes(record)) is other


def test_only_the_bytes_that_were_read_decide() -> None:
    recall = Recall()
    recall.pack("a", standing(1, NOW))
    assert recall.unpack("a", pack(standing(1))) == standing(1)
    assert recall.unpack("a", pack(standing(2, NOW))) == standing(2, NOW)
    assert recall.unpack("a", None) == STRANGER
    # Also where the version is the same, as of a commit that was lost.
    assert unpack(recall.pack("a", settled_person())) == settled_person()


def test_who_came_up_longest_ago_is_forgotten_first() -> None:
    recall = Recall(people=2)
    known = {key: recall.unpack(key, pack(settled_person())) for key in "ab"}
    assert recall.unpack("a", pack(settled_person())) is known["a"]
    recall.unpack("c", pack(settled_person()))
    assert recall.unpack("a", pack(settled_person())) is known["a"]
    assert recall.unpack("b", pack(settled_person())) is not known["b"]


def test_what_is_remembered_has_a_size_that_it_does_not_pass() -> None:
    record = pack(settled_person())
    recall = Recall(size=3 * len(record))
    known = {key: recall.unpack(key, record) for key in "cab"}
    for version in range(10, 15):
        recall.pack("c", replace(settled_person(), version=version))
        assert all(recall.unpack(key, record) is known[key] for key in "ab")
    recall.unpack("d", record)
    assert recall.unpack("b", record) is known["b"]
    assert recall.unpack("c", record) is not known["c"]
    assert recall.unpack("a", record) is not known["a"]


async def test_what_somebody_else_has_written_is_what_is_loaded(redis_url: str) -> None:
    async with opened(redis_url) as mine, opened(redis_url) as theirs:
        known = replace(settled_person(), version=1)
        assert await mine.commit([Change("a", 0, known)]) == [True]
        [_, [loaded]] = await theirs.load(["a"])
        after = replace(loaded, version=2, log=loaded.log[1:])
        assert await theirs.commit([Change("a", 1, after)]) == [True]
        # A commit that comes to nothing leaves nothing behind either.
        assert await mine.commit([Change("a", 1, replace(known, version=2))]) == [False]
        assert (await mine.load(["a"]))[1] == [after]
