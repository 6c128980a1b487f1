"""Checkpoints: only a whole one counts, an older whole one stands in, nothing needed is removed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from schemas.topics import CHECKPOINTS
from streams.log.base import Item, LogRecord
from streams.log.sqlite import SqliteLog
from streams.worker.checkpoint import CHUNK_BYTES, CheckpointStore, every_whole
from tests.helpers.pump import open_log

RNG = np.random.default_rng(1)
SMALL = b"small state"
LARGE = RNG.bytes(int(2.5 * CHUNK_BYTES))  # random, so it does not compress: three chunks


async def save(store: CheckpointStore, state: bytes, at: int, partition: int = 0) -> int:
    return await store.save(
        partition,
        state,
        positions={"dex.ticks.v1": at},
        alerts_end=at,
        fingerprint="f",
        closed_ms=at,
    )


async def all_of(log: SqliteLog, partition: int = 0) -> list[LogRecord]:
    return await log.read(CHECKPOINTS, partition, 0, 10_000)


async def loaded(log: SqliteLog, partition: int = 0) -> tuple[int, bytes] | None:
    checkpoint = await CheckpointStore(log).load(partition)
    if checkpoint is None:
        return None
    return checkpoint.manifest.positions["dex.ticks.v1"], checkpoint.state


async def test_none_is_none(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        assert await loaded(log) is None


async def test_the_last_one_is_loaded_and_chunks_are_small(tmp_path: Path) -> None:
    with open_log(tmp_path, partitions=2) as log:
        store = CheckpointStore(log)
        assert await store.load(0) is None
        assert await store.load(1) is None
        await save(store, SMALL, 1)
        await save(store, LARGE, 2)
        await save(store, b"other", 3, partition=1)
        assert await loaded(log) == (2, LARGE)
        assert await loaded(log, 1) == (3, b"other")
        values = [r.value or b"" for r in await all_of(log)]
        assert max(map(len, values)) <= CHUNK_BYTES < 1_000_000
        assert len(values) == 2 + 4


async def test_two_are_kept_and_the_rest_tombstoned(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        store = CheckpointStore(log)
        await store.load(0)
        for at in range(1, 8):
            await save(store, LARGE if at % 2 else SMALL, at)
        alive = [r for r in await all_of(log) if r.value is not None]
        assert {(r.key or b"").split(b"/")[1].split(b"-")[0] for r in alive} == {b"6", b"7"}
        assert await loaded(log) == (7, LARGE)


class Killed(SqliteLog):
    """Stops writing checkpoints after so many appends, as a kill does."""

    left = 0

    async def append(self, topic: str, partition: int, items: list[Item]) -> list[int]:
        if self.left == 0:
            raise InterruptedError
        self.left -= 1
        return await super().append(topic, partition, items)


@pytest.mark.parametrize("appends", range(5))
async def test_a_torn_one_is_as_if_it_had_never_been(tmp_path: Path, appends: int) -> None:
    with open_log(tmp_path) as log:
        store = CheckpointStore(log)
        await store.load(0)
        await save(store, SMALL, 1)
    with Killed(tmp_path) as log:
        store = CheckpointStore(log)
        await store.load(0)
        log.left = appends
        if appends < 4:
            with pytest.raises(InterruptedError):
                await save(store, LARGE, 2)
        else:
            await save(store, LARGE, 2)
        assert await loaded(log) == ((1, SMALL) if appends < 4 else (2, LARGE))
        # What it left behind goes once a later one is whole, and never before.
        log.left = 100
        store = CheckpointStore(log)
        await store.load(0)
        await save(store, b"third", 3)
        await save(store, b"fourth", 4)
        assert await loaded(log) == (4, b"fourth")
        alive = [r for r in await all_of(log) if r.value is not None]
        assert len({(r.key or b"").split(b"/")[1] for r in alive}) == 2


@pytest.mark.parametrize("what", ["chunk", "missing chunk", "manifest", "hash", "other partition"])
async def test_a_damaged_one_gives_way_to_the_one_before(tmp_path: Path, what: str) -> None:
    with open_log(tmp_path) as log:
        store = CheckpointStore(log)
        await store.load(0)
        await save(store, SMALL, 1)
        await save(store, LARGE, 2)
        last = [r for r in await all_of(log) if b"/2-" in (r.key or b"")]
        chunk, manifest = last[1], last[-1]
        raw = manifest.value or b""
        fields = msgspec.json.decode(raw)
        damaged = {
            "chunk": Item(chunk.key, (chunk.value or b"")[:-1] + b"?"),
            "missing chunk": Item(chunk.key, None),
            "manifest": Item(manifest.key, raw[: len(raw) // 2]),
            "hash": Item(manifest.key, msgspec.json.encode(fields | {"sha256": "0" * 64})),
            "other partition": Item(manifest.key, msgspec.json.encode(fields | {"partition": 1})),
        }[what]
        await log.append(CHECKPOINTS, 0, [damaged])
        if what in ("chunk", "missing chunk"):  # the manifest still comes last
            await log.append(CHECKPOINTS, 0, [Item(manifest.key, manifest.value)])
        assert await loaded(log) == (1, SMALL)


async def test_two_writers_never_share_a_key(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        one, two = CheckpointStore(log), CheckpointStore(log)
        await one.load(0)
        await two.load(0)
        await save(one, SMALL, 1)
        await save(two, LARGE, 2)
        keys = [r.key for r in await all_of(log)]
        assert len(keys) == len(set(keys)) == 6
        assert await loaded(log) == (2, LARGE)


async def test_strange_messages_are_passed_over(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        items = [Item(b"nonsense", b"x"), Item(b"0/x-1/manifest", b"{}"), Item(b"0/1-a/0/0", b"")]
        await log.append(CHECKPOINTS, 0, items)
        store = CheckpointStore(log)
        assert await store.load(0) is None
        await save(store, SMALL, 1)
        assert await loaded(log) == (1, SMALL)


async def test_an_hour_back_there_is_one_of_each_quarter(tmp_path: Path) -> None:
    """However a log is written: by one worker, or by one that takes over."""
    minute = 60_000
    with open_log(tmp_path) as log:
        store = CheckpointStore(log)
        await store.load(0)
        for at in range(0, 121, 4):
            if at == 60:
                store = CheckpointStore(log)
                await store.load(0)
            await save(store, b"state at %d" % at, at * minute)
        whole = await CheckpointStore(log).whole(0)
        kept = [packed.manifest.closed_ms // minute for packed in whole]
        assert kept == [120, 116, 104, 88, 72, 56]
        assert (await whole[-1].unpacked()).state == b"state at 56"
        assert [p.manifest.closed_ms // minute async for p in every_whole(log, 0)] == kept[::-1]
        await save(store, b"from the log's start", 5 * minute)
        await save(store, b"and on", 6 * minute)
        whole = await CheckpointStore(log).whole(0)
        assert [packed.manifest.closed_ms // minute for packed in whole] == [6, 5]
