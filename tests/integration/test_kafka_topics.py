"""`topics check` against the real broker: what it says mends it, does; and workers at their start."""

from __future__ import annotations

import asyncio
import json
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient

from schemas.topics import CHECKPOINTS, RESOLVED, TICKS
from streams.kafka.admin import topics_check, topics_create
from streams.kafka.checkpoint_age import checkpoint_age_ms
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from streams.worker.checkpoint import CheckpointStore
from tests.kafka.broker import KafkaBroker, fetch_libs
from tests.kafka.live import PATIENCE_S, command, worker

pytestmark = pytest.mark.broker
HOUR_MS = 3_600_000


def configure(bootstrap: str, topic: str, **configs: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        values = {key.replace("_", "."): value for key, value in configs.items()}
        admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, values)])
    finally:
        admin.close()


def remake(bootstrap: str, topic: str, partitions: int) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.delete_topics([topic])
        admin.create_topics({topic: {"num_partitions": partitions}}, wait_for_metadata=True)
    finally:
        admin.close()


def test_a_retention_too_short_fails_and_the_command_that_is_named_mends_it(
    bare_broker: str,
) -> None:
    sizes = ("--bootstrap", bare_broker, "--partitions", "2", "--mention-partitions", "1")
    command("topics", "create", *sizes)
    configure(bare_broker, TICKS, retention_ms=str(24 * HOUR_MS))
    configure(bare_broker, RESOLVED, retention_ms=str(30 * 24 * HOUR_MS))
    told = json.loads(command("topics", "check", *sizes, "--json", code=1).stdout)
    (difference,) = told["differences"]
    assert difference["topic"] == TICKS
    assert "keeps 24 h, shorter than the longest baseline (25 h)" in difference["problem"]
    assert [(note["topic"], note["remedy"]) for note in told["notes"]] == [
        (RESOLVED, "it may stay so")
    ]
    run_tool(difference["remedy"])
    said = command("topics", "check", *sizes).stdout.splitlines()
    assert said[0].startswith(f"note: {RESOLVED}: ")
    assert said[-1] == "the topics are as they should be"


def run_tool(line: str) -> None:
    """Run a command of Kafka's own as its script would."""
    script, *args = shlex.split(line)
    assert script == "kafka-configs.sh"
    java = ["java", "-cp", f"{fetch_libs()}/*", "kafka.admin.ConfigCommand", *args]
    done = subprocess.run(java, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_the_age_of_the_newest_checkpoint_counts(bare_broker: str) -> None:
    await asyncio.to_thread(topics_create, bare_broker, 2, 1)
    assert await asyncio.to_thread(checkpoint_age_ms, bare_broker, 2) == 0
    async with KafkaLog(bare_broker) as log:
        store = CheckpointStore(log)
        for partition in range(2):
            await store.load(partition)
        for n in range(12):
            await store.save(
                0,
                b"state %d" % n,
                positions={},
                alerts_end=0,
                fingerprint="f",
                closed_ms=0,
            )
        torn = [Item(b"0/99-torn/%d" % n, b"chunk") for n in range(40)]
        await log.append(CHECKPOINTS, 0, torn)
    young = await asyncio.to_thread(checkpoint_age_ms, bare_broker, 2)
    assert 0 <= young < HOUR_MS
    # One that is seven days old, on a topic that takes the time it is told.
    now_ms = time.time_ns() // 1_000_000
    await asyncio.to_thread(
        configure, bare_broker, CHECKPOINTS, message_timestamp_type="CreateTime"
    )
    async with KafkaLog(bare_broker) as log:
        old = Item(b"1/1-a/manifest", b"{}", now_ms - 168 * HOUR_MS)
        await log.append(CHECKPOINTS, 1, [old])
    age = await asyncio.to_thread(checkpoint_age_ms, bare_broker, 2)
    assert 168 * HOUR_MS <= age < 169 * HOUR_MS
    findings = await asyncio.to_thread(topics_check, bare_broker, 2, 1)
    short = [f for f in findings if "the checkpoint's age (7 days)" in f.problem]
    assert TICKS in {f.topic for f in short}
    assert not any(f.note for f in short)


def test_a_worker_refuses_topics_that_are_not_co_partitioned(
    bare_broker: str, tmp_path: Path
) -> None:
    command("topics", "create", "--bootstrap", bare_broker, "--partitions", "2")
    remake(bare_broker, RESOLVED, 3)
    run = ("run", "--bootstrap", bare_broker, "--data-dir", str(tmp_path))
    said = command(*run, code=2).stderr.splitlines()[-1]
    assert "topics by token must have equally many partitions, but" in said
    assert f"{RESOLVED} has 3" in said
    assert "Traceback" not in said


@pytest.mark.usefixtures("kafka_broker")  # skips where none can be started
def test_a_worker_waits_for_a_broker_and_then_says_what_is_missing(tmp_path: Path) -> None:
    """Down, then up without topics: it waits and says so, then ends with what to do."""
    (tmp_path / "broker").mkdir()
    broker = KafkaBroker(tmp_path / "broker", fetch_libs())
    broker.format()
    log = tmp_path / "worker.log"
    with worker(broker.bootstrap, tmp_path) as process:
        waiting = f"no Kafka broker at {broker.bootstrap} (Connection refused): trying again in"
        until = time.monotonic() + PATIENCE_S
        while log.read_text().count(waiting) < 2:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.1)
        try:
            broker.start()
            assert process.wait(PATIENCE_S) == 2
        finally:
            broker.stop()
    assert "no topic social.mentions.v1, " in log.read_text().splitlines()[-1]
    assert log.read_text().rstrip().endswith("create the topics with: goldendog topics create")
