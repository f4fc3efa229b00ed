"""The ceiling is the person's: what they say sets it, what they do moves it slowly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governor.core.comfort import ceiling_of, held, learn
from governor.core.instant import DAY
from governor.core.policy import Intrusiveness
from governor.core.standing import (
    STRANGER,
    Comfort,
    LearnedComfort,
    Profile,
    Standing,
)
from tests.core.story import CATEGORIES, Story, asked, at

SECTION = Intrusiveness()
NOW = at("10:00")


def ceiling(known: LearnedComfort | None, moment: int = NOW, level: str | None = None) -> float:
    profile = Profile(NOW, comfort=Comfort(level, 3))
    return ceiling_of(SECTION, Standing(profile=profile, learned=known), moment)


def after(*kinds: str, start: LearnedComfort | None = None) -> LearnedComfort | None:
    known = start
    for kind in kinds:
        known = learn(SECTION, known, kind, NOW)
    return known


def test_a_level_that_was_said_picks_the_ceiling_and_without_one_the_policys_holds() -> None:
    levels: list[str | None] = ["low", "normal", "high", None]
    assert [ceiling(None, level=level) for level in levels] == [30, 60, 80, 60]
    assert ceiling_of(SECTION, STRANGER, NOW) == 60


@pytest.mark.parametrize(
    ("kinds", "factor"),
    [
        (["complained"], 0.5),
        (["unsubscribed"], 0.7),
        (["too_much"], 0.7),
        (["dismissed"], 0.97),
        (["dismissed"] * 4, 0.97**4),
        (["clicked"], 1.02),
        (["converted"], 1.02),
        (["replied"], 1.02),
        (["dismissed", "clicked"], 0.99),
        (["too_much", "too_much"], 0.5),  # 0.49 is held
        (["clicked"] * 20, 1.25),  # so is 1.4
        (["complained", "clicked"], 0.52),
    ],
)
def test_what_people_do_moves_their_ceiling(kinds: list[str], factor: float) -> None:
    assert ceiling(after(*kinds)) == pytest.approx(60 * factor)


@pytest.mark.parametrize(
    "kind", ["delivered", "bounced", "failed", "opened", "less", "more", "human_contacted"]
)
def test_everything_else_says_nothing_and_neither_does_silence(kind: str) -> None:
    assert after(kind) is None
    known = after("too_much")
    assert after(kind, start=known) is known


def test_nothing_learned_raises_it_above_what_they_said_but_it_may_lower_it() -> None:
    raised, lowered = after(*["clicked"] * 5), after("too_much")
    assert ceiling(raised) == pytest.approx(66)
    assert [ceiling(raised, level=level) for level in ("low", "normal", "high")] == [30, 60, 80]
    assert ceiling(lowered, level="high") == pytest.approx(56)


def test_half_of_what_was_learned_is_forgotten_in_ninety_days() -> None:
    lowered, raised = after("complained"), after(*["clicked"] * 10)
    for days, left in ((0, 1), (90, 0.5), (180, 0.25)):
        assert ceiling(lowered, NOW + days * DAY) == pytest.approx(60 * (1 - 0.5 * left))
        assert ceiling(raised, NOW + days * DAY) == pytest.approx(60 * (1 + 0.2 * left))


def test_what_was_learned_has_faded_when_the_next_lesson_comes() -> None:
    known = learn(SECTION, after("complained"), "too_much", NOW + 90 * DAY)
    assert known is not None
    assert known.factor == pytest.approx(0.75 * 0.7)
    assert known.at == NOW + 90 * DAY


def test_a_lesson_that_comes_late_counts_as_of_the_last_one() -> None:
    known = learn(SECTION, after("complained"), "clicked", NOW - DAY)
    assert known == LearnedComfort(0.52, NOW)


def test_a_policy_that_does_not_learn_learns_nothing_and_forgets_nothing() -> None:
    deaf = Intrusiveness.model_validate({"comfort": {"learn": False}})
    known = after("complained")
    assert learn(deaf, known, "complained", NOW) is known
    assert learn(None, known, "complained", NOW) is known
    assert ceiling_of(deaf, Standing(learned=known), NOW) == 60


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["complained", "dismissed", "too_much", "clicked", "replied"]),
            st.integers(0, 400 * DAY),
        ),
        max_size=30,
    )
)
def test_the_factor_stays_within_its_bounds_and_fades_towards_one(
    lessons: list[tuple[str, int]],
) -> None:
    known = None
    for kind, age in lessons:
        known = learn(SECTION, known, kind, NOW + age)
    factors = [ceiling(known, NOW + days * DAY) / 60 for days in range(0, 2000, 100)]
    assert all(0.5 <= factor <= 1.25 for factor in factors)
    assert abs(factors[-1] - 1) <= abs(factors[0] - 1) + 1e-9


@given(st.floats(0.5, 1.25), st.integers(0, 1000 * DAY), st.integers(0, 1000 * DAY))
def test_a_held_factor_is_the_same_at_every_later_moment(
    factor: float, age: int, ahead: int
) -> None:
    story = Story(intrusiveness={})
    case, _ = story.case(NOW, asked("10:00"))
    standing = Standing(learned=LearnedComfort(factor, NOW - age))
    case = held(type(case)(*_fields(case, standing)), NOW)
    now = ceiling_of(SECTION, standing, NOW)
    assert ceiling_of(SECTION, case.standing, NOW + ahead) == pytest.approx(now)


def _fields(case: Any, standing: Standing) -> list[Any]:
    names = case.__struct_fields__
    return [standing if name == "standing" else getattr(case, name) for name in names]


def story(**sections: Any) -> Story:
    made = Story(intrusiveness={"ceiling": 10}, **sections)
    made.grant("00:00")
    made.candidate("09:00", "a", channel="push")
    return made


def test_feedback_teaches_and_the_same_feedback_again_does_not() -> None:
    made = story()
    again = ("feedback", {"id": "f", "message": "a", "person": "p-42", "kind": "dismissed"})
    again[1]["at"] = "2026-05-05T09:10:00Z"
    for _ in range(3):
        made.happens("09:11", again)
    assert learned(made) == (0.97, at("09:10"))
    made.feedback("09:20", "a", "dismissed")
    factor, moment = learned(made)
    assert moment == at("09:20")
    assert factor == pytest.approx(0.97 * 0.97, abs=1e-5)


def heard(made: Story, name: str, said: str, kind: str = "dismissed") -> None:
    data = {"id": name, "message": name, "person": "p-42", "kind": kind}
    made.happens("12:00", ("feedback", {**data, "at": f"2026-05-05T{said}:00Z"}))


def test_of_two_that_say_the_same_at_one_moment_both_teach_and_so_does_what_comes_late() -> None:
    made = story()
    for _ in range(2):
        heard(made, "x", "09:10")
        heard(made, "y", "09:10")
    assert learned(made)[0] == pytest.approx(0.97 * 0.97)
    for _ in range(2):
        heard(made, "z", "09:05")
    assert learned(made)[0] == pytest.approx(0.97**3)
    assert learned(made)[1] == at("09:10")


def test_nothing_teaches_twice_in_whatever_order_much_is_heard() -> None:
    made, minutes = story(), [11, 29, *range(12, 29), 10]
    for minute in minutes:
        heard(made, f"m{minute}", f"09:{minute}", "clicked")
    before = made.standing.learned
    for minute in minutes:
        heard(made, f"m{minute}", f"09:{minute}", "clicked")
    assert made.standing.learned == before


def learned(made: Story) -> tuple[float, int]:
    known = made.standing.learned
    assert known is not None
    return known.factor, known.at


def test_feedback_on_what_governor_never_saw_teaches_and_on_what_it_did_not_release_does_not() -> (
    None
):
    made = story()
    made.feedback("09:10", "unheard-of", "too_much")
    assert learned(made) == (0.7, at("09:10"))
    made.candidate("09:20", "late", expires_at="2026-05-05T09:00:00Z")
    made.feedback("09:30", "late", "too_much")
    assert learned(made) == (0.7, at("09:10"))


def test_without_the_section_nothing_is_learned() -> None:
    made = Story()
    made.feedback("09:10", "a", "too_much")
    assert made.standing.learned is None


def test_what_was_learned_decides() -> None:
    news = {"news": CATEGORIES["news"]}
    for kind, said, limit in (
        ("opened", "b release", 10),
        ("too_much", "b suppress too_intrusive", 7),
    ):
        made = Story(intrusiveness={"ceiling": 10}, categories=news)
        made.feedback("09:10", "a", kind)
        assert made.candidate("09:10", "b", category="news", channel="push") == [said]
        assert made.finding("intrusiveness", "ceiling").limit == limit


def test_a_time_is_named_with_what_was_learned_as_it_is_now() -> None:
    # The ceiling of 14 is at 7 now; 10 points must fall to the 1 that leaves room for 6.
    section = {"ceiling": 14, "half_life": "10d", "learned": {"half_life": "1d", "too_much": 0.5}}
    made = Story(intrusiveness=section, categories={"news": CATEGORIES["news"]})
    data = {"category": "news", "expires_at": "2026-12-31T00:00:00Z"}
    made.candidate("10:00", "a", channel="push", **data)
    made.feedback("10:00", "never", "too_much")
    assert made.candidate("10:00", "b", **data) == ["b defer too_intrusive 2026-06-07T15:15:46Z"]
    # 864000 s * log2(10) = 2870145.9 s, whatever is forgotten until then; woken it goes sooner.
    assert made.profile("10T10:00") == ["b release"]


def test_a_time_is_named_as_if_nothing_learned_would_fade_until_then() -> None:
    # 12.5 points leave room for 6 when 10 have fallen to 6.5: 864000 s * log2(10 / 6.5) = 536966 s.
    lessons = {"half_life": "1d", "clicked": 0.25}
    section = {"ceiling": 10, "half_life": "10d", "learned": lessons}
    made = Story(intrusiveness=section, categories={"news": CATEGORIES["news"]})
    data = {"category": "news", "expires_at": "2026-12-31T00:00:00Z"}
    made.candidate("10:00", "a", channel="push", **data)
    made.feedback("10:00", "a", "clicked")
    assert made.candidate("10:00", "b", **data) == ["b defer too_intrusive 2026-05-11T15:09:26Z"]
    # By then the ceiling has come down to 10, and the wait is longer.
    assert made.run("11T15:09:26")[0].startswith("b defer too_intrusive 2026-05-1")
