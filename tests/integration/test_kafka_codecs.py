"""Compressed topics: what others wrote is read, and what we write is compressed as asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaProducer

from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from tests.kafka.broker import KafkaBroker
from tests.kafka.rig import KafkaRig, Seen, eventually, running

CODECS = {"gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}
"""As the attributes of a batch on the wire, and on disk, number them."""
VALUES = [b"%d dogs bark at the moon, and the moon is golden" % n for n in range(3_000)]

pytestmark = [pytest.mark.broker]


def codecs_on_disk(broker: KafkaBroker, topic: str) -> set[int]:
    """Codec of every batch in partition 0 of a topic: the broker keeps what producers send."""
    [file] = Path(broker._folder).glob(f"data/{topic}-0/*.log")
    data, at, found = file.read_bytes(), 0, set()
    while at + 61 <= len(data):
        found.add(int.from_bytes(data[at + 21 : at + 23], "big") & 7)
        at += 12 + int.from_bytes(data[at + 8 : at + 12], "big")
    return found


async def consumed(rig: KafkaRig, topic: str) -> list[bytes]:
    """What an agent gets."""
    seen = Seen()
    async with running(rig, {topic: seen}):
        await eventually(lambda: seen.count() >= len(VALUES))
    return seen.values


async def by_aiokafka(bootstrap: str, topic: str, codec: str) -> None:
    options: dict[str, Any] = {"compression_type": codec, "linger_ms": 20}
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, **options) as producer:
        sent = [await producer.send(topic, value, partition=0) for value in VALUES]
        for each in sent:
            await each


def by_kafka_python(bootstrap: str, topic: str, codec: str) -> None:
    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, linger_ms=20)
    try:
        for each in [producer.send(topic, value, partition=0) for value in VALUES]:
            each.get(60)
    finally:
        producer.close()


# Of kafka-python's codecs the one whose library is here.
@pytest.mark.parametrize(
    ("client", "codec"), [("aiokafka", "lz4"), ("aiokafka", "zstd"), ("kafka-python", "zstd")]
)
async def test_topics_that_others_compress_are_read_by_agents_and_by_the_log(
    kafka_broker: KafkaBroker, kafka_rig: KafkaRig, client: str, codec: str
) -> None:
    topic = await kafka_rig.create(1)
    if client == "aiokafka":
        await by_aiokafka(kafka_broker.bootstrap, topic, codec)
    else:
        await asyncio.to_thread(by_kafka_python, kafka_broker.bootstrap, topic, codec)
    assert codecs_on_disk(kafka_broker, topic) == {CODECS[codec]}
    assert await consumed(kafka_rig, topic) == VALUES
    found: list[bytes | None] = []
    while records := await kafka_rig.log.read(topic, 0, len(found)):
        found += [record.value for record in records]
    assert found == VALUES


@pytest.mark.parametrize("codec", list(CODECS))
async def test_what_is_written_is_compressed_as_asked(
    kafka_broker: KafkaBroker, kafka_rig: KafkaRig, codec: str
) -> None:
    topic = await kafka_rig.create(1)
    async with KafkaLog(Connection(kafka_broker.bootstrap, compression=codec)) as log:
        await log.append(topic, 0, [Item(None, value) for value in VALUES])
    assert codecs_on_disk(kafka_broker, topic) == {CODECS[codec]}
    found = await kafka_rig.log.read(topic, 0, 0, len(VALUES))
    assert [record.value for record in found] == VALUES[: len(found)]
