"""The same content under another id is noticed, as long as an id that comes again would be."""

from __future__ import annotations

from typing import Any

from governor.codec.decode import decode_event
from governor.codec.digest import content32
from governor.codec.waiting import decode_body, encode_body
from governor.core.incoming import Incoming
from tests.core.story import Story, asked, policy, variant

OFFER: dict[str, Any] = {"content": {"template": "t-9", "discount": 10}}
KEPT = {"verdicts": "24h", "history": "180d"}


def sender(**sections: Any) -> Story:
    story = Story(retention=KEPT, **sections)
    story.grant()
    return story


def marks(story: Story) -> list[str]:
    return [one.incoming.candidate.id for one in story.resolutions if one.resubmitted]


def test_the_same_content_under_another_id_is_marked_whatever_it_calls_itself() -> None:
    story = sender()
    story.candidate("10:00", "a", **OFFER)
    story.candidate("11:00", "b", content={"template": "t-9", "discount": 11})
    story.candidate("12:00", "c", campaign="autumn", category="service", channel="sms", **OFFER)
    assert marks(story) == ["c"]


def test_a_message_that_comes_again_under_its_own_id_is_none() -> None:
    story = sender()
    story.candidate("10:00", "a", **OFFER)
    story.candidate("11:00", "a", created_at="2026-05-05T10:00:00.000Z", **OFFER)
    assert [one.repeat for one in story.resolutions] == [False, True]
    assert marks(story) == []


def test_it_is_the_variant_that_was_chosen_that_counts() -> None:
    story = sender()
    first = [variant("one", "email", content="hello"), variant("two", "email", content="bye")]
    story.candidate("10:00", "a", variants=first)
    story.candidate("11:00", "b", content="bye")
    story.candidate("12:00", "c", content="hello")
    assert marks(story) == ["c"]


def test_what_never_arrived_and_what_says_nothing_is_not_said_again() -> None:
    story = sender()
    story.candidate("10:00", "a", **OFFER)
    story.feedback("11:00", "a", "bounced")
    story.candidate("12:00", "b", **OFFER)
    story.candidate("13:00", "c")
    story.candidate("14:00", "d")
    assert marks(story) == []


def test_it_is_remembered_for_as_long_as_verdicts_are() -> None:
    for forgets in (True, False):
        story = sender()
        story.forgets = forgets
        story.candidate("10:00", "a", **OFFER)
        story.candidate("06T09:59:59.999", "b", **OFFER)
        story.candidate("07T09:59:59.999", "c", **OFFER)
        assert marks(story) == ["b"]
        story.candidate("08T12:00", "d")
        assert forgets is (not any(one.content for one in story.standing.log))


def test_a_message_that_waited_keeps_what_it_says() -> None:
    story = sender()
    story.candidate("10:00", "a", not_before="2026-05-05T11:00:00Z", **OFFER)
    story.candidate("12:00", "b", **OFFER)
    assert marks(story) == ["b"]


def test_the_hash_is_keyed_and_different_for_each_person() -> None:
    content = {"b": 1, "a": [2]}
    found = {content32(who, content, key) for who in ("p", "q") for key in (b"", b"k")}
    assert len(found) == 4
    assert content32("p", {"a": [2.0], "b": 1}) == content32("p", content)
    assert content32("p", None) == 0
    incoming = decode_event("candidate", asked("10:00", **OFFER)[1], 0, policy())
    assert isinstance(incoming, Incoming)
    assert decode_body(encode_body(incoming)).contents == incoming.contents
    assert incoming.contents[0] != 0
