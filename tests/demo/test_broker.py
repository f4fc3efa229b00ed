"""The embedded broker answers fewer questions than a real one; the worker takes it as it is."""

from __future__ import annotations

import pytest

from governor.config.settings import Settings
from governor.demo.machine import PREFIX, Broker
from governor.topics import look


@pytest.mark.timeout(60)
def test_a_broker_that_cannot_be_asked_for_its_sizes_is_taken_as_it_is() -> None:
    broker = Broker()
    env = {"GOVERNOR_BROKERS": broker.address, "GOVERNOR_TOPIC_PREFIX": PREFIX}
    assert look(Settings.load(env)) == ([], {})
