"""Makes the topics that governor needs, and tells where those that are there do not fit."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, TopicAlreadyExistsError, for_code

from governor.broker import PATIENCE, administration, partition_counts, visit
from governor.config.settings import Settings
from governor.config.topics import INPUT_BYTES, ROOMY_BYTES, Topic, named
from governor.core.instant import DAY
from governor.core.policy import Policy

USUAL_PARTITIONS = 12
_MOST_REPLICAS = 3
_GLANCE = 0.1
_EVER = 36_500 * DAY
_AT_LEAST = {
    "ever": "a stop lasts, which is for ever",
    "history": "the policy's history",
}
"""For how long, as it is told where a topic keeps less."""


class Report(msgspec.Struct):
    """What was made, what was there, and what does not fit, the topic's name first."""

    created: list[str] = msgspec.field(default_factory=list)
    there: list[str] = msgspec.field(default_factory=list)
    problems: list[str] = msgspec.field(default_factory=list)


def create(settings: Settings, policy: Policy, partitions: int | None = None) -> Report:
    """Make every topic that is missing; what is there is looked at and never changed.

    Without *partitions* new topics get as many as those that are there. Raises BrokerUnavailable.
    """
    return visit(settings, _create(settings, policy, partitions))


def look(settings: Settings) -> tuple[list[str], dict[str, int]]:
    """Return the topics that the broker lacks, and the largest batch that each output takes.

    Where the broker does not tell the latter it is left out. Raises BrokerUnavailable.
    """
    return visit(settings, _look(settings))


async def _look(settings: Settings) -> tuple[list[str], dict[str, int]]:
    topics = dict(named(settings.topic_prefix))
    async with administration(settings) as client, asyncio.timeout(PATIENCE):
        there = await partition_counts(client, topics)
        roomy = [name for name in there if topics[name].roomy]
        try:
            configs = await _configs(client, roomy)
        except IncompatibleBrokerVersion:
            # As the demonstration's broker, which keeps to no size either.
            configs = {}
    most = {name: config.get("max.message.bytes") for name, config in configs.items()}
    rooms = {name: int(room) for name, room in most.items() if room is not None}
    return sorted(set(topics) - set(there)), rooms


async def _create(settings: Settings, policy: Policy, partitions: int | None) -> Report:
    topics = dict(named(settings.topic_prefix))
    async with administration(settings) as client, asyncio.timeout(6 * PATIENCE):
        there = await partition_counts(client, topics)
        shared = [number for name, number in there.items() if not topics[name].single]
        wanted = partitions or max(shared, default=USUAL_PARTITIONS)
        report = Report(there=sorted(there))
        absent = {name: topic for name, topic in topics.items() if name not in there}
        if absent:
            await _make(client, absent, wanted, settings, policy, report)
            there = await _settled(client, [*report.created, *report.there])
        report.problems += _uneven(topics, there, wanted)
        report.problems += await _unfit(client, topics, there, settings, policy)
    return report


def _uneven(topics: Mapping[str, Topic], there: Mapping[str, int], wanted: int) -> list[str]:
    return [
        f"{name}: has {number} partitions where all others have {wanted}; give the topics of a"
        " person the same number before anything is written to them"
        for name, number in sorted(there.items())
        if not topics[name].single and number != wanted
    ]


def configuration(
    topic: Topic, settings: Settings, policy: Policy, replicas: int
) -> dict[str, str]:
    """Return how *topic* is to be set up on the broker.

    A replay's records are as old as what they tell of, so there nothing is deleted by age.
    """
    chosen = {"cleanup.policy": "compact" if topic.kept == "last" else "delete"}
    if settings.clock == "record":
        chosen["retention.ms"] = chosen["retention.bytes"] = "-1"
    elif topic.kept in _AT_LEAST:
        chosen["retention.ms"] = str(_EVER if topic.kept == "ever" else policy.retention.history)
        chosen["retention.bytes"] = "-1"
    chosen["max.message.bytes"] = str(ROOMY_BYTES if topic.roomy else INPUT_BYTES)
    if replicas >= _MOST_REPLICAS:
        chosen["min.insync.replicas"] = "2"
    return chosen


async def _unfit(
    client: AIOKafkaAdminClient,
    topics: Mapping[str, Topic],
    there: Mapping[str, int],
    settings: Settings,
    policy: Policy,
) -> list[str]:
    problems = []
    for name, config in (await _configs(client, there)).items():
        wanted = configuration(topics[name], settings, policy, 0)
        problems += [f"{name}: {flaw}" for flaw in _flaws(topics[name], config, wanted)]
    return sorted(problems)


async def _configs(
    client: AIOKafkaAdminClient, names: Iterable[str]
) -> dict[str, dict[str, str | None]]:
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    return {
        name: {entry[0]: entry[1] for entry in entries}
        for answer in (await client.describe_configs(asked) if asked else ())
        for _code, _message, _type, name, entries, *_ in answer.resources
    }


def _flaws(topic: Topic, config: Mapping[str, Any], wanted: Mapping[str, str]) -> Iterable[str]:
    cleanup = config.get("cleanup.policy")
    if cleanup is not None and cleanup != wanted["cleanup.policy"]:
        why = "" if topic.kept == "last" else ": compaction loses what is keyed by one person"
        yield f"`cleanup.policy` is `{cleanup}`, set `{wanted['cleanup.policy']}`{why}"
    for key in ("retention.ms", "retention.bytes"):
        if key in wanted and _shorter(config.get(key), wanted[key]):
            why = _AT_LEAST.get(topic.kept, "a replay needs")
            yield f"`{key}` is `{config[key]}`, less than {why}: {wanted[key]}"
    if topic.roomy and _shorter(config.get("max.message.bytes"), str(ROOMY_BYTES)):
        yield f"`max.message.bytes` is `{config['max.message.bytes']}`, set {ROOMY_BYTES}"


def _shorter(given: str | None, wanted: str) -> bool:
    """Compare two limits of the broker, -1 being none."""
    if given is None or int(given) < 0:
        return False
    return int(wanted) < 0 or int(given) < int(wanted)


async def _make(
    client: AIOKafkaAdminClient,
    absent: Mapping[str, Topic],
    partitions: int,
    settings: Settings,
    policy: Policy,
    report: Report,
) -> None:
    brokers = (await client.describe_cluster())["brokers"]
    replicas = min(_MOST_REPLICAS, len(brokers))
    new = [
        NewTopic(
            name,
            1 if topic.single else partitions,
            replicas,
            topic_configs=configuration(topic, settings, policy, replicas),
        )
        for name, topic in absent.items()
    ]
    answer = await client.create_topics(new, timeout_ms=int(PATIENCE * 1_000))
    for name, code, *rest in answer.topic_errors:
        error = for_code(code)
        if not code:
            report.created.append(name)
        elif error is TopicAlreadyExistsError:
            report.there.append(name)
        else:
            report.problems.append(f"{name}: cannot be made: {(rest or [error.__name__])[0]}")


async def _settled(client: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    """Wait until the broker shows all of *names*, for what is made shows a little later."""
    there: dict[str, int] = {}
    for _ in range(int(PATIENCE / _GLANCE)):
        there = await partition_counts(client, names)
        if len(there) == len(names):
            break
        await asyncio.sleep(_GLANCE)
    return there
