"""What was refused and why, and a second try for it once the cause is gone."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Final, get_args

import msgspec
from aiokafka import AIOKafkaProducer, ConsumerRecord

from governor.broker import producing, records, visit
from governor.codec.rejected import Reason
from governor.config.settings import Settings
from governor.config.topics import DEAD_LETTERS, INPUTS
from governor.core.instant import format_instant
from governor.ledger.keys import Pseudonyms

_ADDED = "dlq_"
_LONGEST_NUMBER = 20
_UNKNOWN = "unknown"
RETRIED = "dlq_retried_at"
REASONS: Final[tuple[str, ...]] = (*get_args(Reason), _UNKNOWN)
"""What a letter's reason can be; `unknown` where it was put there by somebody else."""


class Letter(msgspec.Struct, frozen=True):
    """A dead letter, without its content: where it lies, where it came from and why it is here.

    `key` is the pseudonym of the key where people have one, else only its length.
    """

    partition: int
    offset: int
    reason: str
    topic: str
    from_partition: int | None
    from_offset: int | None
    at: str
    size: int
    key: str | None
    retried_at: str | None


Chosen = Callable[[Letter], bool]


class Retried(msgspec.Struct):
    """What a retry came to: what was published again, and what could not be."""

    published: list[Letter] = msgspec.field(default_factory=list)
    left: list[tuple[Letter, str]] = msgspec.field(default_factory=list)


def letters(settings: Settings, chosen: Chosen, limit: int | None = None) -> list[Letter]:
    """Return the dead letters of this moment that are *chosen*; raises BrokerUnavailable."""

    async def collect() -> list[Letter]:
        return [letter async for letter, _ in _chosen(settings, chosen, limit)]

    return visit(settings, collect())


def retry(settings: Settings, wanted: Iterable[Letter], now: int) -> Retried:
    """Publish the *wanted* letters again as they came, each once, to where they came from.

    The copies carry `dlq_retried_at`, *now* (ms). Raises BrokerUnavailable; then the letters
    before that one may have been published.
    """
    places = {(letter.partition, letter.offset) for letter in wanted}
    return visit(settings, _retry(settings, places, now))


async def _retry(settings: Settings, places: set[tuple[int, int]], now: int) -> Retried:
    known = {settings.topic_prefix + name for name in INPUTS}
    retried = Retried()

    def chosen(letter: Letter) -> bool:
        return (letter.partition, letter.offset) in places

    async with producing(settings) as producer:
        async for letter, record in _chosen(settings, chosen, None):
            if letter.topic not in known:
                retried.left.append((letter, f"`{letter.topic}` is no topic that governor reads"))
            elif record.key is None and record.value is None:
                retried.left.append((letter, "has neither key nor value"))
            else:
                await _publish(producer, letter, record, now)
                retried.published.append(letter)
    return retried


async def _publish(
    producer: AIOKafkaProducer, letter: Letter, record: ConsumerRecord, now: int
) -> None:
    own = [(name, value) for name, value in record.headers if not name.startswith(_ADDED)]
    partitions = await producer.partitions_for(letter.topic)
    partition = letter.from_partition if letter.from_partition in partitions else None
    await producer.send_and_wait(
        letter.topic,
        value=record.value,
        key=record.key,
        partition=partition,
        headers=[*own, (RETRIED, format_instant(now).encode())],
    )


async def _chosen(
    settings: Settings, chosen: Chosen, limit: int | None
) -> AsyncIterator[tuple[Letter, ConsumerRecord]]:
    names = Pseudonyms(settings.pseudonym_key) if settings.pseudonym_key else None
    found = 0
    async with aclosing(records(settings, settings.topic_prefix + DEAD_LETTERS)) as every:
        async for record in every:
            letter = _letter(record, names)
            if chosen(letter):
                found += 1
                yield letter, record
            if found == limit:
                return


def _letter(record: ConsumerRecord, names: Pseudonyms | None) -> Letter:
    # the last of a name: a letter that came back here carries those of its first visit too
    headers = {name: _text(value) for name, value in record.headers if name.startswith(_ADDED)}
    return Letter(
        partition=record.partition,
        offset=record.offset,
        reason=headers.get("dlq_reason") or _UNKNOWN,
        topic=headers.get("dlq_topic") or _UNKNOWN,
        from_partition=_number(headers.get("dlq_partition")),
        from_offset=_number(headers.get("dlq_offset")),
        at=headers.get("dlq_at") or format_instant(record.timestamp),
        size=len(record.value or b""),
        key=_shown(record.key, names),
        retried_at=headers.get(RETRIED),
    )


def _shown(key: bytes | None, names: Pseudonyms | None) -> str | None:
    if key is None:
        return None
    if names is not None:
        return names.of(_text(key))
    return f"{len(key)} bytes"


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")


def _number(text: str | None) -> int | None:
    plain = text is not None and len(text) < _LONGEST_NUMBER and text.isascii() and text.isdigit()
    return int(text or 0) if plain else None
