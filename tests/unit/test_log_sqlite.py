from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from schemas.decode import decode_record
from schemas.errors import BusyError, InputFileError, StateError, UserError
from schemas.records import Heartbeat
from streams.log.base import Item
from streams.log.sqlite import SqliteLog
from streams.log.sqlite_file import LOG_FILE
from streams.log.sqlite_reader import ReadonlyLog, open_readonly
from streams.log.topics import create_topics, partition_counts
from tests.helpers.opened import open_below

START = 1_735_689_600_000


class Clock:
    """A clock that says what a test wants."""

    def __init__(self, *times: int) -> None:
        self.times: Iterator[int] = iter(times)
        self.now = 0

    def __call__(self) -> int:
        self.now = next(self.times, self.now)
        return self.now


async def test_offsets_count_per_partition_and_survive_a_reopening(tmp_path: Path) -> None:
    with SqliteLog(tmp_path) as log:
        log.create_topic("a", 2)
        assert await log.append("a", 0, [Item(b"k", b"0"), Item(None, b"1")]) == [0, 1]
        assert await log.append("a", 1, [Item(None, b"x")]) == [0]
        assert await log.append("a", 1, []) == []
    with SqliteLog(tmp_path) as log:
        assert await log.append("a", 0, [Item(None, b"2")]) == [2]
        records = await log.read("a", 0, 0)
        assert [(r.offset, r.key, r.value) for r in records] == [
            (0, b"k", b"0"), (1, None, b"1"), (2, None, b"2"),
        ]  # fmt: skip
        assert [r.offset for r in await log.read("a", 0, 1, limit=1)] == [1]
        assert await log.read("a", 0, 3) == []
        assert (await log.start_offset("a", 0), await log.end_offset("a", 0)) == (0, 3)
        assert await log.partitions("a") == 2


async def test_a_read_stops_at_a_few_megabytes(tmp_path: Path) -> None:
    with SqliteLog(tmp_path) as log:
        log.create_topic("a", 1)
        await log.append("a", 0, [Item(None, b"x" * 1_000_000)] * 20)
        first = await log.read("a", 0, 0)
        assert 1 <= len(first) < 20
        rest = await log.read("a", 0, first[-1].offset + 1, limit=1000)
        assert rest[0].offset == len(first)


async def test_stamps_follow_the_clock_and_never_fall(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, clock_ms=Clock(100, 500, 400, 600), log_start_ms=7) as log:
        log.create_topic("a", 1)
        for _ in range(3):
            await log.append("a", 0, [Item(None, b"", ts_log_ms=1)])
        assert [r.timestamp for r in await log.read("a", 0, 0)] == [500, 500, 600]
    with SqliteLog(tmp_path, clock_ms=Clock(3)) as log:
        await log.append("a", 0, [Item(None, b"")])
        assert (await log.read("a", 0, 3))[0].timestamp == 600
        assert log.log_start_ms == 7


async def test_recorded_time_is_the_records_own(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, stamp="recorded", log_start_ms=50, clock_ms=Clock(9000)) as log:
        log.create_topic("raw", 1, raw_input=True)
        log.create_topic("derived", 1)
        await log.append("raw", 0, [Item(None, b"", 60), Item(None, b"", 55)])
        assert [r.timestamp for r in await log.read("raw", 0, 0)] == [60, 55]
        with pytest.raises(StateError, match="needs ts_log_ms"):
            await log.append("raw", 0, [Item(None, b"", 61), Item(None, b"")])
        assert log.end_of("raw", 0) == 2
        await log.append("derived", 0, [Item(None, b"")])
        assert (await log.read("derived", 0, 0))[0].timestamp == 9000
    with pytest.raises(UserError, match="recorded time, not of append time"):
        SqliteLog(tmp_path, stamp="append")
    with SqliteLog(tmp_path) as log:
        assert log.stamp == "recorded"


async def test_what_waits_together_is_committed_together_and_fails_alone(tmp_path: Path) -> None:
    with SqliteLog(tmp_path) as log:
        log.create_topic("a", 1)
        appends = [log.append("a", 0, [Item(None, b"%d" % n)]) for n in range(50)]
        bad = log.append("a", 0, [Item(b"k", None)])
        results = await asyncio.gather(*appends[:25], bad, *appends[25:], return_exceptions=True)
        assert [r for r in results if not isinstance(r, StateError)] == [[n] for n in range(50)]
        assert isinstance(results[25], StateError)
        assert [r.value for r in await log.read("a", 0, 0)] == [b"%d" % n for n in range(50)]


async def test_a_failed_transaction_is_undone_and_the_log_goes_on(tmp_path: Path) -> None:
    with SqliteLog(tmp_path) as log:
        log.create_topic("a", 1)
        await log.append("a", 0, [Item(None, b"0")])
        with pytest.raises(StateError, match="could not be written"):
            await log.append("a", 0, [Item(None, b"1"), Item(None, [1])])  # type: ignore[arg-type]
        assert log.end_of("a", 0) == 1
        assert await log.append("a", 0, [Item(None, b"1")]) == [1]
        assert [r.value for r in await log.read("a", 0, 0)] == [b"0", b"1"]


async def test_watchers_hear_of_every_commit(tmp_path: Path) -> None:
    heard = asyncio.Event()
    with SqliteLog(tmp_path) as log:
        log.create_topic("a", 1)
        log.watch(heard.set)
        await log.append("a", 0, [Item(None, b"0")])
        await asyncio.wait_for(heard.wait(), 10)
        heard.clear()
        log.unwatch(heard.set)
        await log.append("a", 0, [Item(None, b"1")])
        await asyncio.sleep(0)
        assert not heard.is_set()


async def test_commits_are_kept_for_each_app(tmp_path: Path) -> None:
    with SqliteLog(tmp_path) as log:
        log.create_topic("a", 2)
        await log.commit("one", {("a", 0): 5, ("a", 1): 6})
        await log.commit("one", {("a", 0): 7})
        await log.commit("two", {("a", 0): 1})
    with SqliteLog(tmp_path) as log:
        assert await log.committed("one") == {("a", 0): 7, ("a", 1): 6}
        assert await log.committed("three") == {}


async def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    with SqliteLog(tmp_path) as log:
        log.create_topic("a", 1)
        for call in (
            log.read("b", 0, 0),
            log.append("a", 1, [Item(None, b"")]),
            log.append("b", 0, []),
            log.end_offset("b", 0),
            log.start_offset("b", 0),
            log.partitions("b"),
        ):
            with pytest.raises(StateError, match="create the topic first"):
                await call
        with pytest.raises(StateError, match="exists with 1 partitions"):
            log.create_topic("a", 2)
        log.create_topic("a", 1)
    for call in (log.append("a", 0, [Item(None, b"")]), log.read("a", 0, 0), log.commit("x", {})):
        with pytest.raises(StateError, match="closed"):
            await call


def test_a_second_process_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    code = "import sys; from streams.log.sqlite import SqliteLog; SqliteLog(sys.argv[1])"
    with SqliteLog(tmp_path), pytest.raises(BusyError, match=f"by process {os.getpid()}"):
        SqliteLog(tmp_path)
    with SqliteLog(tmp_path):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, tmp_path],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "BusyError" in done.stderr
    with SqliteLog(tmp_path):
        pass  # closing let go of it


def test_folders_and_files_that_do_not_fit(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    with pytest.raises(UserError, match="cannot write in"):
        SqliteLog(tmp_path / "file" / "folder")
    with pytest.raises(UserError, match="cannot write in"):
        SqliteLog("/proc/goldendog")
    other = tmp_path / "other"
    other.mkdir()
    (other / LOG_FILE).write_bytes(b"PAR1" * 100)
    with pytest.raises(InputFileError, match="not a goldendog log"):
        SqliteLog(other)
    with pytest.raises(InputFileError, match="not a goldendog log"):
        open_readonly(other)
    with pytest.raises(InputFileError, match="no log at"):
        open_readonly(tmp_path / "nowhere")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    with sqlite3.connect(foreign / LOG_FILE) as db:
        db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(InputFileError, match="not a goldendog log"):
        SqliteLog(foreign)


def test_a_newer_layout_is_refused(tmp_path: Path) -> None:
    SqliteLog(tmp_path).close()
    db = sqlite3.connect(tmp_path / LOG_FILE)
    db.execute("PRAGMA user_version=99")
    db.commit()
    db.close()
    with pytest.raises(InputFileError, match="layout 99"):
        SqliteLog(tmp_path)
    with pytest.raises(InputFileError, match="layout 99"):
        open_readonly(tmp_path)


@pytest.mark.parametrize(
    ("opener", "damage"),
    [
        (SqliteLog, "PRAGMA user_version=99"),
        (SqliteLog, "DROP TABLE meta"),
        (SqliteLog, "DROP TABLE partitions"),
        (open_readonly, "PRAGMA user_version=99"),
        (open_readonly, "DROP TABLE meta"),
    ],
)
def test_what_cannot_be_used_is_let_go_of(
    tmp_path: Path, opener: Callable[[Path], SqliteLog | ReadonlyLog], damage: str
) -> None:
    """Python 3.13 warned of connections that a refused log had left open."""
    SqliteLog(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / LOG_FILE)) as db, db:
        db.execute(damage)
    with pytest.raises((UserError, sqlite3.Error)) as refused:  # holds the frames, and their names
        opener(tmp_path)
    assert open_below(tmp_path) == [], refused


def test_a_creation_cut_short_is_done_again(tmp_path: Path) -> None:
    (tmp_path / LOG_FILE).touch()
    SqliteLog(tmp_path).close()
    other = tmp_path / "wal-only"
    other.mkdir()
    db = sqlite3.connect(other / LOG_FILE)
    db.execute("PRAGMA journal_mode=WAL")
    db.close()
    with SqliteLog(other, log_start_ms=5) as log:
        assert log.log_start_ms == 5


def test_commits_are_synced_to_the_disk(tmp_path: Path) -> None:
    with SqliteLog(tmp_path) as log:
        assert log._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert log._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_reading_from_outside_beside_a_writer_and_after_it(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, log_start_ms=3) as log:
        log.create_topic("a", 1)
        await log.append("a", 0, [Item(None, b"%d" % n) for n in range(5000)])
        with open_readonly(tmp_path) as outside:
            reading = outside.iter_topic("a", 0, 10)
            assert next(reading).offset == 10
            await log.append("a", 0, [Item(None, b"later")])
            assert [r.offset for r in reading] == list(range(11, 5000))
            assert outside.end_offset("a", 0) == 5001
            assert (outside.stamp, outside.log_start_ms) == ("append", 3)
            with pytest.raises(StateError, match="create the topic first"):
                next(outside.iter_topic("b", 0))
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                outside._db.execute("DELETE FROM records")
    with open_readonly(tmp_path / LOG_FILE) as outside:
        assert outside.topics() == {"a": 1}
        assert len(list(outside.iter_topic("a", 0))) == 5001


async def test_topics_of_goldendog_begin_with_the_same_heartbeat(tmp_path: Path) -> None:
    with SqliteLog(tmp_path, stamp="recorded", log_start_ms=START) as log:
        counts = create_topics(log, 4, 2)
        assert counts == partition_counts(4, 2) == log.topics()
        create_topics(log, 4, 2)
        for topic in ("social.mentions.v1", "dex.ticks.v1", "tokens.info.v1"):
            for partition in range(counts[topic]):
                (first,) = await log.read(topic, partition, 0)
                beat = decode_record(first.value or b"")
                assert isinstance(beat, Heartbeat)
                assert (beat.log_start_ms, first.timestamp, beat.topic) == (START, START, topic)
        assert log.end_of("alerts.v1", 0) == 0
        with pytest.raises(UserError, match="has 4 partitions, not 8"):
            create_topics(log, 8, 2)
    with pytest.raises(UserError, match="0 partitions"):
        partition_counts(0)
    seconds = SqliteLog(tmp_path / "seconds", log_start_ms=START // 1000)
    with seconds, pytest.raises(UserError, match="looks like seconds; multiply by 1000"):
        create_topics(seconds, 1)
