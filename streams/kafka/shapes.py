"""Topics as a worker must know them before it starts: how many partitions, and who stamps.

A worker asks by the client that it works with, and need not load the library that administers topics.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import NoError, for_code

from schemas.decode import decode_record
from schemas.errors import GoldendogError, RecordError
from schemas.records import Heartbeat
from schemas.topics import BY_NAME, TOPICS
from streams.kafka.connection import Connection
from streams.log.base import Log, Stamp

STAMPS: Final[dict[str, Stamp]] = {"LogAppendTime": "append", "CreateTime": "recorded"}
_STAMP: Final = "message.timestamp.type"


@dataclass(frozen=True)
class TopicShape:
    """One topic that exists: its partitions, and who stamps its records."""

    name: str
    partitions: int
    stamp: Stamp


async def topic_shapes(where: Connection) -> list[TopicShape]:
    """Goldendog's topics that exist, in their order.

    Raises aiokafka's ``KafkaError`` where the brokers do not answer, ``GoldendogError`` where they refuse.
    """
    admin = AIOKafkaAdminClient(**where.client_options())
    try:
        await admin.start()
        told = {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics()}
        names = [spec.name for spec in TOPICS if spec.name in told]
        asked = [ConfigResource(ConfigResourceType.TOPIC, name, {_STAMP: ""}) for name in names]
        answers = await admin.describe_configs(asked) if asked else []
    finally:
        await admin.close()
    stamps = dict(_stamp(row) for answer in answers for row in answer.resources)
    return [TopicShape(name, told[name], STAMPS[stamps[name]]) for name in names]


def _stamp(row: Sequence[Any]) -> tuple[str, str]:
    code, why, _, name, entries = row[:5]
    if (error := for_code(code)) is not NoError:
        raise GoldendogError(f"the brokers do not describe {name}: {why or error.__name__}")
    return name, next(str(entry[1]) for entry in entries if entry[0] == _STAMP)


async def refuse_unbegun(log: Log, shapes: Sequence[TopicShape]) -> None:
    """Raise GoldendogError where a raw input begins with something else than what begins a log."""
    places = [
        (shape.name, p)
        for shape in shapes
        if BY_NAME[shape.name].raw_input
        for p in range(shape.partitions)
    ]
    starts = await asyncio.gather(*(log.start_offset(*place) for place in places))
    for place, start in zip(places, starts, strict=True):
        if start == 0 and (first := await log.read(*place, 0, limit=1)):
            said_start_ms(*place, first[0].value or b"")


def said_start_ms(topic: str, partition: int, first: bytes) -> int:
    """When the log of an input starts, by the value of its very first record.

    Raises GoldendogError where that does not say.
    """
    try:
        record = decode_record(first)
    except RecordError:
        record = None
    if not isinstance(record, Heartbeat) or record.log_start_ms is None:
        raise GoldendogError(
            f"{topic}/{partition} does not begin with a Heartbeat that says log_start_ms:"
            " something was produced before `goldendog topics create`"
        )
    return record.log_start_ms
