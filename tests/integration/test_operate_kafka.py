"""What an operator asks of a real broker: lag, checkpoints, dead letters."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from time import monotonic

import pytest
from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from schemas.decode import encode_record
from schemas.records import Tick
from schemas.topics import ALERTS, MENTIONS, RESOLVED, TICKS, TOKEN_INFO
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from streams.scenario.coins import lexicon_text
from streams.sources.places import token_partition
from streams.worker.dead_letters import DeadLetters, Reject
from streams.worker.poison import blame
from streams.worker.tally import Tally
from tests.kafka.live import FROM_MS, PATIENCE_S, asked, command, produce, scenario, worker

pytestmark = [pytest.mark.broker, pytest.mark.slow]


async def test_lag_checkpoints_and_letters(bare_broker: str, tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.json"
    lexicon.write_text(lexicon_text())
    where = ("--bootstrap", bare_broker)
    command("topics", "create", *where, "--partitions", "2", "--mention-partitions", "2",
            "--recorded", "--log-start-ms", str(FROM_MS))  # fmt: skip
    async with KafkaLog(bare_broker) as log:
        await produce(log, scenario(1.0))
        await log.append(TICKS, 0, [Item(None, b'{"type":"tick"}', FROM_MS)])
        behind = await asked("lag", *where, "--group", "nobody", "--max-seconds", "60", code=1)
        assert (behind["members"], behind["max_seconds"] > 3_000) == ([], True)
        assert {each["topic"] for each in behind["inputs"]} == {
            MENTIONS, RESOLVED, TICKS, TOKEN_INFO, ALERTS,
        }  # fmt: skip
        with worker(bare_broker, tmp_path, "--lexicon", str(lexicon)) as live:
            until = monotonic() + PATIENCE_S
            while True:
                behind = await asked("lag", *where)
                inputs = {f"{i['topic']}/{i['partition']}": i for i in behind["inputs"]}
                done = behind["max_seconds"] == 0 and inputs[f"{RESOLVED}/0"]["next_offset"] > 0
                if done and len(behind["members"]) == 1:
                    break
                assert monotonic() < until and live.poll() is None
            ends = {name: each["end_offset"] for name, each in inputs.items()}
            assert ends[f"{TICKS}/0"] == await log.end_offset(TICKS, 0)
            assert all(each["records"] == 0 for each in inputs.values())
            said = await asyncio.to_thread(command, "checkpoint", "reset", "--yes", *where, code=2)
            assert "1 workers of the group goldendog are alive" in said.stderr
            live.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(live.wait, PATIENCE_S) == 0
    behind = await asked("lag", *where, "--max-seconds", "1")
    assert all(each["replayed"] == 0 for each in behind["inputs"])  # handed over at the stop
    await marks_are_no_lag(bare_broker)
    found = await asked("checkpoint", "verify", *where)
    assert {(each["partition"], each["whole"]) for each in found} == {(0, True), (1, True)}
    state = await asked("state", "show", "MOMO", *where, "--lexicon", str(lexicon))
    assert (state["symbol"], state["closed_ms"]) == ("MOMO", FROM_MS + 3_600_000 - 5_000)
    assert state["price_usd"] is not None
    (letter,) = (await asked("dlq", "list", *where))["letters"]
    assert (letter["place"].rsplit("/", 1)[0], letter["raw"]) == (f"{TICKS}/0", '{"type":"tick"}')
    refused = await asked("dlq", "replay", "--all", *where, code=1)
    assert refused["sent"] == [] and len(refused["refused"]) == 1
    await sent_again(bare_broker)
    assert (await asked("checkpoint", "reset", "--yes", *where))["done"]
    assert await asked("checkpoint", "list", *where) == []


async def sent_again(bootstrap: str) -> None:
    """A letter whose record decodes by now goes to its topic once, however often it is asked for."""
    tick = next(r for r in scenario(1.0) if isinstance(r, Tick))
    raw = encode_record(replace(tick, id="mended"))
    p = token_partition(tick.token, 2)
    async with KafkaLog(bootstrap) as log:
        await DeadLetters(log, Tally()).put(
            TICKS, p, [Reject(7, FROM_MS, blame(IndexError("x")), raw)]
        )
        end = await log.end_offset(TICKS, p)
        where = ("--bootstrap", bootstrap, "--code", "poison")
        planned = await asked("dlq", "replay", *where, "--dry-run")
        assert len(planned["sent"]) == 1
        assert await log.end_offset(TICKS, p) == end
        sent = await asked("dlq", "replay", *where)
        assert (len(sent["sent"]), sent["refused"]) == (1, [])
        [again] = await log.read(TICKS, p, end)
        assert (again.value, again.key) == (raw, tick.token.encode())
        assert (await asked("dlq", "replay", *where))["sent"] == []
        assert await log.end_offset(TICKS, p) == end + 1


async def marks_are_no_lag(bootstrap: str) -> None:
    """What a transaction leaves behind fills offsets, and nothing waits."""
    last_ms = FROM_MS + 3_600_000
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="t") as producer:
        for commit, offsets, seconds in ((False, 3, 0.0), (True, 6, 7.5)):
            await producer.begin_transaction()
            for ms in (last_ms, last_ms + 7_500):
                await producer.send_and_wait(TICKS, b"no tick", partition=0, timestamp_ms=ms)
            await (producer.commit_transaction() if commit else producer.abort_transaction())
            behind = await asked(
                "lag", "--bootstrap", bootstrap, "--max-seconds", "7", code=1 if commit else 0
            )
            [ticks] = [e for e in behind["inputs"] if (e["topic"], e["partition"]) == (TICKS, 0)]
            assert (ticks["records"], ticks["seconds"]) == (offsets, seconds)
