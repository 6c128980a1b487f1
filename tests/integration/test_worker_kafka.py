"""The scenario through Apache Kafka, by the command line: its alerts equal the replay's."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from pathlib import Path
from time import monotonic, time_ns

import pytest

from schemas.topics import CHECKPOINTS
from streams.files.write import write_records
from streams.kafka.log import KafkaLog
from streams.replay.api import replay
from streams.scenario.coins import lexicon_text
from tests.helpers.crowd import EAGER, crowd
from tests.helpers.logs import TOKENS
from tests.helpers.ports import free_ports
from tests.helpers.pump import in_order
from tests.kafka.live import (
    FROM_MS,
    PATIENCE_S,
    alerts_in,
    asked,
    command,
    produce,
    ready,
    scenario,
    worker,
)

PARTITIONS, MENTION_PARTITIONS = 3, 2

pytestmark = [pytest.mark.broker, pytest.mark.slow]


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
        assert 0 < len(await alerts_in(log, PARTITIONS)) < len(expected)
        await produce(log, records[half:])
        with worker(bare_broker, tmp_path, "--lexicon", str(lexicon)) as second:
            until = monotonic() + PATIENCE_S
            while len(await alerts_in(log, PARTITIONS)) < len(expected):
                assert monotonic() < until, (tmp_path / "worker.log").read_text()
                assert second.poll() is None, (tmp_path / "worker.log").read_text()
                await asyncio.sleep(0.2)
            second.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(second.wait, PATIENCE_S) == 0
        assert in_order(await alerts_in(log, PARTITIONS)) == expected
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
        [port] = free_ports(1)
        door = ("--http-port", str(port))
        with worker(bare_broker, tmp_path, "--config", str(config), *door) as live:
            told = asyncio.create_task(asyncio.to_thread(_first_line, live))
            for round_ in range(400):
                await produce(log, crowd(round_, time_ns() // 1_000_000))
                done, _ = await asyncio.wait({told}, timeout=0.3)
                if done:
                    break
            alert = json.loads(await told)
            assert (alert["kind"], alert["token"]) == ("candidate", TOKENS[0])
            told_ready = await asyncio.to_thread(ready, port)
            assert {each["missing"] for each in told_ready["partitions"]} == {""}
            behind = {(e["stage"], e["partition"]): e for e in told_ready["partitions"]}
            stages = {"control": 1, "resolve": 8, "detect": 2, "dispatch": 2}
            assert set(behind) == {(name, p) for name, n in stages.items() for p in range(n)}
            assert 0 <= behind["detect", 1]["behind_seconds"] <= 10
            assert behind["dispatch", 0]["behind_seconds"] is None
            told = await asked("lag", "--bootstrap", bare_broker, "--max-seconds", "60")
            assert (len(told["members"]), told["max_seconds"] < 60) == (1, True)
            live.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(live.wait, PATIENCE_S) == 0
        assert (await asked("lag", "--bootstrap", bare_broker))["members"] == []


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()
