"""What is learned of ten thousand invented people settles, and clicks alone buy nobody much.

Each invented person gladly takes a number of messages a week. They click on some of those, dismiss
some of what comes above, and now and then say that it is too much. A bot clicks on everything.
"""

from __future__ import annotations

import random
import statistics
from typing import Any

import pytest
from msgspec.structs import replace

from governor.core.comfort import ceiling_of, factor_of, learn
from governor.core.instant import DAY, HOUR, format_instant
from governor.core.standing import Comfort, Profile, Standing
from tests.core.story import PERSON, Story, policy

WEEKS = 30
WEEK = 7 * DAY
START = 1_777_939_200_000
EXPOSURE, HALF_LIFE = 6.0, 3 * DAY
LEFT = 2.0 ** (-DAY / HALF_LIFE)
LOWEST, HIGHEST = 0.5, 1.25
"""What the documentation says that feedback can make of the ceiling."""
SECTIONS: dict[str, Any] = {
    "categories": {"promotional": {"purpose": "marketing", "basis": ["legitimate_interest"]}},
    "intrusiveness": {"ceiling": 24, "half_life": "3d", "above": "suppress"},
}
_SECTION = policy(**SECTIONS).intrusiveness
assert _SECTION is not None
SECTION = _SECTION


class Invented:
    """Somebody for whom there is a message every day, which goes out if their ceiling allows it.

    `takes` so many a week gladly; None is the bot, 0 never reacts.
    """

    def __init__(self, number: int, takes: int | None, level: str | None = None) -> None:
        self.random = random.Random(number)
        self.takes = takes
        profile = Profile(0, comfort=Comfort(level)) if level else None
        self.standing = Standing(profile=profile)
        self.pressure = 0.0
        self.sends: list[int] = []
        self.told: list[tuple[int, str]] = []
        self.factors: list[float] = []
        self.highest = 0.0

    def live(self, weeks: int = WEEKS) -> Invented:
        for day in range(weeks * 7):
            now = START + day * DAY
            self.pressure *= LEFT
            ceiling = ceiling_of(SECTION, self.standing, now)
            self.highest = max(self.highest, ceiling)
            if self.pressure + EXPOSURE <= ceiling:
                self.pressure += EXPOSURE
                self.sends.append(now)
                self.react(now)
            if day % 7 == 6:
                self.factors.append(factor_of(SECTION, self.standing, now))
        return self

    def react(self, now: int) -> None:
        kind = self.kind(now)
        if kind is not None:
            self.told.append((now + HOUR, kind))
            learned = learn(SECTION, self.standing.learned, kind, now + HOUR)
            self.standing = replace(self.standing, learned=learned)

    def kind(self, now: int) -> str | None:
        if self.takes is None:
            return "clicked"
        if self.takes == 0:
            return None
        chance = self.random.random()
        if sum(at > now - WEEK for at in self.sends[-8:]) <= self.takes:
            return "clicked" if chance < 0.15 else None
        return "too_much" if chance < 0.02 else "dismissed" if chance < 0.3 else None


def settles(count: int) -> None:
    """Let *count* people live, show how their comfort went, and see that it came to rest."""
    takes = [1, 2, 3, 4, 5, 7]
    people = [Invented(number, takes[number % 6]).live() for number in range(count)]
    shifts = sorted(
        abs(statistics.mean(one.factors[-4:]) - statistics.mean(one.factors[-8:-4]))
        for one in people
    )
    for taken in takes:
        group = [one for one in people if one.takes == taken]
        weekly = [statistics.mean(one.factors[week] for one in group) for week in range(WEEKS)]
        first, last = (
            statistics.mean(
                sum(since <= at < since + 5 * WEEK for at in one.sends) for one in group
            )
            / 5
            for since in (START, START + (WEEKS - 5) * WEEK)
        )
        shown = " ".join(f"{weekly[week]:.2f}" for week in (0, 4, 9, 14, 19, 24, 29))
        print(f"takes {taken} a week: factor {shown}; messages a week {first:.2f} -> {last:.2f}")
        assert max(weekly[-8:]) - min(weekly[-8:]) < 0.05
        assert abs(last - taken) < abs(first - taken) + 0.3
    print(f"{count} people, last 4 weeks against the 4 before: half move less than", end=" ")
    print(f"{shifts[count // 2]:.3f}, 95 % less than {shifts[count * 95 // 100]:.3f}")
    assert shifts[count // 2] < 0.03
    assert shifts[count * 95 // 100] < 0.12
    assert all(LOWEST <= factor <= HIGHEST for one in people for factor in one.factors)


def test_what_is_learned_of_a_thousand_people_settles() -> None:
    settles(1_200)


@pytest.mark.slow
def test_what_is_learned_of_ten_thousand_people_settles() -> None:
    settles(10_002)


def test_clicks_alone_raise_a_ceiling_to_its_cap_and_no_further() -> None:
    bot, quiet = Invented(1, None).live(52), Invented(1, 0).live(52)
    gain = len(bot.sends) / len(quiet.sends)
    print(f"a bot: factor {max(bot.factors):.3f}, {gain:.2f} times the messages of who is silent")
    assert 1.2 < max(bot.factors) <= HIGHEST
    assert bot.highest <= HIGHEST * SECTION.ceiling
    # A message goes when what is there leaves room for it, so it is this room that grows; the rest
    # is that there is one message a day, not a stream.
    room = (HIGHEST * SECTION.ceiling - EXPOSURE) / (SECTION.ceiling - EXPOSURE)
    assert 1 < gain < room * 1.05


@pytest.mark.parametrize("level", ["low", "normal", "high"])
def test_clicks_buy_nothing_above_what_the_person_said(level: str) -> None:
    bot, quiet = Invented(1, None, level).live(), Invented(1, 0, level).live()
    assert bot.sends == quiet.sends
    assert bot.highest <= getattr(SECTION.comfort, level)


def test_a_bot_that_stops_clicking_loses_what_it_gained() -> None:
    bot = Invented(1, None).live()
    half = factor_of(SECTION, bot.standing, bot.told[-1][0] + SECTION.learned.half_life)
    assert half - 1 == pytest.approx((bot.factors[-1] - 1) / 2, abs=0.005)


@pytest.mark.parametrize("takes", [None, 2, 5])
def test_the_invented_lives_are_those_of_the_gate(takes: int | None) -> None:
    person, story, sent = Invented(3, takes).live(8), Story(**SECTIONS), []
    told = dict(person.told)
    for day in range(8 * 7):
        now = START + day * DAY
        candidate = {"id": f"m{day}", "person": PERSON, "campaign": "c", "channel": "email"}
        candidate |= {"category": "promotional", "created_at": format_instant(now)}
        (words,) = story.happens(now, ("candidate", candidate))
        sent += [now] if words.endswith("release") else []
        if now + HOUR in told:
            data = {"id": f"f{day}", "person": PERSON, "message": f"m{day}"}
            data |= {"at": format_instant(now + HOUR), "kind": told[now + HOUR]}
            story.happens(now + HOUR, ("feedback", data))
    assert sent == person.sends
    factor = factor_of(SECTION, story.standing, START + (8 * 7 - 1) * DAY)
    assert factor == pytest.approx(person.factors[-1])
