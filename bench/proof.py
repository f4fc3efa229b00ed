"""The proof that a round was honest: all decided once, by the whole policy, no cap broken."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from confluent_kafka import Consumer, TopicPartition

from bench.stage import GOVERNOR, POLICY, Records, Side, Stage
from governor.config.policy_file import load_policy
from governor.core.policy import Policy

FINDINGS: Final = Counter(
    {
        ("consent", "basis"): 1,
        ("quiet_hours", "always-open"): 1,
        ("intrusiveness", "ceiling"): 1,
        **{
            ("caps", id): 1
            for id in ("per-hour", "per-day", "per-week", "calendar-day", "per-topic")
        },
        ("caps", "per-campaign"): 1,
    }
)


AGREEING: Final = 0.99
"""Least share of equal outcomes: pressure at the moment of a batch may tip a few."""


class Proof(msgspec.Struct):
    """What was counted of one round of a side that decides.

    `agreeing` is the share of the outcomes that both sides that decide have in common.
    """

    side: str
    candidates: int
    decisions: int
    released: int
    policy: str | None
    agreeing: float | None = None


class Broken(Exception):
    """A round is worth nothing: what it should have done was not done."""


def prove(
    stage: Stage, side: Side, records: Records, begun: Mapping[str, Sequence[int]]
) -> tuple[Proof, dict[str, str]]:
    """Count what *side* wrote since *begun*; return the proof and each message's outcome."""
    decisions = list(_read(stage, side.writes, begun[side.writes]))
    released = list(_read(stage, side.released, begun[side.released]))
    candidates = {_decode(value)["id"]: _decode(value) for _, value in records}
    outcomes = {one["message"]: one["outcome"] for one in decisions}
    if len(decisions) != len(outcomes) or outcomes.keys() != candidates.keys():
        raise Broken(
            f"{side.name}: {len(decisions)} decisions on {len(outcomes)} messages"
            f" for {len(candidates)} candidates"
        )
    gone = {name for name, outcome in outcomes.items() if outcome == "release"}
    if sorted(one["id"] for one in released) != sorted(gone):
        raise Broken(f"{side.name}: {len(released)} released and {len(gone)} decided so")
    policy = load_policy(POLICY)
    _no_cap_is_broken(side, policy, [candidates[name] for name in gone])
    if side.name == GOVERNOR:
        _all_of_the_policy_was_on(policy, decisions)
    proof = Proof(
        side.name,
        len(candidates),
        len(outcomes),
        len(gone),
        policy.revision if side.name == GOVERNOR else None,
    )
    return proof, outcomes


def agreement(one: Mapping[str, str], other: Mapping[str, str]) -> float:
    """Return the share of equal outcomes among what both have judged."""
    both = one.keys() & other.keys()
    share = sum(one[name] == other[name] for name in both) / max(len(both), 1)
    if share < AGREEING:
        raise Broken(f"only {share:.1%} of {len(both)} outcomes agree: the rules are not the same")
    return share


def _no_cap_is_broken(side: Side, policy: Policy, gone: Iterable[Mapping[str, Any]]) -> None:
    """Count releases anew: all lie within one hour, so that every window holds all of them."""
    counts: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for one in gone:
        for cap in policy.caps:
            counts[cap.id][tuple(str(one[name]) for name in sorted(cap.per))] += 1
    for cap in policy.caps:
        most = max(counts[cap.id].values(), default=0)
        if cap.limit is not None and most > cap.limit:
            raise Broken(f"{side.name}: {most} releases under the cap {cap.id} of {cap.limit}")


def _all_of_the_policy_was_on(policy: Policy, decisions: Iterable[Mapping[str, Any]]) -> None:
    for one in decisions:
        found = Counter((each["rule"], each["id"]) for each in one["findings"])
        if one["policy"] != policy.revision or FINDINGS - found:
            raise Broken(f"governor: {one['message']} did not meet every rule: {sorted(found)}")


def _read(stage: Stage, topic: str, begun: Sequence[int]) -> Iterator[dict[str, Any]]:
    ends = stage.ends(topic)
    consumer = Consumer(
        {"bootstrap.servers": stage.kafka.bootstrap, "group.id": "proof", "log_level": 0}
    )
    consumer.assign([TopicPartition(topic, number, at) for number, at in enumerate(begun)])
    left = sum(ends) - sum(begun)
    while left:
        found = consumer.consume(min(left, 1000), timeout=20)
        if not found:
            raise Broken(f"{topic}: {left} records cannot be read")
        for record in found:
            yield _decode(record.value() or b"")
        left -= len(found)
    consumer.close()


def _decode(value: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(value)
    return decoded
