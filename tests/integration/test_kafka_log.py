"""``KafkaLog``, and the topics commands, against the real broker."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest
from kafka.admin import KafkaAdminClient

from schemas.decode import decode_record
from schemas.errors import GoldendogError, StateError, UserError
from schemas.records import Heartbeat
from schemas.topics import CHECKPOINTS, MENTIONS, TICKS, TOPICS
from streams.cli.main import exit_code
from streams.kafka.admin import topics_check, topics_create, topics_describe
from streams.kafka.connection import Connection
from streams.kafka.layout import is_live
from streams.kafka.log import KafkaLog
from streams.kafka.shapes import TopicShape, refuse_unbegun, topic_shapes
from streams.log.base import Item
from streams.transport.delivery import Jump
from tests.kafka.broker import KafkaBroker
from tests.kafka.live import clear
from tests.kafka.rig import KafkaRig, Seen, eventually, fill, running

pytestmark = pytest.mark.broker
START = 1_735_689_600_000


async def test_appends_and_reads_keep_order_keys_and_times(kafka_rig: KafkaRig) -> None:
    # Retention goes by the records' own time: without this they would be gone within seconds.
    log, topic = kafka_rig.log, await kafka_rig.create(2, **{"retention.ms": "-1"})
    items = [Item(b"k%d" % n, b"v%d" % n, START + n) for n in range(3000)]
    assert await log.append(topic, 1, items) == list(range(3000))
    assert await log.append(topic, 1, []) == []
    records = []
    while chunk := await log.read(topic, 1, len(records), limit=700):
        assert len(chunk) <= 700
        records += chunk
    assert [(r.key, r.value, r.timestamp) for r in records] == [tuple(i) for i in items]
    assert [r.offset for r in records] == list(range(3000))
    assert (await log.start_offset(topic, 1), await log.end_offset(topic, 1)) == (0, 3000)
    assert (await log.end_offset(topic, 0), await log.read(topic, 0, 0)) == (0, [])
    assert await log.partitions(topic) == 2


async def test_reads_from_a_beginning_find_all_of_it_every_time(kafka_rig: KafkaRig) -> None:
    log, topic = kafka_rig.log, await kafka_rig.create(3)
    await fill(log, topic, 3, 20)
    for _ in range(10):  # jumping between partitions assigns anew each time
        for partition in range(3):
            assert [r.offset for r in await log.read(topic, partition, 0)] == list(range(20))
            assert [r.offset for r in await log.read(topic, partition, 15, limit=2)] == [15, 16]


async def test_nothing_is_fetched_while_nobody_reads(
    kafka_rig: KafkaRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fetch that waits for records at an end holds up what is asked on the same connection.
    log, topic = kafka_rig.log, await kafka_rig.create(2)
    await fill(log, topic, 2, 20)
    fetched: list[object] = []
    send = AIOKafkaClient.send

    async def watched(self: AIOKafkaClient, node: int, request: object, **more: object) -> object:
        if isinstance(request, FetchRequest):
            fetched.append(request)
        return await send(self, node, request, **more)

    monkeypatch.setattr(AIOKafkaClient, "send", watched)
    for partition in (0, 1, 0):
        assert len(await log.read(topic, partition, 0)) == 20
        seen = len(fetched)
        assert seen > 0
        for _ in range(20):
            assert await log.end_offset(topic, partition) == 20
        assert len(fetched) == seen
    await log.append(topic, 0, [Item(b"more", b"")])
    assert [r.key for r in await log.read(topic, 0, 20)] == [b"more"]


async def test_large_records_and_tombstones(kafka_rig: KafkaRig) -> None:
    log, topic = kafka_rig.log, await kafka_rig.create(1, **{"cleanup.policy": "compact"})
    chunk = bytes(range(256)) * 3900  # just below a megabyte
    await log.append(topic, 0, [Item(b"a", chunk), Item(b"b", chunk), Item(b"a", None)])
    records = []
    while more := await log.read(topic, 0, len(records)):
        records += more
    assert [(r.key, r.value) for r in records] == [(b"a", chunk), (b"b", chunk), (b"a", None)]


async def test_appends_from_many_tasks_keep_their_own_order(kafka_rig: KafkaRig) -> None:
    log, topic = kafka_rig.log, await kafka_rig.create(1)
    batches = [[Item(b"%d" % task, b"%d" % n) for n in range(50)] for task in range(20)]
    offsets = await asyncio.gather(*(log.append(topic, 0, batch) for batch in batches))
    records = await log.read(topic, 0, 0, limit=1000)
    assert len(records) == 1000
    for task, own in enumerate(offsets):
        found = [(r.offset, r.value) for r in records if r.key == b"%d" % task]
        assert found == [(o, b"%d" % n) for n, o in enumerate(own)]


async def test_what_does_not_exist_is_named_and_not_created(kafka_rig: KafkaRig) -> None:
    log, topic = kafka_rig.log, await kafka_rig.create(1)
    for call in (log.append("nowhere", 0, [Item(None, b"")]), log.read("nowhere", 0, 0)):
        with pytest.raises(StateError, match="no topic nowhere"):
            await call
    with pytest.raises(StateError, match=f"no partition {topic}/1"):
        await log.append(topic, 1, [Item(None, b"")])
    closed = KafkaLog(kafka_rig.bootstrap)
    with pytest.raises(StateError, match="closed"):
        await closed.partitions(topic)


async def test_a_record_the_broker_refuses_is_an_error(kafka_rig: KafkaRig) -> None:
    topic = await kafka_rig.create(1, **{"max.message.bytes": "1000"})
    with pytest.raises(StateError, match="append to"):
        await kafka_rig.log.append(topic, 0, [Item(None, random_bytes(5000))])


async def test_input_lost_to_retention_is_reported(kafka_rig: KafkaRig) -> None:
    topic, first, second = await kafka_rig.create(1), Seen(), Seen()
    await fill(kafka_rig.log, topic, 1, 50)
    async with running(kafka_rig, {topic: first}) as run:
        await eventually(lambda: first.count() == 50)
        await run.end()
    await fill(kafka_rig.log, topic, 1, 50, start=50)
    await asyncio.to_thread(delete_before, kafka_rig.bootstrap, topic, 80)
    async with running(kafka_rig, {topic: second}) as run:
        await eventually(lambda: second.count() == 20)
        assert run.transport is not None
        (tp,) = {tp for tp, _ in second.batches}
        assert run.transport.jumps == [Jump(tp, 50, 80)]
        await run.end()


def random_bytes(count: int) -> bytes:
    import random

    return random.Random(3).randbytes(count)


def delete_before(bootstrap: str, topic: str, offset: int) -> None:
    from kafka import TopicPartition

    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.delete_records({TopicPartition(topic, 0): offset})
    finally:
        admin.close()


# Topics: one test after another on the same names, so each deletes what was there.


@pytest.fixture
def bare(kafka_broker: KafkaBroker) -> str:
    """A broker without goldendog's topics."""
    clear(kafka_broker.bootstrap)
    return kafka_broker.bootstrap


async def test_live_topics_are_stamped_by_the_broker(bare: str) -> None:
    done = await asyncio.to_thread(topics_create, bare, 2, 3)
    assert set(done.created) == {t.name for t in TOPICS}
    assert done.begun == 3 + 3 * 2 + 1  # control has one partition
    states = {s.name: s for s in await asyncio.to_thread(topics_describe, bare)}
    assert {s.stamp for s in states.values()} == {"append"}
    assert (states[MENTIONS].partitions, states[TICKS].partitions) == (3, 2)
    assert states[CHECKPOINTS].compacted
    for spec in TOPICS:
        assert states[spec.name].retention_ms == spec.retention_ms
    assert {s.log_start_ms for s in states.values() if s.name == TICKS} == {done.log_start_ms}
    assert await asyncio.to_thread(topics_check, bare, 2, 3) == []
    again = await asyncio.to_thread(topics_create, bare, 2, 3)
    assert (again.created, again.begun, again.log_start_ms) == ((), 0, done.log_start_ms)


async def test_recorded_topics_keep_the_records_time_for_ever(bare: str) -> None:
    await asyncio.to_thread(topics_create, bare, 2, recorded=True, log_start_ms=START)
    states = await asyncio.to_thread(topics_describe, bare)
    assert {(s.stamp, s.retention_ms) for s in states} == {("recorded", -1)}
    async with KafkaLog(bare) as log:
        for partition in range(2):
            (first,) = await log.read(TICKS, partition, 0)
            beat = decode_record(first.value or b"")
            assert isinstance(beat, Heartbeat)
            assert (first.timestamp, beat.log_start_ms, beat.ts_event_ms) == (START,) * 3
        future = START + 400 * 86_400_000 * 5  # scenarios may play in years to come
        await log.append(TICKS, 0, [Item(None, b"", START), Item(None, b"", future)])
        assert [r.timestamp for r in await log.read(TICKS, 0, 1)] == [START, future]
    with pytest.raises(UserError, match=f"log starts at {START} ms, not {START + 1} ms"):
        await asyncio.to_thread(topics_create, bare, 2, recorded=True, log_start_ms=START + 1)


async def test_a_creation_cut_short_is_completed_with_the_same_start(bare: str) -> None:
    await asyncio.to_thread(topics_create, bare, 2, log_start_ms=START)
    admin = KafkaAdminClient(bootstrap_servers=bare)
    await asyncio.to_thread(admin.delete_topics, [TICKS])
    await asyncio.to_thread(admin.close)
    differences = await asyncio.to_thread(topics_check, bare, 2)
    assert [str(difference) for difference in differences] == [f"{TICKS}: missing"]
    done = await asyncio.to_thread(topics_create, bare, 2)
    assert (done.created, done.begun, done.log_start_ms) == ((TICKS,), 2, START)


async def test_differences_are_named(bare: str) -> None:
    await asyncio.to_thread(topics_create, bare, 2)
    differences = [str(f) for f in await asyncio.to_thread(topics_check, bare, 4, recorded=True)]
    assert f"{TICKS}: partitions=2, should be 4" in differences
    assert f"{TICKS}: timestamps=append, should be recorded" in differences
    with pytest.raises(UserError, match="topics exist with other settings"):
        await asyncio.to_thread(topics_create, bare, 4)


async def test_an_input_that_does_not_begin_with_a_heartbeat_is_refused(bare: str) -> None:
    await asyncio.to_thread(topics_create, bare, 1)
    admin = KafkaAdminClient(bootstrap_servers=bare)
    await asyncio.to_thread(admin.delete_topics, [TICKS])
    await asyncio.to_thread(
        admin.create_topics, {TICKS: {"num_partitions": 1}}, wait_for_metadata=True
    )
    await asyncio.to_thread(admin.close)
    async with KafkaLog(bare) as log:
        await log.append(TICKS, 0, [Item(None, b"{}")])
    with pytest.raises(GoldendogError, match="does not begin with a Heartbeat"):
        await asyncio.to_thread(topics_check, bare, 1)


async def test_a_worker_learns_the_shape_of_topics_by_its_own_client(bare: str) -> None:
    where = Connection(bare)
    assert await topic_shapes(where) == []
    await asyncio.to_thread(topics_create, bare, 2, 3)
    states = await asyncio.to_thread(topics_describe, bare)
    assert await topic_shapes(where) == [TopicShape(s.name, s.partitions, s.stamp) for s in states]
    assert is_live(await topic_shapes(where))


async def test_a_worker_refuses_an_input_that_began_before_it_was_created(bare: str) -> None:
    async with KafkaLog(bare) as log:
        await asyncio.to_thread(topics_create, bare, 2)
        shapes = await topic_shapes(Connection(bare))
        await refuse_unbegun(log, shapes)
        await asyncio.to_thread(delete_before, bare, TICKS, 1)
        await log.append(TICKS, 0, [Item(None, b"{}")])
        await refuse_unbegun(log, shapes)  # its very first record is gone: nobody can say
    await asyncio.to_thread(clear, bare)
    admin = KafkaAdminClient(bootstrap_servers=bare)
    wanted = {TICKS: {"num_partitions": 1, "replication_factor": 1}}
    admin.create_topics(wanted, wait_for_metadata=True)
    admin.close()
    async with KafkaLog(bare) as log:
        await log.append(TICKS, 0, [Item(None, b"{}")])
        with pytest.raises(GoldendogError, match=f"{TICKS}/0 does not begin with a Heartbeat"):
            await refuse_unbegun(log, await topic_shapes(Connection(bare)))


def test_the_command_line(bare: str, capsys: pytest.CaptureFixture[str]) -> None:
    at = ["--bootstrap", bare]
    assert exit_code(["topics", "check", *at, "--partitions", "2", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["differences"]) == len(TOPICS)
    sizes = ["--partitions", "2", "--mention-partitions", "1"]
    assert exit_code(["topics", "create", *at, *sizes, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs_begun"] == 8
    assert exit_code(["topics", "check", *at, *sizes]) == 0
    assert "as they should be" in capsys.readouterr().out
    assert exit_code(["topics", "describe", *at]) == 0
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert rows[CHECKPOINTS][1:5] == ["2", "1", "append", "compacted"]
    assert rows[TICKS][1:] == ["2", "1", "append", "8", "days", "2", "0.0", "MB", "0", "to", "1"]
    assert exit_code(["topics", "describe", *at, "--json"]) == 0
    told = {topic["name"]: topic for topic in json.loads(capsys.readouterr().out)}
    assert told[TICKS]["spans"] == [[0, 1], [0, 1]]
    assert told[TICKS]["size_bytes"] > 100
    assert told[TICKS]["configs"]["retention.ms"] == str(8 * 86_400_000)
    assert exit_code(["topics", "create", *at, "--partitions", "3"]) == 2
    assert "partitions=2, should be 3" in capsys.readouterr().err


def test_no_broker_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["topics", "describe", "--bootstrap", "127.0.0.1:1"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("goldendog: no Kafka broker at 127.0.0.1:1 (Connection refused)")
    assert said.count("\n") == 1
    assert exit_code(["topics", "check", "--bootstrap", "localhost"]) == 2
    assert "write HOST:PORT" in capsys.readouterr().err
