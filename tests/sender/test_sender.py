"""A sender does each release once, however often it is published."""

from __future__ import annotations

import pytest

from governor.sender import Once, Recent, name_of


def record(
    person: str = "p-1", message: str = "m-1"
) -> tuple[bytes, list[tuple[str, bytes | None]]]:
    return person.encode(), [("ce_id", b"d-1"), ("idempotency_key", message.encode())]


def test_a_release_is_new_until_it_was_sent() -> None:
    once = Once()
    assert once.is_new(*record())
    assert once.is_new(*record())
    once.sent(*record())
    assert not once.is_new(*record())


def test_an_id_is_unique_for_a_person_only() -> None:
    once = Once()
    once.sent(*record("p-1", "m-1"))
    assert once.is_new(*record("p-2", "m-1"))
    assert once.is_new(*record("p-1", "m-2"))
    assert name_of(*record("p-1", "1m")) != name_of(*record("p-11", "m"))


def test_the_memory_is_bounded_and_forgets_what_was_unused_for_longest() -> None:
    store = Recent(2)
    once = Once(store)
    for message in ("a", "b"):
        once.sent(*record(message=message))
    assert not once.is_new(*record(message="a"))
    once.sent(*record(message="c"))
    assert len(store) == 2
    assert once.is_new(*record(message="b"))
    assert not once.is_new(*record(message="a"))


def test_a_store_of_the_sender_survives_its_restart() -> None:
    kept: set[str] = set()
    Once(kept).sent(*record())
    assert not Once(kept).is_new(*record())


@pytest.mark.parametrize(
    ("key", "headers"),
    [(None, record()[1]), (b"p-1", []), (b"p-1", [("idempotency_key", None)])],
)
def test_a_record_that_is_no_release_is_an_error(
    key: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    with pytest.raises(ValueError, match="no `idempotency_key`"):
        Once().is_new(key, headers)


def test_a_store_without_room_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Recent(0)
