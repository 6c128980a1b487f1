"""From 8 partitions to 32 on a real broker: no alert is lost, none comes twice."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from schemas.errors import UserError
from schemas.topics import ALERTS, TICKS
from streams.files.write import write_records
from streams.kafka.admin import topics_check, topics_create
from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from streams.log.partition import partition_of
from streams.operate import repartition as work
from streams.replay.api import replay
from streams.scenario.coins import lexicon_text
from tests.helpers.pump import in_order
from tests.kafka.live import FROM_MS, PATIENCE_S, alerts_in, command, produce, scenario, worker

HOURS = 4.0
WAS, NOW = 8, 32  # as docs/howto/operate.md tells
pytestmark = [pytest.mark.broker, pytest.mark.slow]


async def reached(log: KafkaLog, count: int, partitions: int, process: Any, said: Path) -> None:
    """Wait until so many alerts are in the topic, and the worker has told of them."""
    until = monotonic() + PATIENCE_S
    while len(await alerts_in(log, partitions)) < count:
        assert monotonic() < until, words(said)
        assert process.poll() is None, words(said)
        await asyncio.sleep(0.2)


def words(said: Path) -> str:
    return said.read_text()


def told(process: subprocess.Popen[str], count: int) -> list[bytes]:
    """Alerts that a worker prints: so many, and what comes until it has ended."""
    assert process.stdout is not None
    lines = list(islice(process.stdout, count))
    process.send_signal(signal.SIGTERM)
    lines += process.stdout
    assert process.wait(PATIENCE_S) == 0
    return [line.strip().encode() for line in lines]


async def test_alerts_are_those_of_a_replay(
    bare_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = scenario(HOURS)
    file, lexicon = tmp_path / "records.ndjson", tmp_path / "lexicon.json"
    write_records(records, file)
    lexicon.write_text(lexicon_text())
    replay(file, lexicon=lexicon, out=tmp_path / "replayed")
    expected = (tmp_path / "replayed" / "alerts.ndjson").read_bytes().splitlines()
    half = len(records) // 2
    halfway_ms = records[half - 1].ts_log_ms or 0
    before = sum(json.loads(raw)["ts_available_ms"] < halfway_ms - 5_000 for raw in expected)
    assert 0 < before < len(expected)
    where = ("--bootstrap", bare_broker)
    await asyncio.to_thread(topics_create, bare_broker, WAS, 2, recorded=True, log_start_ms=FROM_MS)
    folder = tmp_path / "deal"
    deal = ("topics", "repartition", "--partitions", str(NOW), "--out", str(folder), *where)
    said = tmp_path / "worker.log"
    async with KafkaLog(bare_broker) as log:
        await produce(log, records[:half])
        with worker(bare_broker, tmp_path, "--lexicon", str(lexicon)) as first:
            await reached(log, before, WAS, first, said)
            with pytest.raises(UserError, match="1 workers of the group goldendog are alive"):
                await run(bare_broker, NOW, folder)
            printed = await asyncio.to_thread(told, first, before)
        given = await alerts_in(log, WAS)
    assert not (await run(bare_broker, NOW, folder, yes=False)).done
    assert not folder.exists()
    await cut_short(bare_broker, folder, monkeypatch)
    assert "cut short" in command(*deal, code=1).stdout
    report = json.loads(command(*deal, "--yes", "--json").stdout)
    assert (report["done"], report["was"], report["now"]) == (True, WAS, NOW)
    assert report["dealt"][ALERTS] == len(given)
    with pytest.raises(UserError, match="is of a repartition that is done"):
        await run(bare_broker, NOW, folder)
    assert await asyncio.to_thread(topics_check, bare_broker, NOW, 2, recorded=True) == []
    async with KafkaLog(bare_broker) as log:
        assert sorted(await alerts_in(log, NOW)) == sorted(given)
        await produce(log, records[half:])
        with worker(bare_broker, tmp_path, "--lexicon", str(lexicon)) as second:
            await reached(log, len(expected), NOW, second, said)
            left = len(expected) - len(printed)
            printed += await asyncio.to_thread(told, second, left)
        assert in_order(await alerts_in(log, NOW)) == expected
    assert in_order(printed) == expected  # dispatched once, too


async def cut_short(bootstrap: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run it until it has dealt some of the records."""
    whole = work.dealt

    def some(source: Any, topic: str, was: int, now: int) -> Iterator[Any]:
        yield from islice(whole(source, topic, was, now), 100)
        raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(work, "dealt", some)
        with pytest.raises(InterruptedError):
            await run(bootstrap, NOW, folder)


async def run(bootstrap: str, now: int, folder: Path, **more: bool) -> work.Report:
    options = {"yes": True, "force": False, "history_ms": 25 * 3_600_000} | more
    return await work.repartition(
        Connection.of(bootstrap), "goldendog", now, folder, **options, say=lambda _: None
    )


async def test_live_topics_keep_their_times_and_stay_live(bare_broker: str, tmp_path: Path) -> None:
    await asyncio.to_thread(topics_create, bare_broker, 2, 1)
    keys = [b"token-%d" % n for n in range(40)]
    async with KafkaLog(bare_broker) as log:
        for key in keys:
            await log.append(TICKS, partition_of(key, 2), [Item(key, b"%s is no tick" % key)])
        then = {r.key: r for p in range(2) for r in await log.read(TICKS, p, 0) if r.key}
    report = await run(bare_broker, 3, tmp_path / "a")
    assert report.done
    async with KafkaLog(bare_broker) as log:
        for q in range(3):
            found = await log.read(TICKS, q, 0)
            assert [r.timestamp for r in found] == sorted(r.timestamp for r in found)
            for record in found[1:]:
                assert record.key is not None
                old = then.pop(record.key)
                assert (record.value, record.timestamp) == (old.value, old.timestamp)
                assert partition_of(record.key, 3) == q
        assert then == {}
        [_, ours, stamped] = [
            *(await log.read(TICKS, 0, 0))[:2],
            *await appended(log),
        ]
        assert stamped.timestamp >= ours.timestamp
    assert await asyncio.to_thread(topics_check, bare_broker, 3, 1) == []
    admin = KafkaAdminClient(bootstrap_servers=bare_broker)
    admin.delete_records({TopicPartition(TICKS, 0): 2})
    admin.close()
    report = await run(bare_broker, 2, tmp_path / "b")
    assert not report.done
    [reason] = report.reasons
    assert reason.startswith(f"{TICKS}/0 has lost its first records, and no checkpoint of part")


async def appended(log: KafkaLog) -> list[Any]:
    """A record that asks for a time long past, which a live topic does not give it."""
    [offset] = await log.append(TICKS, 0, [Item(b"late", b"no tick either", 1)])
    return await log.read(TICKS, 0, offset)
