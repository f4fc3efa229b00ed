"""The bookkeeping of a worker's partitions and the order in which it hands out, without Kafka."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.stream.assignment import Assignment, Seen
from governor.stream.fetch import Lane, Partition
from governor.stream.order import LaneOrder, RecordOrder, merge, placed
from governor.stream.watchdog import LagWatch, Repeats, StuckError, coordination_fault

CONSENTS, CODES, OFFERS = Partition("consents", 0), Partition("codes", 0), Partition("offers", 0)
LANES = {"consents": Lane.FIRST, "codes": Lane.URGENT, "offers": Lane.CANDIDATES}


class Written(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def written(of: Partition, *offsets: int) -> list[Written]:
    return [Written(*of, offset) for offset in offsets]


def timed(of: Partition, *timestamps: int) -> list[Written]:
    return [Written(*of, offset, at) for offset, at in enumerate(timestamps)]


def owning(*partitions: Partition, committed: int | None = 0) -> Assignment:
    assignment = Assignment()
    assignment.begin(dict.fromkeys(partitions, committed), now=100.0)
    return assignment


# --- what is applied and committed


def test_only_the_prefix_without_a_hole_is_committed() -> None:
    assignment = owning(OFFERS)
    assignment.admit({OFFERS: written(OFFERS, *range(30))}, {}, 101.0)
    fetches = [
        assignment.hand_out("offers", written(OFFERS, *range(at, at + 10))) for at in (0, 10, 20)
    ]
    assert assignment.acknowledge(fetches[1])
    assert assignment.committable() == {}
    assert assignment.acknowledge(fetches[0])
    assert assignment.committable() == {OFFERS: 20}
    assignment.committed({OFFERS: 20})
    assert assignment.committable() == {}
    assert assignment.acknowledge(fetches[2])
    assert assignment.committable() == {OFFERS: 30}


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_nothing_lost_whatever_the_order_of_acknowledgements(
    order: list[int], failed: set[int]
) -> None:
    assignment = owning(OFFERS, CODES)
    fetches = []
    for at in range(6):
        both = {each: written(each, at) for each in (OFFERS, CODES)}
        assignment.admit(both, {}, 101.0)
        fetches.append(assignment.hand_out("all", both[OFFERS] + both[CODES]))
    for number in order:
        (assignment.abandon if number in failed else assignment.acknowledge)(fetches[number])
    expected = min(failed, default=6)
    assert assignment.committable() == ({OFFERS: expected, CODES: expected} if expected else {})


def test_records_that_came_before_are_cut_and_gaps_are_passed_over() -> None:
    assignment = owning(OFFERS)
    first = assignment.admit({OFFERS: written(OFFERS, 0, 1, 2)}, {}, 101.0)
    again = assignment.admit({OFFERS: written(OFFERS, 1, 2, 3)}, {}, 102.0)
    later = assignment.admit({OFFERS: written(OFFERS, 9)}, {}, 103.0)
    assert [record.offset for record in first[OFFERS]] == [0, 1, 2]
    assert [record.offset for record in again[OFFERS]] == [3]
    assert [record.offset for record in later[OFFERS]] == [9]


def test_a_fetch_of_a_lost_partition_no_longer_counts() -> None:
    assignment = owning(OFFERS)
    assignment.admit({OFFERS: written(OFFERS, 0, 1)}, {}, 101.0)
    begun = assignment.hand_out("offers", written(OFFERS, 0))
    waiting = assignment.hand_out("offers", written(OFFERS, 1))
    assert begun.start()
    assignment.drop_unstarted()
    assert begun.alive
    assert not waiting.start()
    assert assignment.acknowledge(begun)
    assert not assignment.acknowledge(waiting)
    assert assignment.committable() == {OFFERS: 1}
    assignment.clear()
    assert assignment.committable() == {}


def test_after_a_rewind_what_was_not_applied_is_taken_again() -> None:
    assignment = owning(OFFERS)
    assignment.admit({OFFERS: written(OFFERS, 0, 1, 2, 3)}, {}, 101.0)
    done = assignment.hand_out("offers", written(OFFERS, 0, 1))
    assignment.hand_out("offers", written(OFFERS, 2, 3))
    assignment.acknowledge(done)
    assignment.rewind()
    assert assignment[OFFERS].applied_to == 2
    again = assignment.admit({OFFERS: written(OFFERS, 2, 3)}, {}, 102.0)
    assert [record.offset for record in again[OFFERS]] == [2, 3]


@pytest.mark.parametrize(
    ("found", "position"),
    [((0, 1, 2), 3), ((0, 1, 2, 3, 4, 5), 6), ((), 0)],
    ids=["shorter", "as long by now", "empty"],
)
def test_nothing_lost_a_log_that_ends_before_what_was_read_is_read_from_its_start(
    found: tuple[int, ...], position: int
) -> None:
    """The client was sent back: the topic was made anew, or its end was lost."""
    assignment = owning(OFFERS, CODES)
    both = {each: written(each, 0, 1, 2, 3) for each in (OFFERS, CODES)}
    assignment.admit(both, {}, 101.0)
    assignment.acknowledge(assignment.hand_out("all", both[OFFERS][:2] + both[CODES][:2]))
    begun = assignment.hand_out("all", both[OFFERS][2:] + both[CODES][2:])
    batches = {OFFERS: written(OFFERS, *found)} if found else {}
    seen = {OFFERS: Seen(position, position, 1), CODES: Seen(4, 4, 1)}
    assert assignment.begin_again(batches, seen) == [OFFERS]
    assert not assignment.acknowledge(begun)
    assert assignment.committable() == {CODES: 2}
    admitted = assignment.admit({OFFERS: written(OFFERS, 0, 1, 2)}, {}, 102.0)
    assert [record.offset for record in admitted[OFFERS]] == [0, 1, 2]


def test_a_log_that_goes_on_is_not_begun_again() -> None:
    assignment = owning(OFFERS, CODES)
    assignment.admit({OFFERS: written(OFFERS, 0, 1)}, {}, 101.0)
    seen = {OFFERS: Seen(2, 2, 1), CODES: Seen(None, None, None)}
    assert assignment.begin_again({}, seen) == []
    assert assignment.begin_again({OFFERS: written(OFFERS, 2)}, {OFFERS: Seen(3, 3, 1)}) == []
    assert assignment.begin_again({OFFERS: written(OFFERS, 7)}, {OFFERS: Seen(8, 8, 1)}) == []
    assert assignment[OFFERS].fetched == 2


def test_a_partition_without_a_commit_starts_at_its_first_record() -> None:
    assignment = owning(OFFERS, committed=None)
    assert assignment[OFFERS].applied_to is None
    assignment.admit({OFFERS: written(OFFERS, 7, 8)}, {}, 101.0)
    assert assignment.committable() == {}
    assignment.acknowledge(assignment.hand_out("offers", written(OFFERS, 7, 8)))
    assert assignment.committable() == {OFFERS: 9}


# --- how fresh it is


def fresh_at(assignment: Assignment) -> float | None:
    return assignment[CONSENTS].caught_up_at


def test_a_partition_is_fresh_as_of_the_answer_whose_records_are_all_applied() -> None:
    assignment = owning(CONSENTS)
    assignment.admit({}, {CONSENTS: Seen(0, None, None)}, 101.0)
    assert assignment[CONSENTS].caught_up_at is None
    assignment.admit({}, {CONSENTS: Seen(0, 0, stamp=1)}, 102.0)
    assert fresh_at(assignment) == 101.0
    new = written(CONSENTS, 0, 1)
    assignment.admit({CONSENTS: new}, {CONSENTS: Seen(2, 2, stamp=2)}, 105.0)
    assert fresh_at(assignment) == 101.0
    assert assignment[CONSENTS].lag == 2
    assignment.acknowledge(assignment.hand_out("first", new))
    assert fresh_at(assignment) == 102.0
    assert assignment[CONSENTS].lag == 0


def test_a_steady_flow_is_as_fresh_as_what_is_applied_of_it() -> None:
    assignment = owning(CONSENTS)
    handed_out = []
    for number in range(5):
        new, now = written(CONSENTS, number), 101.0 + number
        assignment.admit({CONSENTS: new}, {CONSENTS: Seen(number + 1, number + 1, number)}, now)
        handed_out.append(assignment.hand_out("first", new))
        if number:
            assignment.acknowledge(handed_out[number - 1])
            assert fresh_at(assignment) == now - 2
            assert assignment[CONSENTS].lag == 1


def test_a_backlog_is_not_fresh_while_it_is_worked_off() -> None:
    assignment = owning(CONSENTS)
    for number in range(5):
        new, now = written(CONSENTS, number), 101.0 + number
        assignment.admit({CONSENTS: new}, {CONSENTS: Seen(number + 1, 500, number)}, now)
        assignment.acknowledge(assignment.hand_out("first", new))
    assert fresh_at(assignment) is None


def test_an_answer_that_does_not_come_makes_nothing_fresh() -> None:
    assignment = owning(CONSENTS)
    assignment.admit({}, {CONSENTS: Seen(0, 0, stamp=1)}, 101.0)
    for now in (102.0, 110.0, 150.0):
        assignment.admit({}, {CONSENTS: Seen(0, 0, stamp=1)}, now)
    assert assignment[CONSENTS].caught_up_at == 100.0


def test_offsets_without_records_do_not_count_as_lag_once_they_are_passed() -> None:
    assignment = owning(CONSENTS)
    assignment.admit({}, {CONSENTS: Seen(5, 5, stamp=1)}, 101.0)
    assert assignment[CONSENTS].lag == 0
    assert assignment[CONSENTS].applied == 5


# --- restrictive inputs first


class Counter:
    """A desk of which a test turns the wheels."""

    def __init__(self, assigned: Assignment, ends: Mapping[Partition, int] | None = None) -> None:
        self.assigned = assigned
        self._ends = ends or {}

    async def until(self, reached: Callable[[], bool]) -> None:
        while not reached():  # noqa: ASYNC110 - what it waits for is a plain value
            await asyncio.sleep(0)

    async def ends(self, partitions: Iterable[Partition]) -> Mapping[Partition, int]:
        return {each: self._ends[each] for each in partitions}


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_candidate_waits_for_what_the_broker_held_in_the_lanes_before() -> None:
    assignment = owning(CONSENTS, CODES, OFFERS)
    order = LaneOrder(LANES)
    consents, offers = written(CONSENTS, 0, 1), written(OFFERS, 0)
    assignment.admit({}, {CODES: Seen(0, 0, stamp=1)}, 101.0)
    order.add("candidates", assignment.admit({OFFERS: offers}, {}, 101.0))
    taking = asyncio.ensure_future(order.take("candidates", Counter(assignment)))
    await turns()
    assert not taking.done(), "nothing is known of the consents yet"
    assignment.heard({CONSENTS: Seen(None, 2, stamp=1)}, 102.0)
    assignment.admit({CONSENTS: consents}, {CONSENTS: Seen(2, 2, stamp=1)}, 102.0)
    fetch = assignment.hand_out("first", consents)
    await turns()
    assert not taking.done(), "two consents are known and not applied"
    assignment.heard({CONSENTS: Seen(None, 9, stamp=2)}, 103.0)
    assignment.acknowledge(fetch)
    await turns()
    assert taking.done(), "what arrives later holds nothing back"
    assert await taking == offers


async def test_the_first_lane_waits_for_nothing() -> None:
    assignment = owning(CONSENTS, CODES, OFFERS)
    order = LaneOrder(LANES)
    order.add("first", assignment.admit({CONSENTS: written(CONSENTS, 0)}, {}, 101.0))
    assert await order.take("first", Counter(assignment)) == written(CONSENTS, 0)
    assert await order.take("first", Counter(assignment)) == ()


def test_each_channel_fetches_its_own_lane() -> None:
    order = LaneOrder(LANES)
    assert order.channels == ("first", "urgent", "candidates")
    wanted = [order.wanted(channel, [OFFERS, CODES, CONSENTS]) for channel in order.channels]
    assert wanted == [[CONSENTS], [CODES], [OFFERS]]


# --- the record clock


def merged(
    buffers: Mapping[Partition, list[Written]], holding: Iterable[Partition] = ()
) -> list[Any]:
    kept = {of: list(placed(records, LANES[of.topic])) for of, records in buffers.items()}
    return [record for _, record in merge(kept, holding)]


def at_of(records: Iterable[Any]) -> list[tuple[str, int]]:
    return [(record.topic, record.timestamp) for record in records]


def test_records_go_in_the_order_of_their_time_and_of_their_lane() -> None:
    buffers = {
        OFFERS: timed(OFFERS, 1, 3, 3),
        CODES: timed(CODES, 3),
        CONSENTS: timed(CONSENTS, 2, 3),
    }
    assert at_of(merged(buffers)) == [
        ("offers", 1),
        ("consents", 2),
        ("consents", 3),
        ("codes", 3),
        ("offers", 3),
        ("offers", 3),
    ]


def test_a_partition_with_more_to_come_holds_back_its_last_moment_and_what_is_behind() -> None:
    buffers = {CONSENTS: timed(CONSENTS, 2, 5), OFFERS: timed(OFFERS, 1, 5, 6)}
    assert at_of(merged(buffers, [CONSENTS])) == [("offers", 1), ("consents", 2)]
    assert len(merged(buffers)) == 5


async def test_a_moment_is_handed_out_whole_however_large_it_is() -> None:
    assignment = owning(CONSENTS, OFFERS)
    order = RecordOrder(LANES, limit=2, piece=2)
    desk = Counter(assignment, {OFFERS: 20, CONSENTS: 20})
    offers, consents = timed(OFFERS, *[1] * 19, 2), timed(CONSENTS, *[1] * 19, 2)
    for known in range(0, 20, 5):
        some = slice(known, known + 5)
        fetched = {OFFERS: offers[some], CONSENTS: consents[some]}
        seen = dict.fromkeys(fetched, Seen(known + 5, 20, 1))
        assert order.wanted("merged", assignment) == [CONSENTS, OFFERS]
        assert not await order.take("merged", desk)
        order.add("merged", assignment.admit(fetched, seen, 1))
    assert await order.take("merged", desk) == [*consents[:19], *offers[:19]]
    assert await order.take("merged", desk) == [consents[19], offers[19]]


def test_nothing_goes_while_a_partition_with_more_to_come_is_unknown() -> None:
    assert merged({OFFERS: timed(OFFERS, 1)}, [CONSENTS]) == []


def test_a_clock_that_steps_back_does_not_turn_a_partition_around() -> None:
    buffers = {OFFERS: timed(OFFERS, 5, 3, 9), CODES: timed(CODES, 4)}
    assert [(record.topic, record.offset) for record in merged(buffers)] == [
        ("codes", 0),
        ("offers", 0),
        ("offers", 1),
        ("offers", 2),
    ]


STREAMS = st.lists(st.lists(st.integers(0, 20), max_size=8), min_size=3, max_size=3)


@given(STREAMS, st.lists(st.integers(0, 8), min_size=3, max_size=3))
def test_the_merge_is_the_same_however_the_records_arrive(
    clocks: list[list[int]], known: list[int]
) -> None:
    parts = (CONSENTS, CODES, OFFERS)
    whole = {of: timed(of, *sorted(clock)) for of, clock in zip(parts, clocks, strict=True)}
    expected = merged(whole)
    reach = {of: min(count, len(whole[of])) for of, count in zip(parts, known, strict=True)}
    taken: list[Any] = []
    gone = dict.fromkeys(parts, 0)
    while len(taken) < len(expected):
        holding = [of for of in parts if reach[of] < len(whole[of])]
        out = merged({of: whole[of][gone[of] : reach[of]] for of in parts}, holding)
        for record in out:
            gone[Partition(record.topic, record.partition)] += 1
        taken += out
        if not out:
            for of in holding:
                reach[of] += 1
    assert taken == expected


async def test_a_replay_asks_the_broker_whether_more_is_to_come() -> None:
    assignment = owning(CONSENTS, OFFERS)
    order = RecordOrder(LANES, limit=10, piece=10)
    offers = timed(OFFERS, 1, 2)
    admitted = assignment.admit(
        {OFFERS: offers}, {OFFERS: Seen(2, 2, 1), CONSENTS: Seen(0, 0, 1)}, 1
    )
    order.add("merged", admitted)
    assert await order.take("merged", Counter(assignment, {OFFERS: 2, CONSENTS: 1})) == []
    assert await order.take("merged", Counter(assignment, {OFFERS: 2, CONSENTS: 0})) == offers
    assert await order.take("merged", Counter(assignment, {OFFERS: 2, CONSENTS: 0})) == []


async def test_what_is_merged_is_handed_out_in_pieces_of_whole_moments() -> None:
    assignment = owning(OFFERS)
    order = RecordOrder(LANES, limit=100, piece=3)
    desk = Counter(assignment, {OFFERS: 12})
    offers = timed(OFFERS, 1, 2, 3, 4, 5, 6, 6, 6, 7, 8, 8, 9)
    order.add("merged", assignment.admit({OFFERS: offers}, {OFFERS: Seen(12, 12, 1)}, 1))
    taken = [await order.take("merged", desk) for _ in range(5)]
    assert [[one.timestamp for one in piece] for piece in taken] == [
        [1, 2, 3],
        [4, 5, 6, 6, 6],
        [7, 8, 8],
        [9],
        [],
    ]


# --- watchdogs


def test_a_lag_that_stands_while_nothing_is_applied_is_noticed() -> None:
    watch = LagWatch(idle=20, lagging=10)
    assert not watch.idle(0, applied=5)
    assert not watch.idle(19, applied=5)
    assert watch.idle(20, applied=5)
    assert not watch.stuck(20, lag=3)
    assert not watch.stuck(29, lag=3)
    assert watch.stuck(30, lag=3)


@pytest.mark.parametrize("lag", [0, None])
def test_neither_an_empty_topic_nor_a_broker_that_is_away_is_a_stall(lag: int | None) -> None:
    watch = LagWatch(idle=20, lagging=10)
    watch.idle(0, applied=0)
    assert watch.idle(25, applied=0)
    assert not watch.stuck(25, lag=3)
    assert not watch.stuck(34, lag=lag)
    assert not watch.stuck(40, lag=3)


def test_what_gets_on_within_a_fetch_does_not_stand_still() -> None:
    assignment, watch = owning(OFFERS), LagWatch(idle=20, lagging=10)
    assignment.admit({OFFERS: written(OFFERS, 0, 1)}, {}, 101.0)
    fetch = assignment.hand_out("merged", written(OFFERS, 0, 1))
    applied = 0
    assert not watch.idle(0, (applied, assignment.steps()))
    fetch.step()
    assert not watch.idle(25, (applied, assignment.steps()))
    fetch.step()
    assert not watch.idle(44, (applied, assignment.steps()))
    assignment.acknowledge(fetch)
    applied = 2
    assert not watch.idle(63, (applied, assignment.steps()))
    assert watch.idle(83, (applied, assignment.steps()))


def test_a_worker_that_holds_on_purpose_is_not_stuck() -> None:
    watch = LagWatch(idle=20, lagging=10)
    watch.idle(0, applied=0)
    watch.excuse()
    assert not watch.idle(500, applied=0)
    assert watch.idle(520, applied=0)


async def test_an_error_of_the_group_that_nobody_polls_for_is_found() -> None:
    running = asyncio.get_running_loop().create_future()
    coordinator = SimpleNamespace(_pending_exception=None, _coordination_task=running)
    refreshing = asyncio.get_running_loop().create_future()
    client = SimpleNamespace(
        _coordinator=coordinator,
        _fetcher=SimpleNamespace(error_future=running),
        _client=SimpleNamespace(_sync_task=refreshing),
    )
    assert coordination_fault(client) is None
    coordinator._pending_exception = RuntimeError("sync failed")
    assert isinstance(coordination_fault(client), StuckError)
    coordinator._pending_exception = None
    running.set_result(None)
    assert "coordination ended" in str(coordination_fault(client))
    coordinator._coordination_task = client._fetcher.error_future = refreshing
    assert coordination_fault(client) is None
    refreshing.set_result(None)
    assert coordination_fault(client) is not None


def test_repeated_log_lines_are_counted_instead_of_written() -> None:
    now = [0.0]
    repeats = Repeats(limit=2, per=10.0, clock=lambda: now[0])

    def line() -> logging.LogRecord:
        return logging.LogRecord("aiokafka.conn", 40, "", 0, "no broker %s", ("b",), None)

    assert [repeats.filter(line()) for _ in range(5)] == [True, True, False, False, False]
    now[0] = 11.0
    last = line()
    assert repeats.filter(last)
    assert last.getMessage() == "no broker b (and 3 more of these)"
