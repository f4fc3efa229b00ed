"""`topics create` makes what `run` needs on a real broker, and tells what does not fit."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from governor.config.topics import TOPICS
from tests.cli.commands import POLICY, ROOT, governor, written
from tests.servers import KafkaServer

HISTORY = {"people.consents", "people.profiles", "outreach.feedback", "outreach.decisions"}
EVER = {"governor.control"}


@pytest.fixture
def prefix(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> str:
    chosen = f"t{uuid.uuid4().hex[:8]}."
    monkeypatch.setenv("GOVERNOR_BROKERS", kafka.bootstrap)
    monkeypatch.setenv("GOVERNOR_TOPIC_PREFIX", chosen)
    written("config/policy.yaml", POLICY + "retention: {history: 400d}\n")
    return chosen


def described(kafka: KafkaServer, prefix: str) -> dict[str, tuple[int, dict[str, str]]]:
    """Return partitions and configuration of the topics with this prefix."""

    async def ask() -> dict[str, tuple[int, dict[str, str]]]:
        client = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        await client.start()
        try:
            there: dict[str, Any] = {
                topic["topic"]: len(topic["partitions"])
                for topic in await client.describe_topics()
                if topic["topic"].startswith(prefix)
            }
            asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in there]
            answers = await client.describe_configs(asked) if asked else []
        finally:
            await client.close()
        return {
            resource[3].removeprefix(prefix): (
                there[resource[3]],
                {entry[0]: entry[1] for entry in resource[4]},
            )
            for answer in answers
            for resource in answer.resources
        }

    return asyncio.run(ask())


def made(kafka: KafkaServer, prefix: str, name: str, partitions: int, **config: str) -> None:
    """Make a topic, and wait until the broker shows it."""
    kafka.create_topics(prefix + name, partitions=partitions, **config)
    while name not in described(kafka, prefix):
        pass


def test_every_topic_is_made_with_its_partitions_and_retention(
    kafka: KafkaServer, prefix: str
) -> None:
    result = governor("topics", "create", "--partitions", "3", "--json")
    assert result.exit_code == 0, result.stderr
    found = described(kafka, prefix)
    assert set(json.loads(result.stdout)["created"]) == {prefix + name for name in found}
    assert set(found) == {topic.name for topic in TOPICS}
    for name, (partitions, config) in found.items():
        assert partitions == (1 if name == "governor.control" else 3)
        cleanup = "compact" if name == "governor.waiting" else "delete"
        assert config["cleanup.policy"] == cleanup, name
        if name in HISTORY | EVER:
            years = 100 if name in EVER else 1
            assert int(config["retention.ms"]) >= years * 365 * 86_400_000
            assert config["retention.bytes"] == "-1"


def test_the_topics_of_a_replay_keep_records_of_any_age(
    kafka: KafkaServer, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(kafka, prefix, "outreach.candidates", 2, retention_ms="604800000")
    monkeypatch.setenv("GOVERNOR_CLOCK", "record")
    result = governor("topics", "create")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{prefix}outreach.candidates: `retention.ms` is `604800000`, less than a replay needs: -1"
    ]
    for name, (_, config) in described(kafka, prefix).items():
        assert config["retention.ms"] == "-1" or name == "outreach.candidates", name


def test_twice_is_harmless(kafka: KafkaServer, prefix: str) -> None:
    assert governor("topics", "create", "--partitions", "2").exit_code == 0
    before = described(kafka, prefix)
    again = governor("topics", "create")
    assert again.exit_code == 0, again.stderr
    assert again.stdout.count("there ") == len(TOPICS)
    assert described(kafka, prefix) == before


def test_what_is_missing_is_added_with_the_number_of_the_others(
    kafka: KafkaServer, prefix: str
) -> None:
    made(kafka, prefix, "outreach.candidates", 5)
    result = governor("topics", "create")
    assert result.exit_code == 0, result.stderr
    assert {name: number for name, (number, _) in described(kafka, prefix).items()} == {
        topic.name: 1 if topic.single else 5 for topic in TOPICS
    }


def test_what_does_not_fit_is_told_and_left_alone(kafka: KafkaServer, prefix: str) -> None:
    made(kafka, prefix, "people.consents", 4, cleanup_policy="compact")
    made(kafka, prefix, "people.profiles", 4, retention_ms="86400000")
    made(kafka, prefix, "outreach.feedback", 2, retention_ms="-1")
    made(kafka, prefix, "governor.control", 1, retention_ms=str(400 * 86_400_000))
    made(kafka, prefix, "governor.waiting", 4, max_message_bytes="8388608")
    before = described(kafka, prefix)
    result = governor("topics", "create", "--partitions", "4")
    assert result.exit_code == 1
    told = dict(line.removeprefix(prefix).split(": ", 1) for line in result.stderr.splitlines())
    assert set(told) == {
        "people.consents",
        "people.profiles",
        "outreach.feedback",
        "governor.control",
        "governor.waiting",
    }
    flaws = [line.removeprefix(prefix) for line in result.stderr.splitlines()]
    assert any(f.startswith("people.consents: `cleanup.policy` is `compact`") for f in flaws)
    assert any(f.startswith("people.profiles: `retention.ms` is `86400000`") for f in flaws)
    assert any(f.startswith("outreach.feedback: has 2 partitions") for f in flaws)
    assert (
        "governor.control: `retention.ms` is `34560000000`, less than a stop lasts, which is for"
        " ever: 3153600000000" in flaws
    )
    assert any(f.startswith("governor.waiting: `cleanup.policy` is `delete`") for f in flaws)
    after = described(kafka, prefix)
    assert {name: after[name] for name in before} == before
    assert set(after) == {topic.name for topic in TOPICS}


def test_the_published_schemas_know_the_same_topics() -> None:
    assert governor("schema", "--out", "schemas").exit_code == 0
    document = json.loads((ROOT / "schemas" / "asyncapi.json").read_text())
    named = {channel["address"] for channel in document["channels"].values()}
    assert {topic.name for topic in TOPICS} <= named
