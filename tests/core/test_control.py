"""Control: what ops paused is held back, what they stopped is dropped."""

from __future__ import annotations

from typing import Any

import pytest

from governor.core.facts import apply_control
from governor.core.model import Control
from governor.core.standing import ControlState, Scope
from tests.core.story import Story, asked, variant


def willing(**sections: Any) -> Story:
    person = Story(**sections)
    person.grant("00:00")
    return person


def controlled(*steps: tuple[str, dict[str, str]]) -> ControlState:
    state = ControlState()
    for number, (action, scope) in enumerate(steps):
        control = {"id": f"k{number}", "at": "2026-05-05T10:00:00Z", "by": "ops"}
        state = apply_control(
            state, Control.model_validate({**control, "action": action, "scope": scope})
        )
    return state


def test_a_pause_defers_without_a_time_and_resume_lets_it_go() -> None:
    person = willing()
    person.steer("09:00", "pause", campaign="spring")
    assert person.candidate("10:00") == ["m defer paused_campaign"]
    assert person.finding("control", "pause").eligible_at is None
    assert person.steer("12:00", "resume", campaign="spring") == ["m release"]


def test_a_stop_suppresses_also_what_waits_until_start() -> None:
    person = willing(quiet_hours=[{"id": "n", "allow": {"mon-sun": "08:00-21:00"}}])
    person.candidate("03:00", "a")
    assert person.steer("04:00", "stop") == ["a suppress kill_switch"]
    assert person.candidate("10:00", "b") == ["b suppress kill_switch"]
    person.steer("11:00", "resume")
    assert person.candidate("11:30", "c") == ["c suppress kill_switch"]
    assert person.steer("12:00", "start") == []
    assert person.candidate("12:30", "d") == ["d release"]


def test_both_bind_every_category() -> None:
    person = willing()
    person.steer("09:00", "pause")
    assert person.candidate("10:00", "a", category="service") == ["a defer paused_campaign"]
    assert person.steer("11:00", "stop") == ["a suppress kill_switch"]


@pytest.mark.parametrize(
    ("scope", "caught"),
    [
        ({}, True),
        ({"campaign": "spring"}, True),
        ({"campaign": "autumn"}, False),
        ({"channel": "email"}, True),
        ({"channel": "push"}, False),
        ({"category": "promotional"}, True),
        ({"category": "news"}, False),
        ({"campaign": "spring", "channel": "email", "category": "promotional"}, True),
        ({"campaign": "spring", "channel": "push"}, False),
    ],
)
def test_all_keys_of_a_scope_must_fit(scope: dict[str, str], *, caught: bool) -> None:
    person = willing()
    person.steer("09:00", "stop", **scope)
    assert person.candidate("10:00") == ["m suppress kill_switch" if caught else "m release"]


def test_a_paused_channel_leaves_the_variant_on_another() -> None:
    person = willing()
    person.steer("09:00", "stop", channel="push")
    variants = [variant("loud", "push"), variant("quiet", "email")]
    assert person.candidate("10:00", variants=variants) == ["m release"]
    assert person.verdict().variant == 1


def test_what_waits_is_woken_by_any_of_its_variants_channels() -> None:
    person = willing(quiet_hours=[{"id": "n", "allow": {"mon-sun": "08:00-21:00"}}])
    person.candidate("03:00", variants=[variant("loud", "push"), variant("quiet", "email")])
    assert person.steer("04:00", "stop", channel="push") == []
    assert person.resolutions[-1].verdict.outcome.name == "DEFER"
    assert person.steer("04:30", "stop", channel="email") == ["m suppress kill_switch"]


def test_a_control_that_does_not_cover_it_leaves_what_waits_alone() -> None:
    person = willing()
    person.steer("09:00", "pause", campaign="spring")
    person.candidate("10:00")
    before = person.standing
    assert person.steer("11:00", "stop", campaign="autumn") == []
    assert person.standing == before


def test_a_lifting_takes_away_exactly_its_scope_and_an_empty_one_everything() -> None:
    spring, push = Scope(campaign="spring"), Scope(channel="push")
    steps = [("pause", {"campaign": "spring"}), ("pause", {"channel": "push"}), ("stop", {})]
    assert controlled(*steps).pauses == {spring, push}
    assert controlled(*steps, ("resume", {"campaign": "spring"})).pauses == {push}
    narrower = ("resume", {"campaign": "spring", "channel": "push"})
    assert controlled(*steps, narrower).pauses == {spring, push}
    everything = controlled(*steps, ("resume", {}))
    assert not everything.pauses
    assert everything.stops == {Scope()}
    started = controlled(*steps, ("start", {}))
    assert started.pauses == {spring, push}
    assert not started.stops


def test_the_version_rises_with_every_control_and_not_when_it_comes_again() -> None:
    state = controlled(("pause", {}), ("pause", {}), ("start", {}))
    assert state.version == 3
    assert state.pauses == {Scope()}
    assert controlled(("resume", {})).version == 1
    control = {"id": "k0", "at": "2026-05-05T10:00:00Z", "by": "ops", "scope": {}}
    again = apply_control(state, Control.model_validate({**control, "action": "pause"}))
    assert again is state


@pytest.mark.parametrize("first", ["stop", "start"])
def test_a_control_that_is_read_again_does_not_undo_what_came_after_it(first: str) -> None:
    then = "start" if first == "stop" else "stop"
    state = controlled((first, {}), (then, {}))
    control = {"id": "k0", "at": "2026-05-05T10:00:00Z", "by": "ops", "scope": {}}
    again = apply_control(state, Control.model_validate({**control, "action": first}))
    assert again.stops == state.stops == ({Scope()} if then == "stop" else set())


def test_a_pause_and_a_resume_at_one_instant_publish_nothing_between() -> None:
    person = willing()
    person.steer("09:00", "pause")
    person.candidate("09:30")
    both = [person.steered("10:00", "resume"), person.steered("10:00", "pause")]
    assert person.happens("10:00", *both) == []
    both = [person.steered("11:00", "pause"), person.steered("11:00", "resume")]
    assert person.happens("11:00", *both) == ["m release"]


def test_at_one_instant_controls_come_before_candidates_in_the_order_of_their_arrival() -> None:
    person = willing()
    events = [asked("10:00"), person.steered("10:00", "pause"), person.steered("10:00", "resume")]
    assert person.happens("10:00", *events) == ["m release"]


def test_a_paused_message_waits_with_no_time_whatever_else_defers() -> None:
    person = willing(
        caps=[{"id": "never", "limit": 0, "window": "1h"}],
        quiet_hours=[{"id": "n", "allow": {"mon-sun": "08:00-21:00"}}],
    )
    person.steer("01:00", "pause", campaign="spring")
    assert person.candidate("03:00") == ["m defer paused_campaign"]
    assert person.verdict().eligible_at is None
    assert person.steer("04:00", "resume", campaign="spring") == ["m suppress cap_reached"]


def test_a_paused_message_is_woken_at_its_expiry_and_then_expires() -> None:
    person = willing()
    person.steer("01:00", "pause")
    person.candidate("10:00", "a", expires_at="2026-05-05T12:00:00Z")
    person.candidate("10:00", "b")
    assert person.run("12T09:59:59") == ["a suppress expired"]
    assert person.run("12T10:00") == ["b suppress expired"]


def test_the_variant_that_is_not_paused_gives_the_time() -> None:
    person = willing(quiet_hours=[{"id": "n", "allow": {"mon-sun": "08:00-21:00"}}])
    person.steer("01:00", "pause", channel="push")
    variants = [variant("loud", "push"), variant("quiet", "email")]
    assert person.candidate("03:00", variants=variants) == ["m defer paused_campaign 06:00:00Z"]
    assert person.run("06:00") == ["m release"]
    assert person.verdict().variant == 1


# Cancellations.


def test_a_cancelled_message_goes_nowhere_whether_it_waits_or_is_still_to_come() -> None:
    person = willing()
    person.steer("01:00", "pause")
    person.candidate("09:00", "a")
    assert person.cancel("10:00", message="a") == ["a suppress cancelled"]
    person.cancel("10:00", message="b")
    person.steer("10:30", "resume")
    assert person.candidate("11:00", "b") == ["b suppress cancelled"]
    assert person.candidate("11:00", "c") == ["c release"]


def test_a_cancelled_campaign_stops_what_waits_of_it_and_not_what_comes_later() -> None:
    person = willing()
    person.steer("01:00", "pause")
    person.candidate("09:00", "a")
    person.candidate("09:00", "b", campaign="autumn")
    assert person.cancel("10:00", campaign="spring") == ["a suppress cancelled"]
    assert person.candidate("10:00", "c") == ["c defer paused_campaign"]
    assert sorted(person.steer("11:00", "resume")) == ["b release", "c release"]


def test_a_cancellation_of_message_and_campaign_means_the_message() -> None:
    person = willing()
    person.steer("01:00", "pause")
    person.candidate("09:00", "a")
    person.candidate("09:00", "b")
    assert person.cancel("10:00", message="b", campaign="spring") == ["b suppress cancelled"]


def test_a_cancellation_comes_too_late_for_what_is_released() -> None:
    person = willing()
    person.candidate("09:00", "a")
    assert person.cancel("10:00", message="a") == []
    assert len(person.resolutions) == 1
