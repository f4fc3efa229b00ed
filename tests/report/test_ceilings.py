"""Which ceilings are tried, on whom, and what counts as somebody's fullest week."""

from __future__ import annotations

from governor.core.instant import DAY
from governor.report.ceilings import ceilings, sampled
from governor.report.people import binned, fullest_week
from governor.simulate import Event


def test_ceilings_lie_evenly_between_the_scores_with_the_policys_own_among_them() -> None:
    scores = [float(score) for score in range(1, 102)]
    assert ceilings(scores, None) == [3.0, 35.0, 67.0, 99.0]
    assert ceilings(scores, 50.0) == [3.0, 35.0, 50.0, 67.0, 99.0]
    assert ceilings([6.04] * 9, None) == [6.1]
    assert ceilings([], 50.0) == []


def test_a_ceiling_is_never_below_the_score_that_it_was_taken_from() -> None:
    for score in (6.0, 7.3, 12.1, 0.1 + 0.2):
        [ceiling] = ceilings([score], None)
        assert score - 1e-6 <= ceiling < score + 0.1


def test_a_sample_keeps_all_of_a_person_or_nothing_and_what_is_about_nobody() -> None:
    people = [Event(0, "candidate", {"person": f"p-{n % 100}", "id": n}, n) for n in range(1_000)]
    control = Event(0, "control", {"action": "pause"}, 0)
    kept = list(sampled(iter([control, *people]), 4))
    assert kept[0] is control
    chosen = {event.data["person"] for event in kept[1:]}
    assert 10 < len(chosen) < 40
    assert kept[1:] == [event for event in people if event.data["person"] in chosen]
    assert list(sampled(iter(people), 1)) == people


def test_the_fullest_week_holds_seven_days_without_their_end() -> None:
    assert fullest_week([]) == 0
    assert fullest_week([0, 7 * DAY]) == 1
    assert fullest_week([7 * DAY - 1, 0]) == 2
    assert fullest_week([0, DAY, 6 * DAY, 8 * DAY, 9 * DAY, 20 * DAY]) == 3


def test_many_numbers_share_rows_and_nobody_is_lost() -> None:
    before, after = list(range(100)), [0] * 100
    rows = binned((before, after))
    assert rows[0] == ("none", 1, 100)
    assert rows[1] == ("1–7", 7, 0)
    assert sum(row[1] for row in rows) == sum(row[2] for row in rows) == 100
    assert len(rows) <= 16
