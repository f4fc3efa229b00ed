"""Personal data: only as deep, from such sources and of such people as was agreed."""

from __future__ import annotations

from typing import Any

import pytest

from governor.core.verdict import Outcome
from tests.core.story import CATEGORIES, Story, variant

DEPTH = {"segment": 1, "browsing_history": 2, "name": 3, "health": 5}


def story(personal_data: dict[str, Any] | None = None, **sections: Any) -> Story:
    sections.setdefault("intrusiveness", {"ceiling": 100, "depth": DEPTH})
    made = Story(personal_data={"free": 1, **(personal_data or {})}, **sections)
    made.grant("00:00")
    return made


def asks(made: Story, *uses: dict[str, Any], when: str = "10:00", **data: Any) -> str:
    id = f"m{len(made.resolutions)}"
    channel = data.pop("channel", "email")
    (said,) = made.candidate(when, id, variants=[variant("v", channel, uses=[*uses])], **data)
    return said.removeprefix(f"{id} ")


def use(attribute: str, source: str | None = None) -> dict[str, Any]:
    return {"attribute": attribute} | ({"source": source} if source else {})


def test_what_goes_deeper_than_is_free_needs_consent_to_personalise() -> None:
    made = story()
    assert asks(made) == "release"
    assert asks(made, use("segment")) == "release"
    assert asks(made, use("segment"), use("browsing_history")) == (
        "suppress personalisation_refused"
    )
    found = made.finding("purpose", "free")
    assert (found.limit, found.observed, found.outcome) == (1, 2, Outcome.SUPPRESS)
    made.grant("10:00", purpose="personalisation")
    assert asks(made, use("browsing_history")) == "release"
    assert made.finding("purpose", "free").outcome is Outcome.RELEASE


def test_depth_leaves_the_source_aside_and_what_is_not_listed_is_as_deep_as_can_be() -> None:
    made = story({"free": 2})
    assert asks(made, use("browsing_history", "inferred")) == "release"
    assert asks(made, use("name", "declared")) == "suppress personalisation_refused"
    assert asks(made, use("shoe_size", "declared")) == "suppress personalisation_refused"


def test_without_a_table_every_attribute_is_as_deep_as_can_be() -> None:
    for free, said in ((4, "suppress personalisation_refused"), (5, "release")):
        made = Story(personal_data={"free": free})
        made.grant("00:00")
        assert asks(made, use("segment")) == said


def test_nothing_is_free_unless_the_policy_says_so() -> None:
    made = Story(personal_data={}, intrusiveness={"depth": {"name": 0, "segment": 1}})
    made.grant("00:00")
    assert asks(made, use("name")) == "release"
    assert asks(made, use("segment")) == "suppress personalisation_refused"


def test_the_purpose_is_the_policys() -> None:
    made = story({"purpose": "profiling"})
    made.grant("09:00", purpose="personalisation")
    assert asks(made, use("name")) == "suppress personalisation_refused"
    made.grant("09:30", purpose="profiling")
    assert asks(made, use("name")) == "release"


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("grant", {"basis": "legitimate_interest"}),
        ("grant", {"expires_at": "2026-05-05T10:00:00Z"}),
        ("grant", {"channel": "push"}),
        ("grant", {"topic": "shoes"}),
        ("withdraw", {}),
        ("refuse", {"channel": "email"}),
        ("object", {}),
        ("pause", {}),
        ("pause", {"until": "2026-05-05T10:00:01Z"}),
    ],
)
def test_only_a_standing_consent_will_do_on_this_channel_and_topic(
    action: str, data: dict[str, Any]
) -> None:
    made = story()
    if action != "grant":
        made.grant("08:00", purpose="personalisation")
    made.consent("09:00", action, purpose="personalisation", **data)
    assert asks(made, use("name")) == "suppress personalisation_refused"


@pytest.mark.parametrize(
    ("action", "data"),
    [
        ("grant", {"expires_at": "2026-05-05T10:00:01Z"}),
        ("grant", {"channel": "email", "topic": "shoes"}),
        ("object", {"channel": "push"}),
        ("pause", {"until": "2026-05-05T10:00:00Z"}),
        ("withdraw", {"topic": "hats"}),
    ],
)
def test_what_concerns_another_channel_topic_or_time_does_not_stop_it(
    action: str, data: dict[str, Any]
) -> None:
    made = story()
    if action != "grant":
        made.grant("08:00", purpose="personalisation")
    made.consent("09:00", action, purpose="personalisation", **data)
    assert asks(made, use("name"), topic="shoes") == "release"


def test_a_pause_has_an_end_and_the_refusal_names_no_time() -> None:
    made = story()
    made.grant("08:00", purpose="personalisation")
    made.consent("09:00", "pause", purpose="personalisation", until="2026-05-05T11:00:00Z")
    assert asks(made, use("name")) == "suppress personalisation_refused"
    assert made.finding("purpose", "free").eligible_at is None


def test_a_category_based_on_contract_is_not_exempt_unless_it_skips_the_rule() -> None:
    made = story()
    assert asks(made, use("name"), category="service") == "suppress personalisation_refused"
    exempt = {"service": {**CATEGORIES["service"], "skips": ["purpose"]}}
    made = story(categories=CATEGORIES | exempt)
    assert asks(made, use("name"), category="service") == "release"


def test_a_sensitive_attribute_needs_a_consent_of_its_own() -> None:
    made = story({"free": 5, "sensitive": ["health"]})
    made.grant("08:00", purpose="personalisation")
    assert asks(made, use("health", "declared")) == "suppress sensitive_data"
    assert made.finding("purpose", "sensitive").observed == "health"
    made.grant("09:00", purpose="sensitive")
    assert asks(made, use("health", "declared")) == "release"
    assert asks(made, use("health")) == "release"
    made.consent("10:30", "pause", purpose="sensitive")
    assert asks(made, use("health", "declared"), when="10:31") == "suppress sensitive_data"


@pytest.mark.parametrize("source", ["inferred", "third_party"])
def test_a_sensitive_attribute_is_never_guessed_or_bought(source: str) -> None:
    made = story({"free": 5, "sensitive": ["health"]})
    made.grant("08:00", purpose="sensitive")
    assert asks(made, use("health", source)) == "suppress sensitive_data"
    assert asks(made, use("health", "declared"), use("name", source)) == "release"


def test_both_parts_may_speak_and_the_first_gives_the_reason() -> None:
    made = story({"sensitive": ["health"]})
    assert asks(made, use("health", "inferred")) == "suppress personalisation_refused"
    codes = [finding.code for finding in made.findings() if finding.rule == "purpose"]
    assert codes == ["personalisation_refused", "sensitive_data", None]


@pytest.mark.parametrize(
    ("profile", "source", "said"),
    [
        ({"minor": True}, "inferred", "suppress minor"),
        ({"minor": True}, "third_party", "suppress minor"),
        ({"minor": True}, "observed", "release"),
        ({"minor": True}, None, "release"),
        ({"minor": False}, "inferred", "release"),
        ({}, "inferred", "release"),
        ({"born": "2008-05-06"}, "inferred", "suppress minor"),
        ({"born": "2008-05-06", "minor": False}, "inferred", "suppress minor"),
        ({"born": "2008-05-05"}, "inferred", "release"),
        ({"born": "1990-02-28", "minor": True}, "inferred", "suppress minor"),
    ],
)
def test_nothing_guessed_or_bought_is_used_of_a_minor(
    profile: dict[str, Any], source: str | None, said: str
) -> None:
    made = story({"free": 5})
    made.profile("09:00", **profile)
    assert asks(made, use("segment", source)) == said


def test_a_minor_comes_of_age_at_their_own_midnight() -> None:
    made = story({"free": 5})
    made.profile("09:00", born="2008-05-06", time_zone="America/New_York")
    assert asks(made, use("name", "inferred"), when="06T03:59:59") == "suppress minor"
    assert asks(made, use("name", "inferred"), when="06T04:00") == "release"


def test_with_several_zones_a_minor_is_of_age_when_it_is_their_birthday_in_all_of_them() -> None:
    made = story({"free": 5})
    made.profile("09:00", born="2008-05-06", country="PT")  # the Azores are last, at UTC
    assert asks(made, use("name", "inferred"), when="05T23:59:59") == "suppress minor"
    assert asks(made, use("name", "inferred"), when="06T00:00") == "release"


def test_who_was_born_on_a_leap_day_comes_of_age_in_march() -> None:
    made = story({"free": 5})
    made.profile("2026-01-01T00:00", born="2008-02-29", time_zone="UTC")
    assert asks(made, use("name", "inferred"), when="2026-02-28T12:00") == "suppress minor"
    assert asks(made, use("name", "inferred"), when="2026-03-01T00:00") == "release"


def test_a_less_personal_variant_goes_where_the_personal_one_may_not() -> None:
    made = story()
    variants = [variant("personal", uses=[use("name")]), variant("plain")]
    assert made.candidate("10:00", variants=variants) == ["m release"]
    assert made.verdict().variant == 1


def test_a_message_that_waits_is_stopped_when_the_consent_to_personalise_goes() -> None:
    made = story(quiet_hours=[{"id": "n", "allow": {"mon-sun": "08:00-21:00"}}])
    made.grant("00:00", purpose="personalisation")
    assert asks(made, use("name"), when="05:00") == "defer quiet_hours 06:00:00Z"
    assert made.consent("05:30", "withdraw", purpose="personalisation") == [
        "m0 suppress personalisation_refused"
    ]


def test_each_part_can_be_put_in_shadow() -> None:
    made = story({"sensitive": ["health"]}, modes={"purpose.free": "shadow"})
    assert asks(made, use("name")) == "release"
    assert asks(made, use("health")) == "suppress sensitive_data"
    made = story({"sensitive": ["health"]}, modes={"purpose": "shadow"})
    assert asks(made, use("health")) == "release"


def test_without_the_section_all_is_free() -> None:
    made = Story()
    made.grant("00:00")
    assert asks(made, use("health", "inferred")) == "release"
