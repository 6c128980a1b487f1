"""A durable log in one SQLite file, for one process: what the embedded run stands on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Self

from schemas.errors import StateError
from streams.log.base import Item, LogRecord, Stamp
from streams.log.sqlite_books import Books, Partition, no_partition
from streams.log.sqlite_file import (
    log_path,
    meta_of,
    open_for_reading,
    open_for_writing,
    take_lock,
)
from streams.log.sqlite_reader import read_rows, start_offset
from streams.log.sqlite_writer import Job, Transaction, Writer

Watcher = Callable[[], None]


def wall_clock_ms() -> int:
    """Milliseconds UTC by the machine's clock."""
    return time.time_ns() // 1_000_000


class SqliteLog:
    """Topics, partitions and committed offsets in one file; the ``Log`` protocol and a little more.

    ``append`` returns when its records would outlive a power cut: the write-ahead log is synced
    at every commit (as far as the disk tells the truth). Appends that wait at the same time share
    a commit, so throughput does not hang on the disk's sync time. Use from one event loop, or
    through the ``..._now`` methods before there is one.

    Parameters
    ----------
    path : the file, or the data folder it lies in; created where missing.
    stamp : ``append`` or ``recorded`` time, fixed at creation; None takes what the file has
        (``append`` for a new one).
    log_start_ms : milliseconds UTC from which baselines count, fixed at creation; the clock's time
        when None.
    clock_ms : milliseconds UTC; a test's clock may fall, the stamps do not.

    Raises
    ------
    BusyError : another process has it open.
    UserError : a folder that cannot be written, a file of another kind or of a newer layout, a log
        of the other stamp.

    Examples
    --------
    >>> import asyncio, tempfile
    >>> async def main(folder):
    ...     with SqliteLog(folder, stamp="recorded", log_start_ms=1000) as log:
    ...         log.create_topic("t", 2)
    ...         print(await log.append("t", 1, [Item(b"k", b"v", 1000), Item(b"k", b"w", 1001)]))
    ...         print([(r.offset, r.timestamp, r.value) for r in await log.read("t", 1, 1)])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     asyncio.run(main(folder))
    [0, 1]
    [(1, 1001, b'w')]
    """

    def __init__(
        self,
        path: str | Path,
        *,
        stamp: Stamp | None = None,
        log_start_ms: int | None = None,
        clock_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self.path = log_path(path)
        with ExitStack() as opened:
            self._lock = opened.enter_context(take_lock(self.path))
            start = clock_ms() if log_start_ms is None else log_start_ms
            db = opened.enter_context(closing(open_for_writing(self.path, stamp, start)))
            self._read_db = opened.enter_context(closing(open_for_reading(self.path)))
            self.stamp, self.log_start_ms = meta_of(db)
            books = Books(db, self.stamp)
            self.reached_ms = books.last_log_ms  # when it was opened; 0 before the first record
            opened.pop_all()  # close() has them from here on
        self._db = db
        self._ends: dict[tuple[str, int], int] = {}
        self._counts: dict[str, int] = {}
        self._publish(list(books.partitions.values()))
        self._watchers: dict[Watcher, asyncio.AbstractEventLoop] = {}
        self._writer = Writer(db, books, clock_ms, self._committed)
        self._writer.start()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="sqlite-log-reader")
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Finish what was submitted, fold the write-ahead log in, let go of the folder."""
        if self._closed:
            return
        self._closed = True
        self._writer.finish()
        self._reader.shutdown()
        self._read_db.close()
        self._db.close()
        self._lock.close()

    # Topics

    def create_topic(
        self, topic: str, partitions: int, *, compacted: bool = False, raw_input: bool = False
    ) -> None:
        """Create ``topic``; nothing happens where it exists with the same settings.

        Raises ``StateError`` where it exists with others. ``raw_input`` makes a recorded-time log
        insist on each record's own ``ts_log_ms``; other topics are stamped by the clock without.
        """

        def apply(transaction: Transaction) -> list[Partition]:
            books = transaction.books
            books.create(topic, partitions, compacted=compacted, raw_input=raw_input)
            return [p for p in books.partitions.values() if p.topic == topic]

        self._publish(self._wait(apply))

    def topics(self) -> Mapping[str, int]:
        """Partition count of each topic."""
        return dict(self._counts)

    async def partitions(self, topic: str) -> int:
        """How many partitions ``topic`` has; ``StateError`` where there is none."""
        if topic not in self._counts:
            raise no_partition(topic, 0)
        return self._counts[topic]

    # Records

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        """Append ``items`` in order, all or none, durably; their offsets.

        A caller cancelled while it waits leaves the outcome open: the records may be there.
        """
        self.end_of(topic, partition)
        rows = list(items)
        size = sum(len(i.value or b"") for i in rows)
        offsets: list[int] = await self._submit(lambda t: t.append(topic, partition, rows), size)
        return offsets

    async def append_many(
        self, appends: Sequence[tuple[str, int, Sequence[Item]]]
    ) -> list[list[int]]:
        """Append to several (topic, partition) at once, all or none, durably; their offsets."""
        rows = [(topic, partition, list(items)) for topic, partition, items in appends]
        size = sum(len(i.value or b"") for _, _, items in rows for i in items)

        def apply(transaction: Transaction) -> list[list[int]]:
            for topic, partition, items in rows:  # raise before anything is written
                transaction.books.check(topic, partition, items)
            return [transaction.append(*row) for row in rows]

        offsets: list[list[int]] = await self._submit(apply, size)
        return offsets

    def append_now(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        """``append`` for callers without an event loop; blocks until durable."""
        rows = list(items)
        offsets: list[int] = self._wait(lambda t: t.append(topic, partition, rows))
        return offsets

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        """Up to ``limit`` durable records from ``offset`` on; empty at the end.

        Fewer where their values would take more than a few megabytes, but one at least.
        """
        self._check_open()
        if offset >= self.end_of(topic, partition):
            return []
        return await asyncio.get_running_loop().run_in_executor(
            self._reader, read_rows, self._read_db, topic, partition, offset, limit
        )

    async def start_offset(self, topic: str, partition: int) -> int:
        """Give the oldest offset held; the end offset when nothing is."""
        self._check_open()
        end = self.end_of(topic, partition)
        start = await asyncio.get_running_loop().run_in_executor(
            self._reader, start_offset, self._read_db, topic, partition
        )
        return end if start is None else start

    async def end_offset(self, topic: str, partition: int) -> int:
        """Give the offset the next record gets."""
        return self.end_of(topic, partition)

    def end_of(self, topic: str, partition: int) -> int:
        """``end_offset`` without waiting: a look-up in memory."""
        try:
            return self._ends[topic, partition]
        except KeyError:
            raise no_partition(topic, partition) from None

    async def forget(
        self, topic: str, partition: int, before_offset: int, before_ms: int, most: int
    ) -> int:
        """Delete the oldest records, at most so many; how many that were.

        Those below an offset that were logged before a time; never the newest of the partition.
        The file does not shrink: new records take the room. Raises ``StateError`` for a compacted
        topic, and for a log of recorded time, whose records are old from the beginning.
        """
        self.end_of(topic, partition)
        gone: int = await self._submit(
            lambda t: t.books.forget(t.books.find(topic, partition), before_offset, before_ms, most)
        )
        return gone

    # What a transport needs

    async def commit(self, app: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """Keep, durably, the next offset that ``app`` will read of each (topic, partition)."""
        rows = [(app, topic, number, offset) for (topic, number), offset in offsets.items()]

        def apply(transaction: Transaction) -> None:
            transaction.db.executemany("INSERT OR REPLACE INTO commits VALUES (?, ?, ?, ?)", rows)

        await self._submit(apply)

    async def committed(self, app: str) -> dict[tuple[str, int], int]:
        """Give what ``commit`` kept for ``app``."""
        rows = await self._submit(
            lambda t: t.db.execute(
                "SELECT topic, number, next_offset FROM commits WHERE app = ?", (app,)
            ).fetchall()
        )
        return {(topic, number): offset for topic, number, offset in rows}

    def watch(self, watcher: Watcher) -> None:
        """Call ``watcher`` on the running loop after every commit that added records."""
        self._watchers[watcher] = asyncio.get_running_loop()

    def unwatch(self, watcher: Watcher) -> None:
        """Stop calling ``watcher``."""
        self._watchers.pop(watcher, None)

    # Inside

    def _check_open(self) -> None:
        if self._closed:
            raise StateError("the log is closed")

    def _publish(self, partitions: list[Partition]) -> None:
        for p in partitions:
            self._ends[p.topic, p.number] = p.next_offset
            self._counts[p.topic] = max(self._counts.get(p.topic, 0), p.number + 1)

    def _committed(self, partitions: list[Partition]) -> None:
        self._publish(partitions)
        if partitions:
            for watcher, loop in list(self._watchers.items()):
                _call(loop, watcher)

    async def _submit(self, apply: Callable[[Transaction], Any], size: int = 0) -> Any:
        self._check_open()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._writer.submit(
            Job(apply, lambda value, exc: _call(loop, _settle, answer, value, exc), size)
        )
        return await answer

    def _wait(self, apply: Callable[[Transaction], Any]) -> Any:
        self._check_open()
        answer: Future[Any] = Future()
        self._writer.submit(Job(apply, lambda value, exc: _settle(answer, value, exc)))
        return answer.result()


def _settle(answer: asyncio.Future[Any] | Future[Any], value: Any, exc: Exception | None) -> None:
    if answer.cancelled():
        return
    if exc is None:
        answer.set_result(value)
    else:
        answer.set_exception(exc)


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *args)
