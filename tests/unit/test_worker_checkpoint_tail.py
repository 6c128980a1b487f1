"""A start reads the end of a partition of checkpoints alone, and forgets nothing that it must remove."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from streams.log.base import Item, LogRecord
from streams.worker.checkpoint import CHUNK_BYTES, CheckpointStore

MINUTE = 60_000
LARGE = np.random.default_rng(1).bytes(int(1.5 * CHUNK_BYTES))  # two chunks


class Uncompacted:
    """A partition as it is before the brokers compact it: superseded records are there still."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.read_of = 0

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        first = len(self.records)
        for key, value, _ in items:
            self.records.append(LogRecord(topic, 0, len(self.records), 0, key, value))
        return list(range(first, len(self.records)))

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        found = self.records[offset : offset + limit]
        self.read_of += len(found)
        return found

    async def start_offset(self, topic: str, partition: int) -> int:
        return 0

    async def end_offset(self, topic: str, partition: int) -> int:
        return len(self.records)

    async def partitions(self, topic: str) -> int:
        return 1

    def left(self) -> set[str]:
        """The checkpoints of which compaction would leave something."""
        last = {record.key: record.value for record in self.records}
        return {(key or b"").decode().split("/")[1] for key, value in last.items() if value}


async def save(store: CheckpointStore, at: int, state: bytes = b"state") -> None:
    await store.save(
        0, state, positions={"t": at}, alerts_end=at, fingerprint="f", closed_ms=at * MINUTE
    )


async def written(n: int) -> Uncompacted:
    log = Uncompacted()
    store = CheckpointStore(log)
    assert await store.load(0) is None
    for at in range(n):
        await save(store, at, LARGE if at % 5 == 0 else b"state")
    return log


async def newest(log: Uncompacted) -> int | None:
    found = await CheckpointStore(log).load(0)
    return None if found is None else found.manifest.positions["t"]


def torn(log: Uncompacted) -> None:
    """A crash within the next checkpoint."""
    log.records.append(LogRecord("c", 0, len(log.records), 0, b"0/999-torn/0", b"half"))


def unsuperseded(log: Uncompacted) -> None:
    """A crash between a checkpoint's manifest and the tombstones of what it supersedes."""
    while log.records[-1].value is None:
        log.records.pop()


def undone(_: Uncompacted) -> None:
    """No crash at all."""


@pytest.mark.parametrize("crash", [undone, torn, unsuperseded])
@pytest.mark.parametrize("n", [101, 103])
async def test_it_reads_the_end_and_removes_what_who_has_read_all_removes(
    crash: object, n: int
) -> None:
    left: list[list[int]] = []
    for read_all in (False, True):
        log = await written(n)
        crash(log)  # type: ignore[operator]
        log.read_of = 0
        store = CheckpointStore(log)
        if read_all:
            await store.whole(0)
        else:
            found = await store.load(0)
            assert found is not None and found.manifest.positions["t"] == n - 1
            assert log.read_of < 64 < len(log.records)
        for at in (n, n + 1, n + 2):
            await save(store, at)
        whole = await CheckpointStore(log).whole(0)
        assert {packed.manifest.checkpoint for packed in whole} == log.left()
        left.append([packed.manifest.positions["t"] for packed in whole])
    assert left[0] == left[1]
    assert left[0][:2] == [n + 2, n + 1] and len(left[0]) > 3


async def test_the_one_before_is_found_where_the_last_is_damaged() -> None:
    log = await written(60)
    last = max(
        n for n, r in enumerate(log.records) if r.value and (r.key or b"").endswith(b"/manifest")
    )
    key = log.records[last - 1].key
    log.records.append(LogRecord("c", 0, len(log.records), 0, key, b"written over"))
    assert await newest(log) == 58


async def test_all_is_read_where_an_earlier_version_wrote_the_last() -> None:
    log = await written(60)
    for n, record in enumerate(log.records):
        if record.value and (record.key or b"").endswith(b"/manifest"):
            manifest = json.loads(record.value)
            del manifest["earlier"]
            log.records[n] = record._replace(value=json.dumps(manifest).encode())
    log.read_of = 0
    store = CheckpointStore(log)
    assert await store.load(0) is not None
    assert log.read_of >= len(log.records)
    for at in (60, 61):
        await save(store, at)
    whole = await CheckpointStore(log).whole(0)
    assert {packed.manifest.checkpoint for packed in whole} == log.left()


async def test_where_all_were_ended_none_is_found() -> None:
    log = await written(40)
    live = {r.key: r.value for r in log.records}
    await log.append("c", 0, [Item(key, None) for key, value in live.items() if value])
    assert await newest(log) is None
