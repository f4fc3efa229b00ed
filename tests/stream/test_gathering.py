"""What the stream makes of a message that gathers: it is kept, and nothing is said of it."""

from __future__ import annotations

import json

import pytest

from governor.codec.waiting import decode_waiting
from governor.config import topics
from governor.core.resolution import Resolution
from governor.ledger.keys import Sealer
from governor.stream.intake import Reader
from governor.stream.outgoing import Writer
from tests.core.story import Story, asked, at
from tests.rebuild.kept import Kept

SEALER = Sealer({"k": bytes(32)}, "k")


def written(resolutions: list[Resolution]) -> list[tuple[str, bool]]:
    """The topics of what is published, and whether each record holds anything."""
    outgoing = Writer("", SEALER).resolutions(resolutions)
    return [(one.topic, one.value is not None) for one in outgoing]


def gathering() -> Story:
    person = Story(arbitration={"window": "10m"})
    person.grant()
    person.happens("10:00", asked("10:00"))
    return person


def test_what_gathers_is_kept_encrypted_and_nothing_else_is_published() -> None:
    person = gathering()
    (out,) = Writer("", SEALER).resolutions(person.resolutions)
    assert out.topic == topics.WAITING
    assert out.key is not None
    assert out.value is not None
    waiting, incoming = decode_waiting(SEALER.open(out.value, out.key))
    assert (waiting.attempt, waiting.eligible_at) == (0, at("10:10"))
    assert incoming.candidate.id == "m"
    assert b"spring" not in out.value


def test_its_first_decision_takes_it_off_again() -> None:
    person = gathering()
    person.run("10:10")
    assert written(person.resolutions[1:]) == [
        (topics.RELEASED, True),
        (topics.DECISIONS, True),
        (topics.WAITING, False),
    ]


def test_a_record_that_is_read_again_is_kept_again_and_taken_off_once_it_is_final() -> None:
    person = gathering()
    person.happens("10:05", asked("10:00"))
    assert written(person.resolutions[1:]) == [(topics.WAITING, True)]
    person.happens("10:11", asked("10:00"))
    again = person.resolutions[-1:]
    assert again[0].repeat
    assert written(again)[-1] == (topics.WAITING, False)


@pytest.mark.parametrize(("topic", "urgent"), [(topics.URGENT, True), (topics.CANDIDATES, False)])
def test_what_comes_on_the_urgent_topic_is_urgent(topic: str, urgent: bool) -> None:  # noqa: FBT001
    value = json.dumps(asked("10:00")[1]).encode()
    record = Kept(f"x.{topic}", 0, 0, at("10:00"), None, value)
    intake = Reader("x.", 10_000, b"").read([record], Story().policy)
    assert [one.urgent for one in intake.fresh] == [urgent]
    assert list(intake.sources) == [id(intake.fresh[0])]
