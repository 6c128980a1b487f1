"""Recordings: every record once, whatever happens to the recorder, and its very bytes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from schemas.decode import encode_record
from schemas.errors import BusyError, InputFileError, StateError, UserError
from schemas.records import Heartbeat, Tick
from schemas.topics import ALERTS, DAY_MS, MENTIONS, TICKS
from streams.files.kinds import recognise
from streams.files.parquet import read_parquet
from streams.log.base import Item
from streams.recording import record as recording
from streams.recording import write as writing
from streams.recording.layout import Recorded, parts_of, recorded_to
from streams.recording.record import Recorder, Tale
from streams.transport.run import Backoff
from tests.helpers.golden import GOLDEN
from tests.helpers.logs import T0, TOKENS
from tests.helpers.memory_log import MemoryLog

HOW_TO = Path(__file__).parents[2] / "docs" / "howto" / "record.md"
MIDNIGHT = (T0 // DAY_MS + 1) * DAY_MS


def tick(n: int, at_ms: int) -> Item:
    record = Tick(f"t{n}", at_ms, TOKENS[n % 3], 0.25, n, "buy", f"w{n}")
    return Item(record.token.encode(), encode_record(record), at_ms)


async def a_log(n: int = 60) -> MemoryLog:
    """Two partitions of ticks around midnight; times fall now and then, and some do not decode."""
    log = MemoryLog({TICKS: 2, MENTIONS: 1, ALERTS: 1})
    for p in range(2):
        await log.append(TICKS, p, [Item(None, encode_record(Heartbeat("h", T0)), MIDNIGHT - 999)])
        items = [tick(i, MIDNIGHT + 100 * (i - n // 2) - 250 * (i % 7 == 3)) for i in range(n)]
        items[5] = Item(b"\xff", b"\xff\xfe", items[5].ts_log_ms)
        items[6] = Item(None, None, items[6].ts_log_ms)
        await log.append(TICKS, p, items)
    return log


async def record(
    log: MemoryLog,
    folder: Path,
    topics: dict[str, Recorded] | None = None,
    said: list[str] | None = None,
    firsts: dict[tuple[str, int], int] | None = None,
) -> Tale:
    topics = topics or {TICKS: Recorded(2, "a")}
    say: Callable[[str], None] = (said if said is not None else []).append
    with recorded_to(folder):
        recorder = Recorder(log, folder, topics, say=say, stop=asyncio.Event())
        await recorder.begin(firsts or {})
        ends = {(t, p): log.ends[t, p] for t, of in topics.items() for p in range(of.partitions)}
        await recorder.up_to(ends, lambda _done, _total: None)
    return recorder.tale


def kept(folder: Path, topic: str = TICKS) -> list[tuple[Any, ...]]:
    """(partition, offset, key, value) of every row, in order; no offset twice."""
    found = []
    for p, parts in sorted(parts_of(folder, topic).items()):
        for part in parts:
            table = pq.read_table(part.path, partitioning=None)
            assert set(table["partition"].to_pylist()) == {p}
            offsets = table["offset"].to_pylist()
            assert part.first <= offsets[0] and offsets[-1] < part.next
            found += zip(
                table["partition"].to_pylist(), offsets, table["key"].to_pylist(),
                table["value"].to_pylist(), strict=True,
            )  # fmt: skip
    assert found == sorted(found, key=lambda row: row[:2])
    return found


def there(log: MemoryLog, topic: str = TICKS) -> list[tuple[Any, ...]]:
    places = sorted(place for place in log.records if place[0] == topic)
    return [(r.partition, r.offset, r.key, r.value) for place in places for r in log.records[place]]


async def test_bytes_times_days_and_columns(tmp_path: Path) -> None:
    log = await a_log()
    tale = await record(log, tmp_path / "r")
    assert kept(tmp_path / "r") == there(log)
    assert (tale.records, tale.undecodable, tale.files) == ({TICKS: 122}, {TICKS: 4}, 4)
    found = ds.dataset(tmp_path / "r", partitioning="hive").to_table().to_pylist()
    assert {(row["topic"], str(row["day"])) for row in found} == {
        (TICKS, "2025-01-14"), (TICKS, "2025-01-15"),
    }  # fmt: skip
    one = [row for row in found if row["partition"] == 1]
    times = [row["ts_log_ms"] for row in one]
    assert times == sorted(times)
    assert len(set(times)) < len(times), "a time that falls is raised to the one before"
    assert one[3]["id"] == "t2" and one[3]["value_usd"] == 2 and one[3]["token"] == TOKENS[2]
    assert one[3]["ts_event_ms"] == MIDNIGHT - 2_800
    assert one[6]["type"] is None and one[6]["ts_event_ms"] is None
    chunks = list(read_parquet(recognise(next(iter(parts_of(tmp_path / "r", TICKS)[1])).path)))
    assert chunks[0].decode().counts["tick"] == 28, "a part is a file of records like any other"


async def test_the_query_of_the_how_to_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await record(await a_log(), tmp_path / "recording")
    (code,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    there: dict[str, Any] = {}
    exec(code, there)
    assert [(token, value > 100) for token, value in there["traded"]] == [
        (TOKENS[n], True) for n in (2, 1, 0)
    ]


async def test_alerts_have_columns_too(tmp_path: Path) -> None:
    log = MemoryLog({ALERTS: 1})
    lines = GOLDEN.read_bytes().splitlines()
    await log.append(ALERTS, 0, [Item(b"k", line, T0) for line in [*lines, b"{}"]])
    tale = await record(log, tmp_path, {ALERTS: Recorded(1)})
    assert tale.undecodable == {ALERTS: 1}
    (parts,) = parts_of(tmp_path, ALERTS).values()
    rows = pq.read_table(parts[0].path, partitioning=None).to_pylist()
    assert [row["value"] for row in rows[:-1]] == lines
    assert rows[0]["type"] == "alert" and rows[0]["id"].startswith("gd_") and rows[0]["token"]


async def test_killed_at_any_moment_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each run dies one step of the disk later; the runs together keep every record once."""

    class KilledError(BaseException):
        pass

    left = 0
    steps: dict[str, Callable[..., Any]] = {
        "make_durable": writing.make_durable,
        "write_table": pq.write_table,
        "rename": Path.rename,
    }

    def mortal(name: str) -> Callable[..., Any]:
        def step(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise KilledError
            return steps[name](*args, **options)

        return step

    monkeypatch.setattr(writing, "make_durable", mortal("make_durable"))
    monkeypatch.setattr(pq, "write_table", mortal("write_table"))
    monkeypatch.setattr(Path, "rename", mortal("rename"))
    log = await a_log()
    deaths = 0
    for first in range(25):
        folder, left = tmp_path / str(first), first
        try:
            await record(log, folder)
        except KilledError:
            deaths += 1
            assert set(kept(folder)) <= set(there(log))
        left = 10**9
        await record(log, folder)
        assert kept(folder) == there(log)
        assert not list(folder.rglob(".*.parquet"))
    assert deaths == 24, "a table, a sync, a rename and three more of folders, of four files"


async def test_it_goes_on_where_it_ended_and_names_what_was_lost(tmp_path: Path) -> None:
    log = await a_log()
    await record(log, tmp_path)
    log.pass_over(TICKS, 0, 5)
    for p in range(2):
        await log.append(TICKS, p, [tick(i, MIDNIGHT + 60_000 + i) for i in range(30)])
    assert (await record(log, tmp_path)).records == {TICKS: 60}
    assert kept(tmp_path) == there(log)
    (first, *_), second = parts_of(tmp_path, TICKS)[0][1:], parts_of(tmp_path, TICKS)[0][-1]
    assert first.next == second.first == 61, "a hole that transactions made is none"
    before = there(log)
    await log.append(TICKS, 1, [tick(i, MIDNIGHT + 90_000 + i) for i in range(20)])
    log.lose(TICKS, 1, 100)
    said: list[str] = []
    tale = await record(log, tmp_path, said=said)
    assert [str(lost) for lost in tale.lost] == [f"{TICKS}/1 offsets 91 to 99"]
    assert said == [f"lost: {TICKS}/1 offsets 91 to 99 were deleted before they were recorded"]
    offsets = [row[1] for row in kept(tmp_path) if row[0] == 1]
    assert offsets == [*range(91), *range(100, 111)]
    assert kept(tmp_path)[: len(before) // 2] == before[: len(before) // 2]


async def test_what_cannot_be_gone_on_with_is_refused(tmp_path: Path) -> None:
    log = await a_log()
    folder = tmp_path / "r"
    await record(log, folder, firsts={(TICKS, 0): 10})
    assert [row[1] for row in kept(folder) if row[0] == 0] == [*range(10, 61)]
    for topics, why in (
        ({TICKS: Recorded(2, "b")}, "another topic dex.ticks.v1, which was deleted since"),
        ({TICKS: Recorded(3, "a")}, "of 2 partitions, and it has 3 now"),
    ):
        with pytest.raises(UserError, match=re.escape(why)):
            await record(log, folder, topics)
    with pytest.raises(UserError, match="it was deleted and made anew"):
        await record(MemoryLog({TICKS: 2}), folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match="holds something that is no recording"):
        await record(log, tmp_path / "mine")
    with recorded_to(folder), pytest.raises(BusyError, match="another recorder writes to"):
        await record(log, folder)
    part = parts_of(folder, TICKS)[0][0]
    part.path.with_name("0000-000000000000-000000000020.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputFileError, match="hold the same offsets"):
        await record(log, folder)


async def test_following_writes_now_and_then_and_at_the_end(tmp_path: Path) -> None:
    log, stop = await a_log(), asyncio.Event()
    with recorded_to(tmp_path):
        recorder = Recorder(log, tmp_path, {TICKS: Recorded(2)}, say=print, stop=stop)
        await recorder.begin({})
        task = asyncio.create_task(recorder.follow(0.0, lambda _done, _total: None))
        while len(kept(tmp_path)) < 122:
            await asyncio.sleep(0.01)
        await log.append(TICKS, 0, [tick(1, MIDNIGHT + 70_000)])
        await asyncio.sleep(0)
        stop.set()
        await asyncio.wait_for(task, 30)
    assert len(kept(tmp_path)) in (122, 123)
    await record(log, tmp_path, {TICKS: Recorded(2)})
    assert kept(tmp_path) == there(log)


async def test_following_outlives_a_log_that_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "Backoff", lambda: Backoff(0.001, 0.001))
    log, stop, said = await a_log(), asyncio.Event(), list[str]()
    away = 3
    read = log.read

    async def mute(*args: Any) -> Any:
        if away:
            raise StateError("deaf")
        return await read(*args)

    async def connect() -> None:
        nonlocal away
        away -= 1
        if away:
            raise StateError("no broker answers")

    monkeypatch.setattr(log, "read", mute)
    topics = {TICKS: Recorded(2)}
    with recorded_to(tmp_path):
        recorder = Recorder(log, tmp_path, topics, say=said.append, stop=stop, connect=connect)
        await recorder.begin({})
        task = asyncio.create_task(recorder.follow(0.0, lambda _done, _total: None))
        while len(kept(tmp_path)) < 122:
            await asyncio.sleep(0.01)
        stop.set()
        await asyncio.wait_for(task, 30)
    assert said == [
        "deaf: trying again in 0.001 s",
        "no broker answers: trying again in 0.001 s",
        "no broker answers: trying again in 0.001 s",
    ]
    assert kept(tmp_path) == there(log)


async def test_a_topic_made_anew_ends_following_and_costs_nothing_that_was_read(
    tmp_path: Path,
) -> None:
    log = await a_log()
    before = there(log)
    with recorded_to(tmp_path):
        recorder = Recorder(log, tmp_path, {TICKS: Recorded(2)}, say=print, stop=asyncio.Event())
        await recorder.begin({})
        task = asyncio.create_task(recorder.follow(300.0, lambda _done, _total: None))
        while sum(recorder.tale.records.values()) < len(before):
            await asyncio.sleep(0.01)
        log.ends[TICKS, 1] = 3
        with pytest.raises(UserError, match="made anew while it was recorded"):
            await asyncio.wait_for(task, 30)
    assert kept(tmp_path) == before


async def test_what_is_deleted_while_it_is_read_is_not_told_as_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await a_log()
    await record(log, tmp_path)
    await log.append(TICKS, 1, [tick(i, MIDNIGHT + 90_000 + i) for i in range(20)])
    log.lose(TICKS, 1, 70)
    read = log.read

    async def moving(topic: str, p: int, offset: int, limit: int = 1000) -> Any:
        found = await read(topic, p, offset, limit)
        if (p, offset) == (1, 61):
            log.lose(TICKS, 1, 74)
        return found

    monkeypatch.setattr(log, "read", moving)
    tale = await record(log, tmp_path)
    assert [str(lost) for lost in tale.lost] == [f"{TICKS}/1 offsets 61 to 69"]
    offsets = [row[1] for row in kept(tmp_path) if row[0] == 1]
    assert offsets == [*range(61), *range(70, 81)]
