"""The scenario through Apache Kafka, by the command line: its alerts equal the replay's."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from time import monotonic, time_ns

import pytest
from kafka.admin import KafkaAdminClient

from schemas.decode import encode_record
from schemas.records import Heartbeat, Record
from schemas.topics import ALERTS, CHECKPOINTS, TOPICS
from streams.files.write import write_records
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from streams.replay.api import replay
from streams.scenario.coins import lexicon_text
from streams.scenario.rednote import rednote
from streams.sources.places import Place, key_of, places_of
from tests.helpers.crowd import EAGER, crowd
from tests.helpers.logs import TOKENS
from tests.helpers.pump import in_order
from tests.kafka.broker import KafkaBroker

ROOT = Path(__file__).parents[2]
FROM_MS = 1_736_830_800_000  # 14 January 2025, 05:00 UTC
HOURS = 12
PARTITIONS, MENTION_PARTITIONS = 3, 2
PATIENCE_S = 120.0

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def scenario() -> list[Record]:
    """Some hours of the wave, as a log of its own."""
    end = FROM_MS + HOURS * 3_600_000
    middle = [r for r in rednote() if FROM_MS <= (r.ts_log_ms or 0) < end]
    return [
        Heartbeat("begin", FROM_MS, log_start_ms=FROM_MS, ts_log_ms=FROM_MS),
        *middle,
        Heartbeat("end", end, ts_log_ms=end),
    ]


def goldendog(*args: str) -> list[str]:
    return [sys.executable, "-m", "streams.cli.main", *args]


def command(*args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(goldendog(*args), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


@contextmanager
def worker(bootstrap: str, folder: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    args = ("--bootstrap", bootstrap, "--data-dir", str(folder), *more)
    with (folder / "worker.log").open("a") as log:
        process = subprocess.Popen(
            goldendog("run", *args, "--json"),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"GOLDENDOG_CONFIG": ""},
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


async def produce(log: KafkaLog, records: Sequence[Record]) -> None:
    """Each record its own message, in order, a batch of every partition at a time."""
    counts = {spec.name: await log.partitions(spec.name) for spec in TOPICS if spec.raw_input}
    source = iter(records)
    while chunk := list(islice(source, 4_000)):
        piles: dict[Place, list[Item]] = defaultdict(list)
        for record in chunk:
            item = Item(key_of(record), encode_record(record), record.ts_log_ms)
            for place in places_of(record, counts):
                piles[place].append(item)
        await asyncio.gather(*(log.append(*place, items) for place, items in piles.items()))


async def alerts_in(log: KafkaLog) -> list[bytes]:
    found: list[bytes] = []
    for p in range(PARTITIONS):
        offset = await log.start_offset(ALERTS, p)
        while records := await log.read(ALERTS, p, offset):
            found += [record.value or b"" for record in records]
            offset = records[-1].offset + 1
    return found


@pytest.fixture
def bare_broker(kafka_broker: KafkaBroker) -> Iterator[str]:
    """A broker without our topics, before and after."""

    def clear() -> None:
        admin = KafkaAdminClient(bootstrap_servers=kafka_broker.bootstrap)
        try:
            ours = {spec.name for spec in TOPICS} & set(admin.list_topics())
            if ours:
                admin.delete_topics(sorted(ours))
            until = monotonic() + 30
            while {spec.name for spec in TOPICS} & set(admin.list_topics()):
                assert monotonic() < until
        finally:
            admin.close()

    clear()
    yield kafka_broker.bootstrap
    clear()


async def test_the_scenario_with_a_kill_equals_its_replay(bare_broker: str, tmp_path: Path) -> None:
    records = scenario()
    file, lexicon = tmp_path / "records.ndjson", tmp_path / "lexicon.json"
    write_records(records, file)
    lexicon.write_text(lexicon_text())
    replay(file, lexicon=lexicon, out=tmp_path / "replayed")
    expected = (tmp_path / "replayed" / "alerts.ndjson").read_bytes().splitlines()
    assert {json.loads(raw)["kind"] for raw in expected} >= {"candidate", "fading"}
    said = command("run", "--bootstrap", bare_broker, code=2).stderr
    assert "create the topics with: goldendog topics create" in said.splitlines()[-1]
    create = ("--partitions", str(PARTITIONS), "--mention-partitions", str(MENTION_PARTITIONS))
    begin = ("--recorded", "--log-start-ms", str(FROM_MS))
    command("topics", "create", "--bootstrap", bare_broker, *create, *begin)
    async with KafkaLog(bare_broker) as log:
        half = len(records) // 2
        await produce(log, records[:half])
        with worker(bare_broker, tmp_path, "--lexicon", str(lexicon)) as first:
            assert first.stdout is not None
            await asyncio.to_thread(first.stdout.readline)  # it is at work
            first.send_signal(signal.SIGKILL)
        assert 0 < len(await alerts_in(log)) < len(expected)
        await produce(log, records[half:])
        with worker(bare_broker, tmp_path, "--lexicon", str(lexicon)) as second:
            until = monotonic() + PATIENCE_S
            while len(await alerts_in(log)) < len(expected):
                assert monotonic() < until, (tmp_path / "worker.log").read_text()
                assert second.poll() is None, (tmp_path / "worker.log").read_text()
                await asyncio.sleep(0.2)
            second.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(second.wait, PATIENCE_S) == 0
        assert in_order(await alerts_in(log)) == expected
        for p in range(PARTITIONS):
            assert await log.end_offset(CHECKPOINTS, p) > 0


async def test_a_live_worker_alerts_though_inputs_are_silent(
    bare_broker: str, tmp_path: Path
) -> None:
    """The broker stamps; the worker's heartbeats close the bars of a crowd that has gone."""
    config = tmp_path / "goldendog.toml"
    config.write_text(EAGER)
    command("topics", "create", "--bootstrap", bare_broker, "--partitions", "2")
    async with KafkaLog(bare_broker) as log:
        with worker(bare_broker, tmp_path, "--config", str(config)) as live:
            told = asyncio.create_task(asyncio.to_thread(_first_line, live))
            for round_ in range(400):
                await produce(log, crowd(round_, time_ns() // 1_000_000))
                done, _ = await asyncio.wait({told}, timeout=0.3)
                if done:
                    break
            alert = json.loads(await told)
            assert (alert["kind"], alert["token"]) == ("candidate", TOKENS[0])
            live.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(live.wait, PATIENCE_S) == 0


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()
