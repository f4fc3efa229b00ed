"""The intrusiveness score, by hand from its formula: every expected number is worked out beside."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from governor.core.decide import decide
from governor.core.instant import DAY
from governor.core.score import score_of
from governor.core.standing import REFUNDED, Entry, name64
from governor.core.verdict import Outcome, Score
from tests.core.story import CATEGORIES, Story, asked, at, variant

NOW = "10:00"


def use(attribute: str, source: str | None = None) -> dict[str, Any]:
    return {"attribute": attribute} | ({} if source is None else {"source": source})


def story(*sends: Entry, **sections: Any) -> Story:
    sections.setdefault("intrusiveness", {})
    made = Story(**sections)
    made.grant("00:00")
    made.standing = msgspec.structs.replace(made.standing, log=sends)
    return made


def send(when: str, exposure: float = 10.0, **data: Any) -> Entry:
    number = name64(f"{when} {exposure} {data}")
    known: dict[str, Any] = {"category": "promotional", "campaign": number, "channel": "push"}
    return Entry(message=number, at=at(when), exposure=exposure, **(known | data))


def score(made: Story, when: str = NOW, channel: str = "push", **data: Any) -> Score:
    about = {name: data.pop(name) for name in ("topic", "category") if name in data}
    case, now = made.case(when, asked(when, variants=[variant("v", channel, **data)], **about))
    found = score_of(case, case.candidate.variants[0], now)
    assert found is not None
    return found


def exposure(channel: str = "push", **data: Any) -> float:
    return score(story(), channel=channel, **data).exposure


@pytest.mark.parametrize(
    ("channel", "points"),
    [("call", 20), ("sms", 14), ("push", 10), ("email", 6), ("in_app", 4), ("web", 20)],
)
def test_a_plain_message_weighs_what_its_channel_does_and_an_unlisted_one_is_the_loudest(
    channel: str, points: float
) -> None:
    assert exposure(channel) == pytest.approx(points)


@pytest.mark.parametrize(
    ("uses", "points"),
    [
        ([use("segment")], 10 * 1.12 * 1.08),
        ([use("browsing_history")], 10 * 1.24 * 1.16),
        ([use("browsing_history", "observed")], 10 * 1.24 * 1.16),
        ([use("name", "declared")], 10 * 1.252 * 1.168),  # 3/5 * 0.7 = 0.42
        ([use("name", "third_party")], 10 * 1.432 * 1.288),  # 3/5 * 1.2 = 0.72
        ([use("name", "inferred")], 10 * 1.504 * 1.336),  # 3/5 * 1.4 = 0.84
        ([use("health", "inferred")], 10 * 1.6 * 1.4),  # 1.4 is held to 1
        ([use("shoe_size")], 10 * 1.6 * 1.4),  # not in the table: 5
        # 5/5 * 0.7 = 0.7 is less than 3/5 * 1.4 = 0.84
        ([use("health", "declared"), use("name", "inferred")], 10 * 1.504 * 1.336),
    ],
)
def test_depth_is_that_of_the_heaviest_use_by_what_it_is_and_where_it_comes_from(
    uses: list[dict[str, Any]], points: float
) -> None:
    assert exposure(uses=uses) == pytest.approx(points)


def test_saying_why_takes_a_tenth_off_the_depth_before_it_is_held_to_one() -> None:
    why = "because you saved these"
    browsing = [use("browsing_history", "observed")]
    assert exposure(uses=browsing, justification=why) == pytest.approx(10 * 1.18 * 1.12)
    # 1.4 - 0.1 is still more than 1, and nothing less 0.1 is still nothing.
    guessed = [use("health", "inferred")]
    assert exposure(uses=guessed, justification=why) == exposure(uses=guessed)
    assert exposure(justification=why) == exposure()
    assert exposure(uses=browsing, justification="") == exposure(uses=browsing)


def test_a_table_replaces_the_default_as_a_whole() -> None:
    made = story(intrusiveness={"channels": {"push": 0.1}, "depth": {"segment": 0}})
    assert score(made).exposure == pytest.approx(2)
    assert score(made, channel="email").exposure == pytest.approx(20)
    assert score(made, uses=[use("segment")]).exposure == pytest.approx(2)
    assert score(made, uses=[use("name")]).exposure == pytest.approx(2 * 1.6 * 1.08)


NIGHTS = {"id": "nights", "match": {"channel": "push"}, "allow": {"mon-sun": "08:00-21:00"}}


@pytest.mark.parametrize(
    ("when", "factor"),
    [
        ("06:00", 1.5),  # 08:00 in Berlin
        ("06:59:59.999", 1.5),
        ("07:00", 1.0),
        ("17:59:59.999", 1.0),
        ("18:00", 1.5),
        ("18:59:59.999", 1.5),
        ("19:00", 1.0),
        ("05:59:59.999", 1.0),
    ],
)
def test_the_first_and_the_last_hour_of_the_allowed_hours_weigh_half_as_much_again(
    when: str, factor: float
) -> None:
    made = story(quiet_hours=[NIGHTS])
    assert score(made, when).exposure == pytest.approx(10 * factor)
    assert score(made, when, channel="email").exposure == pytest.approx(6)


def test_hours_in_shadow_weigh_and_skipped_ones_do_not() -> None:
    made = story(quiet_hours=[NIGHTS], modes={"quiet_hours": "shadow"})
    assert score(made, "06:30").exposure == pytest.approx(15)
    exempt = {"free": {"purpose": "marketing", "skips": ["quiet_hours"]}}
    made = story(quiet_hours=[NIGHTS], categories=exempt)
    assert score(made, "06:30", category="free").exposure == pytest.approx(10)


def test_hours_that_touch_have_no_edge_between_them() -> None:
    days = {"mon-tue": ["08:00-12:00", "12:00-24:00"], "wed-sun": "00:00-21:00"}
    made = story(quiet_hours=[{"id": "n", "allow": days}])
    for when in ("09:30", "10:30", "21:30", "22:30"):  # around noon and around midnight
        assert score(made, when).exposure == pytest.approx(10)


def test_of_several_hours_and_zones_what_is_open_in_all_of_them_has_the_edges() -> None:
    shop = {"id": "shop", "allow": {"mon-sun": "10:00-19:00"}}
    made = story(quiet_hours=[NIGHTS, shop])
    assert [score(made, when).exposure for when in ("06:30", "08:30", "16:30")] == [10, 15, 15]
    # Portugal with the Azores: an hour apart, so that 08:00 to 21:00 is 08:00 to 20:00 UTC.
    made = story(quiet_hours=[NIGHTS], defaults={"country": "PT"})
    whens = ("07:30", "08:30", "09:30", "18:30", "19:30", "20:30")
    assert [score(made, when).exposure for when in whens] == [10, 15, 10, 10, 15, 10]


def test_a_span_that_is_short_of_an_hour_weighs_to_both_sides() -> None:
    noon = {"id": "noon", "allow": {"mon-sun": "12:00-12:20"}}
    made = story(quiet_hours=[noon])
    whens = ("09:19", "09:20", "10:10", "10:59", "11:00")
    assert [score(made, when).exposure for when in whens] == [10, 15, 15, 15, 10]


def test_each_message_on_the_topic_in_the_last_week_adds_a_quarter_and_at_most_as_much_again() -> (
    None
):
    sends = [send(f"0{day}T10:00", topic=name64("shoes")) for day in range(1, 6)]
    factors = []
    for number in range(6):
        found = score(story(*sends[:number]), "05T10:00", topic="shoes")
        factors.append(found.exposure / 10)
    assert factors == [1, 1.25, 1.5, 1.75, 2, 2]
    assert score(story(*sends), topic="hats").exposure == 10


def test_a_topic_is_repeated_for_exactly_a_week_and_a_missing_one_never() -> None:
    made = story(send("05T10:00", topic=name64("shoes")), send("05T10:00", topic=None))
    assert score(made, "12T09:59:59.999", topic="shoes").exposure == 12.5
    assert score(made, "12T10:00", topic="shoes").exposure == 10
    assert score(made, "05T10:00").exposure == 10


def test_pressure_halves_in_every_half_life() -> None:
    made = story(send("05T10:00", 40), send("08T10:00", 10))
    assert score(made, "08T10:00").pressure == 20 + 10
    made = story(send("05T10:00", 40))
    pressures = [score(made, when).pressure for when in ("05T10:00", "08T10:00", "11T10:00")]
    assert pressures == [40, 20, 10]
    assert score(made, "06T22:00").pressure == pytest.approx(40 / 2**0.5)


def test_what_does_not_count_presses_and_repeats_nothing() -> None:
    shoes = name64("shoes")
    refunded = send("09:00", topic=shoes, settled=REFUNDED)
    uncounted = send("09:00", topic=shoes, counts=False)
    made = story(refunded, uncounted)
    assert score(made, topic="shoes") == Score(10, 0, 10, 60)


def test_what_is_older_than_the_history_is_no_pressure_whether_or_not_it_is_forgotten() -> None:
    section = {"half_life": "1000d"}
    sections = {"intrusiveness": section, "retention": {"history": "10d"}}
    made = story(send("05T10:00"), **sections)
    assert score(made, "15T09:59:59.999").pressure > 9.9
    assert score(made, "15T10:00").pressure == 0


def test_the_contracts_own_example_comes_out_to_the_second() -> None:
    sends = [send("10:00:00.120", 10.0, topic=name64(f"t{n}")) for n in range(5)]
    made = story(*sends, intrusiveness={"above": "defer"})
    personal = variant(
        "personal",
        "push",
        uses=[use("browsing_history", "observed")],
        justification="because you saved these shoes",
    )
    variants = [personal, variant("plain")]
    said = made.candidate("10:00:00.120", "m-1001", topic="shoes", variants=variants)
    assert said == ["m-1001 release"]
    assert made.verdict().variant == 1
    assert made.verdict().score == Score(6, 50, 56, 60)
    assert made.standing.log[-1].exposure == 6
    found = next(f for f in made.findings() if f.code == "too_intrusive")
    assert (found.rule, found.id, found.variant) == ("intrusiveness", "ceiling", "personal")
    assert found.outcome is Outcome.DEFER
    assert found.limit == 60
    assert isinstance(found.observed, float)
    assert round(found.observed, 1) == 63.2
    # 259200 s * log2(50 / (60 - 13.216)) = 24860.9 s after 10:00:00.120
    assert found.eligible_at == at("16:54:21")


def test_exactly_the_ceiling_still_passes() -> None:
    assert story(send("10:00", 50)).candidate("10:00", channel="push") == ["m release"]
    made = story(send("10:00", 50.1))
    assert made.candidate("10:00", channel="push")[0].startswith("m defer too_intrusive")


def test_one_half_life_frees_half_the_pressure() -> None:
    made = story(send("05T10:00", 10), intrusiveness={"ceiling": 15})
    assert made.candidate("05T10:00", channel="push") == [
        "m defer too_intrusive 2026-05-08T10:00:00Z"
    ]
    assert made.run("20T10:00") == ["m release"]


def test_what_weighs_more_than_the_ceiling_by_itself_never_goes() -> None:
    made = story(intrusiveness={"ceiling": 9.9})
    assert made.candidate("10:00", channel="push") == ["m suppress too_intrusive"]
    assert made.finding("intrusiveness", "ceiling").eligible_at is None


def test_what_is_too_much_only_near_an_edge_or_only_as_a_repeat_waits_for_the_end_of_that() -> None:
    made = story(intrusiveness={"ceiling": 12}, quiet_hours=[NIGHTS])
    assert made.candidate("06:30", channel="push") == ["m defer too_intrusive 07:00:00Z"]
    shoes = send("05T10:00", 0.0, topic=name64("shoes"))
    made = story(shoes, intrusiveness={"ceiling": 12})
    data = {"channel": "push", "topic": "shoes", "expires_at": "2026-06-01T00:00:00Z"}
    assert made.candidate("06T10:00", **data) == ["m defer too_intrusive 2026-05-12T10:00:00Z"]


def test_a_decay_that_ends_near_closing_time_waits_for_the_morning() -> None:
    # 10 points an hour before fall to 2.5 at 18:30 with a half-life of 15 min, which leaves room
    # for 10 of 12.5 but not for the 15 of the last hour, nor of the first one.
    section = {"ceiling": 12.5, "half_life": "45m"}
    made = story(send("17:00", 10), intrusiveness=section, quiet_hours=[NIGHTS])
    assert made.candidate("17:01", channel="push") == ["m defer too_intrusive 2026-05-06T07:00:00Z"]
    finding = made.finding("intrusiveness", "ceiling")
    assert finding.eligible_at == at("19:00")  # of the score alone, which looks at no closing


def test_the_sections_outcome_holds_above_the_ceiling() -> None:
    for above in ("defer", "review", "suppress"):
        made = story(send("10:00", 55), intrusiveness={"above": above})
        said = made.candidate("10:00", channel="push")
        assert said[0].startswith(f"m {above} too_intrusive")
        # 259200 s * log2(55 / 50) = 35640.6 s
        assert made.finding("intrusiveness", "ceiling").eligible_at == at("19:54:01")


def test_above_the_ceiling_a_reviewer_may_let_it_go_and_a_refusal_is_final() -> None:
    section = {"ceiling": 10, "above": "review"}
    for answer, said in (("approve", "m release"), ("refuse", "m suppress review_refused")):
        made = story(send("10:00"), intrusiveness=section)
        assert made.candidate("10:00", channel="push") == ["m review too_intrusive"]
        assert made.answer("11:00", "m", answer) == [said]
        assert made.finding("intrusiveness", "ceiling").eligible_at is None


def test_a_review_that_nobody_answers_ends_at_its_deadline_or_when_the_pressure_is_gone() -> None:
    section = {"ceiling": 15, "above": "review"}
    made = story(send("10:00"), intrusiveness=section, review={"deadline": "1h"})
    assert made.candidate("10:00", channel="push") == ["m review too_intrusive"]
    assert made.run("12:00") == ["m suppress review_expired"]
    quick = {**section, "half_life": "30m"}
    made = story(send("10:00"), intrusiveness=quick, review={"deadline": "1h"})
    made.candidate("10:00", channel="push")
    assert made.run("12:00") == ["m release"]


def test_a_refused_quota_review_is_as_final_as_any() -> None:
    quota = {"limit": 1, "window": "6h", "at_quota": "review"}
    made = Story(categories={"promotional": {"purpose": "marketing", "quota": quota}})
    made.grant("00:00")
    made.candidate("10:00", "a")
    assert made.candidate("10:00", "b") == ["b review bypass_quota"]
    assert made.answer("11:00", "b", "refuse") == ["b suppress review_refused"]


def test_suppressed_above_the_ceiling_it_defers_when_it_is_woken_before_its_time() -> None:
    section = {"ceiling": 12, "half_life": "1h", "above": "suppress"}
    made = story(intrusiveness=section, quiet_hours=[NIGHTS])
    said = made.candidate("05:30", "a", channel="push")
    assert said == ["a defer quiet_hours 07:00:00Z"]
    made.standing = msgspec.structs.replace(made.standing, log=(send("05:31", 10),))
    # 10 points at 05:31 fall to the 2 that leave room for 10 in 3600 s * log2(5) = 8358.9 s.
    assert made.profile("05:40") == ["a defer too_intrusive 07:50:19Z"]


def test_a_category_that_skips_the_score_still_weighs_on_what_comes_after() -> None:
    service = {"service": {"purpose": "service", "basis": ["contract"], "skips": "intrusiveness"}}
    made = story(intrusiveness={"ceiling": 15}, categories=CATEGORIES | service)
    assert made.candidate("10:00", "a", category="service", channel="push") == ["a release"]
    assert not [finding for finding in made.findings() if finding.rule == "intrusiveness"]
    assert made.verdict().score == Score(10, 0, 10, 15)
    assert made.standing.log[0].exposure == 10
    assert made.candidate("10:00", "b", channel="push")[0].startswith("b defer too_intrusive")


def test_what_counts_nowhere_has_an_exposure_and_no_pressure() -> None:
    silent = {"silent": {"purpose": "service", "basis": ["contract"], "counts": False}}
    made = story(categories=CATEGORIES | silent)
    made.candidate("10:00", "a", category="silent", channel="push")
    assert made.standing.log[0].exposure == 10
    assert score(made).pressure == 0


def test_a_bounce_takes_its_weight_back() -> None:
    made = story()
    made.candidate("10:00", "a", channel="push")
    assert score(made, "10:00").pressure == 10
    made.feedback("10:00", "a", "bounced")
    assert score(made, "10:00").pressure == 0
    made.feedback("10:00", "a", "delivered")
    assert score(made, "10:00").pressure == 10


def test_a_changed_half_life_changes_the_judgement_at_once() -> None:
    sends = [send("04T10:00", 70)]
    slow, quick = (story(*sends, intrusiveness={"half_life": length}) for length in ("3d", "1d"))
    assert slow.candidate("05T10:00", channel="push")[0].startswith("m defer")  # 55.6
    assert quick.candidate("05T10:00", channel="push") == ["m release"]  # 35


def test_in_shadow_the_score_is_shown_and_not_enforced() -> None:
    made = story(send("10:00", 60), modes={"intrusiveness.ceiling": "shadow"})
    assert made.candidate("10:00", channel="push") == ["m release"]
    found = made.finding("intrusiveness", "ceiling")
    assert (found.outcome, found.enforced) == (Outcome.DEFER, False)


def test_without_the_section_there_is_no_score() -> None:
    made = Story()
    made.grant("00:00")
    made.candidate("10:00")
    assert made.verdict().score is None
    assert made.standing.log[0].exposure == 0


def test_every_constant_is_the_policys() -> None:
    section = {
        "base": 10,
        "depth_weight": 1,
        "interaction": 0,
        "justification": 0.2,
        "edge": "2h",
        "edge_factor": 3,
        "sources": {"observed": 0.5},
        "repeat": {"step": 1, "window": "1d", "max": 3},
    }
    made = story(
        send("04T10:00", topic=name64("shoes")), intrusiveness=section, quiet_hours=[NIGHTS]
    )
    found = score(made, "07:59", uses=[use("health", "observed")], justification="so")
    assert found.exposure == pytest.approx(10 * 0.5 * 1.3 * 3)
    assert score(made, "09:59", topic="shoes").exposure == pytest.approx(10 * 0.5 * 2)
    assert score(made, "10:00", topic="shoes").exposure == pytest.approx(10 * 0.5)


def test_a_review_rule_takes_the_variants_that_go_deep_enough() -> None:
    rules = [{"id": "deep", "when": {"depth_at_least": 4}}]
    for attribute, said in (("location", "m review needs_review"), ("name", "m release")):
        made = story(review={"rules": rules}, intrusiveness={"ceiling": 100})
        variants = [variant("v", uses=[use("segment"), use(attribute, "declared")])]
        assert made.candidate("10:00", variants=variants) == [said]
    # Without a table every attribute is as deep as can be; no use is no depth.
    made = Story(review={"rules": rules})
    made.grant("00:00")
    assert made.candidate("10:00", "a", variants=[variant("v", uses=[use("segment")])]) == [
        "a review needs_review"
    ]
    assert made.candidate("10:00", "b") == ["b release"]


def test_a_quieter_variant_goes_where_a_louder_one_may_not() -> None:
    made = story(send("10:00", 50))
    variants = [variant("loud", "call"), variant("quiet", "in_app")]
    assert made.candidate("10:00", variants=variants) == ["m release"]
    assert made.verdict().variant == 1
    assert made.verdict().score == Score(4, 50, 54, 60)


def test_a_person_of_whom_no_zone_is_known_has_no_common_hours_and_no_edges() -> None:
    made = story(quiet_hours=[NIGHTS], defaults={}, modes={"quiet_hours": "shadow"})
    case, now = made.case("06:30", asked("06:30", channel="push"))
    assert len(case.place.zones) > 50
    assert decide(case, now).outcome is Outcome.RELEASE
    assert score(made, "06:30").exposure == 10


def test_a_long_memory_ends_with_the_history() -> None:
    section = {"half_life": "36500d", "ceiling": 15}
    sections = {"intrusiveness": section, "retention": {"history": "10d"}}
    made = story(send("05T10:00"), **sections)
    made.candidate("05T10:00", channel="push", expires_at="2026-06-01T00:00:00Z")
    found = made.finding("intrusiveness", "ceiling")
    assert found.eligible_at == at("05T10:00") + 10 * DAY


def test_a_refusal_of_one_variant_is_the_reason_also_where_another_could_not_have_waited() -> None:
    never = [{"id": "never", "match": {"channel": "email"}, "limit": 0, "window": "1d"}]
    pushes = {"rules": [{"id": "push", "when": {"channel": "push"}}]}
    made = story(caps=never, review=pushes)
    variants = [variant("a", "email"), variant("b", "push")]
    assert made.candidate("10:00", variants=variants) == ["m review needs_review"]
    assert made.answer("10:30", "m", "refuse") == ["m suppress review_refused"]
