"""Reading a SQLite log: the rows of a partition, and the file of a run read from outside."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from schemas.errors import StateError
from streams.log.base import LogRecord
from streams.log.sqlite_books import no_partition
from streams.log.sqlite_file import OFFSET_BITS, log_path, meta_of, open_for_reading

_CHUNK: Final = 2000
_CHUNK_BYTES: Final = 4 << 20


def _id_of(db: sqlite3.Connection, topic: str, partition: int) -> int:
    row = db.execute(
        "SELECT id FROM partitions WHERE topic = ? AND number = ?", (topic, partition)
    ).fetchone()
    if row is None:
        raise no_partition(topic, partition)
    return int(row[0])


def read_rows(
    db: sqlite3.Connection, topic: str, partition: int, offset: int, limit: int
) -> list[LogRecord]:
    """Up to ``limit`` committed records of one partition from ``offset`` on.

    Fewer where their values would take more than a few megabytes, but one at least.
    """
    base = _id_of(db, topic, partition) << OFFSET_BITS
    rows = db.execute(
        "SELECT id, ts_log_ms, key, value FROM records WHERE id BETWEEN ? AND ?"
        " ORDER BY id LIMIT ?",
        (base + offset, base + (1 << OFFSET_BITS) - 1, limit),
    )
    records: list[LogRecord] = []
    size = 0
    for id_, ts, key, value in rows:
        records.append(LogRecord(topic, partition, id_ - base, ts, key, value))
        size += len(value or b"")
        if size >= _CHUNK_BYTES:
            rows.close()
            break
    return records


def start_offset(db: sqlite3.Connection, topic: str, partition: int) -> int | None:
    """Give the oldest offset held; None when nothing is."""
    first = read_rows(db, topic, partition, 0, 1)
    return first[0].offset if first else None


class ReadonlyLog:
    """A run's log, read without a lock, beside the run or after it. Made by ``open_readonly``."""

    def __init__(self, path: Path) -> None:
        self._db = open_for_reading(path)
        self.path = path
        try:
            self.stamp, self.log_start_ms = meta_of(self._db)
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def topics(self) -> Mapping[str, int]:
        """Partition count of each topic."""
        rows = self._db.execute("SELECT topic, count(*) FROM partitions GROUP BY topic")
        return dict(rows.fetchall())

    def end_offset(self, topic: str, partition: int) -> int:
        """Give the offset the next record would get; ``StateError`` where there is no such partition."""
        _id_of(self._db, topic, partition)
        row = self._db.execute(
            "SELECT next_offset FROM partitions WHERE topic = ? AND number = ?",
            (topic, partition),
        ).fetchone()
        return int(row[0])

    def start_offset(self, topic: str, partition: int) -> int:
        """Give the oldest offset held; the end where nothing is."""
        found = start_offset(self._db, topic, partition)
        return self.end_offset(topic, partition) if found is None else found

    def committed(self, app: str) -> dict[tuple[str, int], int]:
        """Give the offsets that an app of the run has committed."""
        rows = self._db.execute(
            "SELECT topic, number, next_offset FROM commits WHERE app = ?", (app,)
        )
        return {(topic, number): offset for topic, number, offset in rows}

    def offset_before(self, topic: str, partition: int, log_ms: int) -> int:  # noqa: ARG002
        """Give an offset before which no record is of this log time or later: the oldest."""
        return self.start_offset(topic, partition)

    def holes(self, topic: str, partition: int) -> Sequence[tuple[int, int]]:  # noqa: ARG002
        """None: this log loses nothing."""
        return ()

    def iter_topic(self, topic: str, partition: int, offset: int = 0) -> Iterator[LogRecord]:
        """Every record of one partition from ``offset`` up to the end as it is now, in order.

        Memory holds a few thousand records at a time. Each chunk is its own read transaction, so
        that a long iteration never keeps a running worker from folding its write-ahead log.
        """
        end = self.end_offset(topic, partition)
        while offset < end:
            try:
                chunk = read_rows(self._db, topic, partition, offset, _CHUNK)
            except sqlite3.Error as exc:
                raise StateError(f"{self.path}: {topic}/{partition} cannot be read: {exc}") from exc
            for record in chunk:
                if record.offset >= end:
                    return
                yield record
            if not chunk:
                return
            offset = chunk[-1].offset + 1


def open_readonly(path: str | Path) -> ReadonlyLog:
    """Open the log in a data folder (or the file itself) for reading only.

    Raises ``InputFileError`` where there is none, or it is of another kind or a newer layout.

    Examples
    --------
    >>> import tempfile
    >>> from streams.log.base import Item
    >>> from streams.log.sqlite import SqliteLog
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with SqliteLog(folder) as log:
    ...         log.create_topic("t", 1)
    ...         _ = log.append_now("t", 0, [Item(None, b"a"), Item(None, b"b")])
    ...     with open_readonly(folder) as log:
    ...         print(log.topics(), [r.value for r in log.iter_topic("t", 0)])
    {'t': 1} [b'a', b'b']
    """
    return ReadonlyLog(log_path(path))
