"""The slots of a household: reserved, settled by what a standing tells, asked after, forgotten."""

from __future__ import annotations

from typing import Any

from governor.core.household import (
    CLAIM_WITHIN,
    Household,
    drop,
    forget,
    overdue,
    reserve,
    settle,
    slot_id,
)
from governor.core.instant import DAY, MINUTE
from governor.core.standing import RECOUNTED, REFUNDED, Entry, Standing

NOW = 1_000 * DAY


def entry(message: int = 1, at: int = NOW, **more: Any) -> Entry:
    return Entry(message, at, "promotional", 2, "mail", household="h", **more)


def settled(household: Household, version: int, *log: Entry, message: int = 1) -> Household:
    return settle(household, "h", "p", message, Standing(version, log=log))


def shown(household: Household) -> list[tuple[int, bool, bool]]:
    return [(one.seq, one.hold is not None, one.refunded) for one in household.slots]


def test_a_reservation_counts_for_others_and_not_for_its_own_message() -> None:
    home = reserve(Household(), "p", entry(), 4)
    assert [one.at for one in home.log({slot_id("q", 1)})] == [NOW]
    assert home.log({slot_id("p", 1)}) == ()


def test_the_same_message_reserves_once_more_in_place_of_the_first_time() -> None:
    home = reserve(reserve(Household(), "p", entry(), 4), "p", entry(at=NOW + 5), 6)
    assert [(one.at, one.seq) for one in home.slots] == [(NOW + 5, 6)]


def test_a_release_makes_its_slot_sure_and_telling_it_again_changes_nothing() -> None:
    home = settled(reserve(Household(), "p", entry(), 4), 5, entry())
    assert shown(home) == [(5, False, False)]
    assert settled(home, 9, entry()) is home


def test_without_a_release_the_slot_is_given_back() -> None:
    assert settled(reserve(Household(), "p", entry(), 4), 5).slots == ()


def test_never_above_a_cap_what_was_judged_on_this_very_version_is_left_alone() -> None:
    home = reserve(Household(), "p", entry(), 5)
    assert settled(home, 5) is home
    assert settled(home, 4) is home


def test_what_a_later_version_has_told_stays() -> None:
    home = settled(Household(), 9, entry(settled=REFUNDED))
    assert settled(home, 7, entry()) is home
    assert shown(settled(home, 10, entry())) == [(10, False, False)]


def test_never_above_a_cap_what_was_taken_again_is_not_given_back_by_who_comes_too_late() -> None:
    home = settled(Household(), 5, entry())
    again = settled(home, 9, entry(settled=RECOUNTED))
    assert settled(again, 7, entry(settled=REFUNDED)) is again
    assert shown(again) == [(9, False, False)]
    assert settled(again, 9, entry(settled=RECOUNTED)) is again


def test_a_release_to_another_household_takes_no_slot_here() -> None:
    elsewhere = settle(Household(), "other", "p", 1, Standing(3, log=(entry(),)))
    assert elsewhere == Household()
    assert settled(Household(), 3, entry(counts=False)) == Household()


def test_a_reservation_can_be_asked_after_once_ten_minutes_are_over() -> None:
    assert CLAIM_WITHIN == 10 * MINUTE
    home = reserve(Household(), "p", entry(), 4)
    assert overdue(home, NOW + CLAIM_WITHIN - 1) == []
    [(slot, hold)] = overdue(home, NOW + CLAIM_WITHIN)
    assert (hold.person, hold.message) == ("p", 1)
    assert drop(home, slot) == Household(home.version + 1)


def test_what_is_older_than_history_is_forgotten_and_no_reservation_is() -> None:
    home = settled(Household(), 3, entry(at=NOW - 3 * DAY))
    home = settled(home, 4, entry(2, at=NOW), message=2)
    home = reserve(home, "p", entry(3, at=NOW - 9 * DAY), 4)
    assert len(forget(home, NOW - 3 * DAY).slots) == 3
    assert [one.at for one in forget(home, NOW - DAY).slots] == [NOW - 9 * DAY, NOW]
