"""What holds of the score whatever the policy, the person and the message."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from governor.core.case import Case
from governor.core.decide import decide
from governor.core.instant import SECOND
from governor.core.kind import kind_of
from governor.core.policy import Intrusiveness
from governor.core.score import Scale, score_of
from governor.core.standing import REFUNDED, Consent, Entry, Profile, Standing, name64
from governor.core.verdict import Finding
from tests.core.story import Story, asked, at, variant

NOW = at("10:00")
CHANNELS = ("call", "sms", "push", "email", "in_app")  # from loud to quiet
ATTRIBUTES = ("none", "segment", "browsing_history", "name", "location", "health")
SOURCES = (None, "declared", "observed", "third_party", "inferred")
FALLING = ("declared", "observed", "third_party", "inferred")  # lightest first

uses = st.lists(
    st.builds(
        lambda attribute, source: {"attribute": attribute} | ({"source": source} if source else {}),
        st.sampled_from(ATTRIBUTES),
        st.sampled_from(SOURCES),
    ),
    max_size=3,
)


def exposure(sends: tuple[Entry, ...] = (), channel: str = "push", **data: Any) -> float:
    table = {name: depth for depth, name in enumerate(ATTRIBUTES)}
    story = Story(intrusiveness={"depth": table})
    story.standing = Standing(log=sends)
    case, now = story.case(NOW, asked("10:00", topic="t", variants=[variant("v", channel, **data)]))
    found = score_of(case, case.candidate.variants[0], now)
    assert found is not None
    return found.exposure


@given(uses, st.sampled_from(SOURCES))
def test_a_deeper_use_never_weighs_less(others: list[dict[str, str]], source: str | None) -> None:
    origin = {"source": source} if source else {}
    weights = [
        exposure(uses=[*others, {"attribute": attribute, **origin}]) for attribute in ATTRIBUTES
    ]
    assert weights == sorted(weights)


@given(st.sampled_from(ATTRIBUTES), uses)
def test_a_use_weighs_more_the_less_it_was_told_and_one_use_more_never_takes_off(
    attribute: str, others: list[dict[str, str]]
) -> None:
    weights = [
        exposure(uses=[*others, {"attribute": attribute, "source": source}]) for source in FALLING
    ]
    assert weights == sorted(weights)
    assert exposure(uses=others) <= weights[0]
    assert exposure(uses=others, justification="so") <= exposure(uses=others)


@given(uses)
def test_a_louder_channel_never_weighs_less(used: list[dict[str, str]]) -> None:
    weights = [exposure(channel=channel, uses=used) for channel in CHANNELS]
    assert weights == sorted(weights, reverse=True)


@given(uses, st.integers(0, 8))
def test_one_more_repeat_never_weighs_less(used: list[dict[str, str]], repeats: int) -> None:
    alike = [
        Entry(name64(str(n)), NOW - n * SECOND, "promotional", 1, "push", name64("t"))
        for n in range(repeats + 1)
    ]
    fewer, more = exposure(tuple(alike[:-1]), uses=used), exposure(tuple(alike), uses=used)
    assert fewer <= more <= 2 * exposure(uses=used)


# Everything in it lasts for seconds to minutes, so that every second can be looked at.
hasty = st.fixed_dictionaries(
    {
        "ceiling": st.sampled_from([0, 5, 9.999, 10, 12.5, 15, 20, 30, 60]),
        "half_life": st.sampled_from(["1s", "7s", "60s", "200s", "1d"]),
        "edge": st.sampled_from(["10s", "90s"]),
        "edge_factor": st.sampled_from([0.5, 1.0, 1.5]),
        "repeat": st.fixed_dictionaries({"window": st.sampled_from(["30s", "250s"])}),
    }
)
minutes = st.tuples(st.integers(0, 10), st.integers(1, 4)).map(
    lambda span: f"12:{span[0]:02}-12:{span[0] + span[1]:02}"
)
hours = st.lists(
    st.one_of(
        minutes.map(lambda span: {"mon-sun": span}),
        st.just({"mon-sun": "09:00-12:05"}),
        st.just({"mon-sun": "12:05-20:00"}),
    ),
    max_size=2,
)
sends = st.lists(
    st.builds(
        lambda age, weight, topic, counts, settled: Entry(
            name64(f"{age} {weight}"),
            NOW - age,
            "promotional",
            1,
            "push",
            name64(topic),
            counts=counts,
            exposure=weight,
            settled=settled,
        ),
        st.integers(0, 320_000),
        st.sampled_from([0.0, 2.0, 10.0, 14.384, 60.0]),
        st.sampled_from(["t", "other"]),
        st.sampled_from([True, True, True, False]),
        st.sampled_from([0, 0, 0, REFUNDED]),
    ),
    max_size=5,
)
HORIZON = 900


@settings(max_examples=150)
@given(hasty, hours, sends, st.integers(0, 999), st.sampled_from(["250s", "400s", "180d"]))
def test_the_time_at_which_it_fits_is_the_first_second_of_all_that_were_looked_at(
    section: dict[str, Any],
    allowed: list[dict[str, str]],
    log: list[Entry],
    offset: int,
    history: str,
) -> None:
    story = Story(
        intrusiveness=section,
        quiet_hours=[{"id": f"h{n}", "allow": allow} for n, allow in enumerate(allowed)],
        retention={"history": history},
    )
    story.standing = Standing(log=tuple(log))
    case, now = story.case(NOW + offset, asked("10:00", topic="t", channel="push"))
    known = case.policy.intrusiveness
    assert known is not None
    scale = _scale(case, known, now)
    seconds = itertools.count(-(-now // SECOND) * SECOND, SECOND)
    looked_at = list(itertools.islice(seconds, HORIZON))
    fits = (second for second in looked_at if _fits(scale, second))
    first, named = next(fits, None), scale.first_fit(now)
    if first is None:
        assert named is None or named > looked_at[-1]
    else:
        assert named == first


def _scale(case: Case, section: Intrusiveness, now: int) -> Scale:
    variant = case.candidate.variants[0]
    return Scale(case, kind_of(case.policy, case.candidate, variant), section, variant, now)


def _fits(scale: Scale, second: int) -> bool:
    found = scale.score(second)
    return found.pressure + found.exposure <= found.ceiling


@given(sends, st.sampled_from(["1s", "200s", "1d", "36500d"]), st.integers(0, 10))
def test_the_named_second_fits_and_the_one_before_does_not_however_long_it_takes(
    log: list[Entry], half_life: str, room: int
) -> None:
    story = Story(intrusiveness={"ceiling": 10 + room, "half_life": half_life})
    story.standing = Standing(log=tuple(log))
    case, now = story.case(NOW, asked("10:00", topic="t", channel="push"))
    known = case.policy.intrusiveness
    assert known is not None
    scale = _scale(case, known, now)
    named = scale.first_fit(now)
    assert named is not None
    assert _fits(scale, named)
    assert named == NOW or not _fits(scale, named - SECOND)


@given(sends, st.integers(1, 2000))
def test_a_slower_decay_never_presses_less(log: list[Entry], seconds: int) -> None:
    def pressure(length: int) -> float:
        story = Story(intrusiveness={"half_life": f"{length}s"})
        story.standing = Standing(log=tuple(log))
        case, now = story.case(NOW, asked("10:00"))
        found = score_of(case, case.candidate.variants[0], now)
        assert found is not None
        return found.pressure

    assert pressure(seconds) <= pressure(seconds + 1)


# A further rule.

SECTIONS: dict[str, Any] = {
    "quiet_hours": [{"id": "n", "match": {"channel": "sms"}, "allow": {"mon-sun": "13:00-20:00"}}],
    "caps": [{"id": "c", "match": {"channel": "push"}, "min_gap": "1h"}],
    "personal_data": {"free": 2, "sensitive": ["health"]},
    "persuasion": {
        "urgency": {},
        "budget": {"limit": 1, "window": "1h"},
        "vulnerable": ["debt"],
    },
    "review": {"rules": [{"id": "deep", "when": {"depth_at_least": 4}}]},
}
RULES = (
    *("purpose.free", "purpose.sensitive", "purpose.minor"),
    *("persuasion.urgency", "persuasion.budget", "persuasion.vulnerable"),
    *("caps", "intrusiveness", "quiet_hours", "oversight"),
)
ends = st.sampled_from([None, "2026-05-05T09:00:00Z", "2026-05-06T00:00:00Z"])
variants = st.lists(
    st.builds(
        lambda channel, used, techniques, end: {
            "channel": channel,
            "uses": used,
            "techniques": techniques,
            "offer_ends_at": end,
        },
        st.sampled_from(["push", "sms", "email"]),
        uses,
        st.lists(st.sampled_from(["urgency", "scarcity", "social_proof"]), max_size=1),
        ends,
    ),
    min_size=1,
    max_size=3,
)
people = st.builds(
    lambda agreed, minor, burdens, log: Standing(
        consents=tuple(
            Consent("grant", purpose, None, None, "consent", 0)
            for purpose in ("marketing", *sorted(agreed))
        ),
        profile=Profile(0, minor=minor, vulnerabilities=burdens),
        log=tuple(msgspec.structs.replace(one, techniques=("urgency",)) for one in log),
    ),
    st.sets(st.sampled_from(["personalisation", "sensitive"])),
    st.booleans(),
    st.sampled_from([(), ("debt",)]),
    sends,
)
ABOVE = st.sampled_from(["defer", "review", "suppress"])


@settings(max_examples=150)
@given(variants, people, ABOVE, st.sets(st.sampled_from(RULES)), st.sampled_from(RULES))
def test_a_further_rule_never_releases(
    offered: list[dict[str, Any]],
    person: Standing,
    above: str,
    shadowed: set[str],
    further: str,
) -> None:
    """The invariant a-further-rule-never-releases, for the rules that weigh."""
    assume(further not in shadowed)
    section = {"ceiling": 15, "above": above}
    numbered = [variant(f"v{n}", **data) for n, data in enumerate(offered)]
    event = asked("10:00", variants=numbered, expires_at="2026-05-06T10:00:00Z")

    def judged(without: set[str]) -> Any:
        modes = dict.fromkeys(without, "shadow")
        story = Story(intrusiveness=section, modes=modes, **SECTIONS)
        story.standing = person
        case, now = story.case("10:30", event)
        return decide(case, now)

    before, after = judged({*shadowed, further}), judged(shadowed)
    assert after.outcome >= before.outcome
    assert [_said(finding) for finding in before.findings] == [
        _said(finding) for finding in after.findings
    ]


def _said(finding: Finding) -> Finding:
    return msgspec.structs.replace(finding, enforced=True)


@given(variants, people)
def test_every_finding_has_a_code_exactly_where_it_does_not_pass(
    offered: list[dict[str, Any]], person: Standing
) -> None:
    story = Story(intrusiveness={"ceiling": 15}, **SECTIONS)
    story.standing = person
    numbered = [variant(f"v{n}", **data) for n, data in enumerate(offered)]
    case, now = story.case("10:30", asked("10:00", variants=numbered))
    for finding in decide(case, now).findings:
        assert (finding.code is None) == (finding.outcome == 0)
