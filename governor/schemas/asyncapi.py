"""The topics as one AsyncAPI 3 document, seen from the governor."""

from typing import Any, Literal

import msgspec

from governor import __version__
from governor.config import topics
from governor.config.topics import Topic

SCHEMA_FORMAT = "application/schema+json;version=draft-2020-12"
KAFKA_BINDING = "0.5.0"

Direction = Literal["receive", "send"]


class About(msgspec.Struct, frozen=True):
    """What is to be said of a topic: what goes through it, which way.

    `value` names a JSON Schema beside the document, None where the content is not JSON.
    """

    title: str
    says: str
    directions: tuple[Direction, ...]
    value: str | None
    headers: tuple[str, ...] = ()


_IN: tuple[Direction, ...] = ("receive",)
_OUT: tuple[Direction, ...] = ("send",)
_TRACE = ("traceparent", "tracestate")
_EVENT = ("ce_id", "ce_source", "ce_type", "ce_specversion", "ce_time", "content-type", *_TRACE)
_KEPT = {"ever": " Kept for ever.", "history": " Kept at least as long as `retention.history`."}
_DEAD = ("dlq_reason", "dlq_topic", "dlq_partition", "dlq_offset", "dlq_at")

KEYS = {
    "person": "the person",
    "person or pseudonym": "the person or their pseudonym",
    "pseudonym": "the pseudonym of the person",
    "control": "`control`",
    "waiting": "the pseudonym and the message, with `|` between",
    "as it came": "as it came",
}

HEADERS = {
    "ce_id": "the id of the decision, or of the hand-over",
    "ce_source": "which of the governor's streams of events this is from",
    "ce_type": "what happened, with the version of its form",
    "ce_specversion": "the version of CloudEvents, 1.0",
    "ce_time": "when it was decided, or became necessary",
    "content-type": "application/json",
    "traceparent": "W3C trace context, passed on as it came",
    "tracestate": "W3C trace context, passed on as it came",
    "governor_decision_id": "the id of the decision",
    "idempotency_key": "the id of the message: send it once",
    "governor_entry": "what a rebuild of the ledger needs of the release, as JSON",
    "dlq_reason": "why the record was not taken, one of a closed list",
    "dlq_topic": "the topic it came from",
    "dlq_partition": "the partition it came from, in decimal",
    "dlq_offset": "its offset there, in decimal",
    "dlq_at": "when it was put here, RFC 3339",
}

ABOUT = {
    topics.CANDIDATES: About(
        "Candidates", "messages that an engine would like to send", _IN, "candidate", _TRACE
    ),
    topics.URGENT: About(
        "UrgentCandidates",
        "candidates that are judged before all others, such as one-time codes",
        _IN,
        "candidate",
        _TRACE,
    ),
    topics.CANCELLATIONS: About(
        "Cancellations", "an engine takes back what has not gone out", _IN, "cancellation"
    ),
    topics.RELEASED: About(
        "Released",
        "messages that may go out now",
        _OUT,
        "released",
        (*_EVENT, "governor_decision_id", "idempotency_key", "governor_entry"),
    ),
    topics.DECISIONS: About(
        "Decisions",
        "what was decided and why; of a message's decisions exactly one is final",
        _OUT,
        "decision",
        _EVENT,
    ),
    topics.HANDOVERS: About(
        "Handovers",
        "a human is to be in touch with the person before automated messages go on",
        _OUT,
        "handover",
        tuple(name for name in _EVENT if name not in _TRACE),
    ),
    topics.FEEDBACK: About("Feedback", "what became of a message that was sent", _IN, "feedback"),
    topics.CONSENTS: About(
        "Consents",
        "people grant, refuse, withdraw, object, pause, or take it back",
        _IN,
        "consent-change",
    ),
    topics.PROFILES: About(
        "Profiles",
        "what the CRM knows of people; the last by `at` replaces the whole earlier one",
        _IN,
        "profile",
    ),
    topics.REVIEWS: About("Reviews", "the answers of reviewers", _IN, "review-answer"),
    topics.CONTROL: About(
        "Control", "ops pause, resume, stop or start what is in scope", _IN, "control"
    ),
    topics.WAITING: About(
        "Waiting", "what waits, encrypted; no value once it is final", ("send", "receive"), None
    ),
    topics.DEAD_LETTERS: About(
        "DeadLetters",
        "records that were not taken, with their own bytes, key and headers",
        _OUT,
        None,
        _DEAD,
    ),
}


def document() -> dict[str, Any]:
    """Make the AsyncAPI document; it refers to the JSON Schemas in its own folder."""
    described = [(topic, ABOUT[topic.name]) for topic in topics.TOPICS]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Governor",
            "version": __version__,
            "description": "Decides whether a person may be written to, how personally, on which "
            "channel and when. `GOVERNOR_TOPIC_PREFIX` goes in front of every topic. What comes "
            "in may be bare JSON or a CloudEvent in binary or structured mode; unknown fields are "
            "kept and passed on.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "localhost:9092",
                "protocol": "kafka",
                "description": "set by `GOVERNOR_BROKERS`",
            }
        },
        "channels": {about.title: _channel(topic, about) for topic, about in described},
        "operations": {
            f"{direction}{about.title}": _operation(about, direction)
            for _, about in described
            for direction in about.directions
        },
        "components": {
            "messages": {about.title: _message(topic, about) for topic, about in described}
        },
    }


def _channel(topic: Topic, about: About) -> dict[str, Any]:
    configuration: dict[str, Any] = {
        "cleanup.policy": ["compact" if topic.kept == "last" else "delete"]
    }
    configuration["max.message.bytes"] = topics.ROOMY_BYTES if topic.roomy else topics.INPUT_BYTES
    kafka: dict[str, Any] = {"topic": topic.name, "topicConfiguration": configuration}
    if topic.single:
        kafka["partitions"] = 1
    kept = _KEPT.get(topic.kept, "")
    return {
        "address": topic.name,
        "description": f"{about.says[0].upper()}{about.says[1:]}.{kept}",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {about.title: {"$ref": f"#/components/messages/{about.title}"}},
        "bindings": {"kafka": {**kafka, "bindingVersion": KAFKA_BINDING}},
    }


def _operation(about: About, direction: Direction) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "action": direction,
        "channel": {"$ref": f"#/channels/{about.title}"},
        "messages": [{"$ref": f"#/channels/{about.title}/messages/{about.title}"}],
    }
    if direction == "receive":
        group = {"type": "string", "default": "governor", "description": "`GOVERNOR_GROUP`"}
        operation["bindings"] = {"kafka": {"groupId": group, "bindingVersion": KAFKA_BINDING}}
    return operation


def _message(topic: Topic, about: About) -> dict[str, Any]:
    key = {"type": "string", "description": KEYS[topic.key]}
    message: dict[str, Any] = {
        "name": about.title,
        "summary": about.says,
        "contentType": "application/octet-stream" if about.value is None else "application/json",
        "bindings": {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}},
    }
    if about.headers:
        message["headers"] = {
            "type": "object",
            "properties": {
                name: {"type": "string", "description": HEADERS[name]} for name in about.headers
            },
            "required": [name for name in about.headers if name not in _TRACE],
        }
    if about.value is not None:
        schema = {"$ref": f"./{about.value}.json"}
        message["payload"] = {"schemaFormat": SCHEMA_FORMAT, "schema": schema}
    return message
