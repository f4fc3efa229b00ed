"""Standings for the tests of the ledger: examples, and strategies that reach every field."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from governor.core.standing import (
    Answer,
    Cancelled,
    Comfort,
    Consent,
    ControlState,
    Entry,
    HandedOver,
    Heard,
    Judged,
    LearnedComfort,
    Profile,
    Scope,
    Standing,
    Waiting,
    name64,
)
from governor.core.verdict import Outcome

DAY = 86_400_000
NOW = 1_778_000_000_123


def entry(number: int, at: int = NOW, exposure: float = 6.0, seq: int = 1) -> Entry:
    """Return a promotional e-mail of a campaign of its own."""
    return Entry(
        message=name64(f"m-{number}"),
        at=at,
        category="promotional",
        campaign=name64(f"campaign-{number}"),
        channel="email",
        topic=name64(f"topic-{number}"),
        exposure=exposure,
        seq=seq,
        digest=name64(f"digest-{number}"),
    )


def waiting(wake_at: int, message: int = 1, body: bytes = b"sealed") -> Waiting:
    """Return a deferred message."""
    return Waiting(
        message=message,
        digest=2,
        campaign=3,
        received_at=NOW,
        decided_at=NOW,
        outcome=Outcome.DEFER,
        code="quiet_hours",
        variant=0,
        eligible_at=wake_at,
        planned_at=wake_at,
        wake_at=wake_at,
        attempt=1,
        seq=1,
        body=body,
    )


def standing(version: int, *wakes: int) -> Standing:
    """Return a standing with a message waiting for each of *wakes*."""
    messages = tuple(waiting(wake, number) for number, wake in enumerate(wakes))
    return Standing(version, waiting=messages)


def settled_person(exposures: tuple[float, ...] = (6.0,) * 5) -> Standing:
    """Return a person with three consents and a send for each of *exposures*, nothing waiting."""
    consents = tuple(
        Consent("grant", purpose, channel, None, "consent", NOW - days * DAY, proven=True)
        for purpose, channel, days in (
            ("marketing", "email", 400),
            ("marketing", "sms", 250),
            ("personalisation", None, 100),
        )
    )
    log = tuple(
        entry(number, NOW - (60 - 9 * number) * DAY, exposure, seq=4 + number)
        for number, exposure in enumerate(exposures)
    )
    return Standing(4 + len(exposures), consents=consents, log=log)


def built(of: type[msgspec.Struct], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for *of* that names each of its fields, also those that come later."""
    missing = set(of.__struct_fields__) - set(fields)
    assert not missing, f"{of.__name__}: no strategy for {missing}; does packing know it?"
    return st.builds(of, **fields)


words = st.one_of(
    st.sampled_from(["grant", "*", "email", "consent", "promotional", "urgency", "cap_reached"]),
    st.text(max_size=12),
)
maybe_words = st.none() | words
hashes = st.integers(0, 2**64 - 1)
times = st.integers(-(2**46), 2**46)
maybe_times = st.none() | times
numbers = st.integers(0, 2**40)
few = st.integers(0, 300)

consents = built(
    Consent,
    action=words,
    purpose=words,
    channel=maybe_words,
    topic=maybe_words,
    basis=maybe_words,
    at=times,
    expires_at=maybe_times,
    until=maybe_times,
    proven=st.booleans(),
)
profiles = built(
    Profile,
    at=times,
    time_zone=maybe_words,
    country=maybe_words,
    region=maybe_words,
    locale=maybe_words,
    born=maybe_words,
    minor=st.booleans(),
    vulnerabilities=st.lists(words, max_size=3).map(tuple),
    groups=st.dictionaries(words, words, max_size=3),
    household=maybe_words,
    comfort=built(Comfort, level=maybe_words, max_per_week=st.none() | few),
)
entries = built(
    Entry,
    message=hashes,
    at=times,
    category=words,
    campaign=hashes,
    channel=words,
    topic=st.none() | hashes,
    household=maybe_words,
    counts=st.booleans(),
    exposure=st.floats(allow_nan=False),
    techniques=st.lists(words, max_size=3).map(tuple),
    offer_ends_at=maybe_times,
    settled=st.integers(0, 2),
    variant=few,
    attempt=few,
    seq=numbers,
    digest=hashes,
    content=st.just(0) | st.integers(0, 2**32 - 1),
)
waitings = built(
    Waiting,
    message=hashes,
    digest=hashes,
    campaign=hashes,
    received_at=times,
    decided_at=times,
    outcome=st.sampled_from(Outcome),
    code=words,
    variant=few,
    eligible_at=maybe_times,
    planned_at=times,
    wake_at=times,
    attempt=few,
    seq=numbers,
    review_since=maybe_times,
    cancelled=st.booleans(),
    unsent=st.booleans(),
    body=st.binary(max_size=64),
)
judgements = built(
    Judged,
    message=hashes,
    at=times,
    code=words,
    variant=few,
    attempt=few,
    seq=numbers,
    digest=hashes,
)


def _several(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, max_size=4).map(tuple)


standings = built(
    Standing,
    version=numbers,
    consents=_several(consents),
    heard=_several(built(Heard, kind=words, channel=maybe_words, at=times)),
    profile=st.none() | profiles,
    log=_several(entries),
    judged=_several(judgements),
    waiting=_several(waitings),
    cancelled=_several(built(Cancelled, message=hashes, at=times)),
    answers=_several(
        built(
            Answer,
            message=hashes,
            reviewer=hashes,
            approve=st.booleans(),
            variant=maybe_words,
            at=times,
        )
    ),
    learned=st.none()
    | built(
        LearnedComfort,
        factor=st.floats(allow_nan=False),
        at=times,
        taught=_several(st.tuples(times, hashes)),
    ),
    handed=st.none()
    | built(
        HandedOver,
        why=words,
        since=times,
        channel=maybe_words,
        source=hashes,
        shadow=st.booleans(),
    ),
)
scopes = built(Scope, campaign=maybe_words, channel=maybe_words, category=maybe_words)
control_states = built(
    ControlState,
    version=numbers,
    pauses=st.frozensets(scopes),
    stops=st.frozensets(scopes),
    applied=st.lists(st.integers(0, 2**64 - 1), max_size=4).map(tuple),
)
