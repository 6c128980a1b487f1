"""``goldendog checkpoint``, and what a worker does with checkpoints that it cannot use."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
from structlog.testing import capture_logs

from schemas.errors import StateError
from schemas.topics import CHECKPOINTS, RESOLVED, TICKS, TOKEN_INFO
from streams.cli.main import exit_code
from streams.log.base import Item, Log
from streams.log.sqlite import SqliteLog
from streams.log.sqlite_file import OFFSET_BITS, log_path
from streams.sources.feed import Feeder
from streams.sources.ingest import Ingest
from streams.worker.checkpoint import CheckpointStore
from tests.helpers.logs import alert_bytes
from tests.helpers.pump import FINGERPRINT, Pump, alerts_in, in_order, make_team, open_log
from tests.helpers.wire import one_engine, random_records

RECORDS = random_records(4)
EXPECTED = alert_bytes(one_engine(RECORDS, fingerprint=FINGERPRINT))


async def work(log: Log, batches: int, seed: int = 1) -> None:
    """A worker that reads so many batches and is killed."""
    team, _ = make_team(log, every=60)
    pump = Pump(log, team, np.random.default_rng(seed))
    await pump.start()
    await pump.run(batches)


async def fill(folder: Path) -> None:
    with open_log(folder, partitions=2) as log:
        await Feeder(await Ingest.open(log)).feed(RECORDS)
        await work(log, 90)
        for p in range(2):
            assert len(await CheckpointStore(log).whole(p)) == 2


async def spoil(folder: Path, change: Callable[[bytes], bytes]) -> int:
    """Write each whole checkpoint of partition 0 again, with another state; how many."""
    with SqliteLog(folder) as log:
        store = CheckpointStore(log)
        found = await store.whole(0)
        for packed in reversed(found):
            m = packed.manifest
            await store.save(0, change((await packed.unpacked()).state), positions=m.positions,
                             alerts_end=m.alerts_end, fingerprint=m.fingerprint,
                             closed_ms=m.closed_ms)  # fmt: skip
        return len(found)


def of_another_layout(state: bytes) -> bytes:
    old = msgspec.msgpack.decode(state)
    old[1] = b"another layout"
    return msgspec.msgpack.encode(old)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed half-way, with two checkpoints of each partition."""
    folder = tmp_path_factory.mktemp("killed")
    asyncio.run(fill(folder))
    return folder


@pytest.fixture
def folder(killed: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(killed, tmp_path / "data")


def checkpoint(folder: Path, *args: str, code: int = 0) -> None:
    assert exit_code(["checkpoint", *args, "--data-dir", str(folder)]) == code


async def finish(folder: Path) -> list[str]:
    """Go on to the end; what the worker logged. The alerts must be those of a replay."""
    with capture_logs() as logs, SqliteLog(folder) as log:
        await work(log, 10**9)
        assert in_order(await alerts_in(log)) == EXPECTED
    return [f"{entry['event']} {entry.get('why', '')}" for entry in logs]


def test_list_tells_what_each_covers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint(folder, "list", "--json")
    found = json.loads(capsys.readouterr().out)
    assert [(each["partition"], each["whole"]) for each in found] == [
        (0, True),
        (0, True),
        (1, True),
        (1, True),
    ]
    first, second = found[:2]
    assert first["manifest"]["sequence"] == second["manifest"]["sequence"] + 1
    assert set(first["manifest"]["positions"]) == {RESOLVED, TICKS, TOKEN_INFO}
    assert first["manifest"]["fingerprint"] == FINGERPRINT
    assert first["size"] > 0 and first["age_s"] >= 0
    checkpoint(folder, "list")
    told = capsys.readouterr().out
    assert told.count("whole") == 4 and "next offsets: dex.ticks.v1" in told


def test_verify_finds_torn_and_damaged_ones(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint(folder, "verify")
    assert "4 whole, 0 damaged" in capsys.readouterr().out

    async def damage() -> None:
        with SqliteLog(folder) as log:
            newest, older = await CheckpointStore(log).whole(1)
            chunk = f"1/{newest.manifest.checkpoint}/0".encode()
            await log.append(CHECKPOINTS, 1, [Item(chunk, newest.chunks[0][:-1] + b"?")])
            wrong = msgspec.structs.replace(older.manifest, state_bytes=7)
            manifest = f"1/{older.manifest.checkpoint}/manifest".encode()
            await log.append(CHECKPOINTS, 1, [Item(manifest, msgspec.json.encode(wrong))])
            await log.append(CHECKPOINTS, 0, [Item(b"0/99-ab/0", b"its manifest never came")])

    asyncio.run(damage())
    checkpoint(folder, "verify", "--json", code=1)
    found = json.loads(capsys.readouterr().out)
    assert [(each["partition"], each["whole"], each["damaged"]) for each in found] == [
        (0, True, False),
        (0, True, False),
        (0, False, False),
        (1, True, True),
        (1, False, True),
    ]
    assert "its manifest says 7" in found[3]["problem"]
    assert "not those that its manifest tells of" in found[4]["problem"]
    checkpoint(folder, "verify", code=1)
    assert "2 whole, 2 damaged" in capsys.readouterr().out
    said = asyncio.run(finish(folder))
    assert any("passed over checkpoint" in line and "unpacks to" in line for line in said)


def test_reset_asks_and_state_is_rebuilt(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint(folder, "reset", code=1)
    assert "this would end 4 checkpoints" in capsys.readouterr().out
    checkpoint(folder, "reset", "--partition", "7", "--yes", code=2)
    assert "there is no partition 7" in capsys.readouterr().err
    checkpoint(folder, "reset", "--partition", "1", "--yes", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["done"], told["checkpoints"], told["partitions"]) == (True, 2, [1])
    assert told["starts"] == {f"{topic}/1": 0 for topic in (RESOLVED, TICKS, TOKEN_INFO)}
    checkpoint(folder, "reset", "--yes")
    assert "2 checkpoints of 2 partitions were ended" in capsys.readouterr().out
    checkpoint(folder, "list")
    assert capsys.readouterr().out == "no checkpoint\n"
    asyncio.run(finish(folder))


def test_reset_leaves_a_live_run_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with SqliteLog(folder):
        checkpoint(folder, "reset", "--yes", code=2)
    assert "is in use by process" in capsys.readouterr().err


def lose_beginning(folder: Path) -> None:
    """Delete the first hundred ticks of partition 0, as retention does."""
    with closing(sqlite3.connect(log_path(folder))) as db:
        row = db.execute("SELECT id FROM partitions WHERE topic = ? AND number = 0", (TICKS,))
        base = row.fetchone()[0] << OFFSET_BITS
        db.execute("DELETE FROM records WHERE id >= ? AND id < ?", (base, base + 100))
        db.commit()


def test_reset_refuses_a_log_without_its_beginning(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lose_beginning(folder)
    checkpoint(folder, "reset", "--yes", code=1)
    told = capsys.readouterr().out
    assert "dex.ticks.v1/0               has lost what came before 100" in told
    assert "nothing was done" in told
    checkpoint(folder, "list")
    assert capsys.readouterr().out.count("whole") == 4
    checkpoint(folder, "reset", "--yes", "--force", "--partition", "0")
    checkpoint(folder, "list")
    assert capsys.readouterr().out.count("whole") == 2


def test_a_state_of_another_layout_is_rebuilt_from_the_log(folder: Path) -> None:
    assert asyncio.run(spoil(folder, of_another_layout)) == 2
    said = asyncio.run(finish(folder))
    assert any("passed over snapshot has another layout" in line for line in said)
    assert any(line.startswith("the state is rebuilt from the log's start") for line in said)


def test_a_checkpoint_of_an_older_format_is_rebuilt_from_the_log(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("checkpoint", "checkpoint_book"):
        monkeypatch.setattr(f"streams.worker.{module}.FORMAT", 2)
    said = asyncio.run(finish(folder))
    assert any(line.startswith("the state is rebuilt from the log's start") for line in said)
    asyncio.run(superseded(folder))


async def superseded(folder: Path) -> None:
    """Those of the other format have gone, once two of ours were whole."""
    with SqliteLog(folder) as log:
        store = CheckpointStore(log)
        assert len(await store.whole(0)) == 2 and not store.foreign(0)


def test_a_state_that_cannot_be_rebuilt_is_not_guessed(folder: Path) -> None:
    asyncio.run(spoil(folder, of_another_layout))
    lose_beginning(folder)
    with pytest.raises(StateError, match=r"dex\.ticks\.v1/0 no longer reaches back"):
        asyncio.run(finish(folder))
