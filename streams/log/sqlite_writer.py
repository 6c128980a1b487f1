"""The one thread that writes a SQLite log: many appends, one transaction, one sync."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Final

from schemas.errors import GoldendogError, StateError
from streams.log.base import Item
from streams.log.sqlite_books import Books, Partition

MAX_GROUP: Final = 512
"""Requests in one transaction; more wait for the next."""
MAX_GROUP_BYTES: Final = 16 << 20


@dataclass
class Transaction:
    """What the jobs of one group share."""

    db: sqlite3.Connection
    books: Books
    now_ms: int
    touched: dict[int, Partition] = field(default_factory=dict)

    def append(self, topic: str, number: int, items: list[Item]) -> list[int]:
        """Append to one partition; raises before it writes anything."""
        partition = self.books.check(topic, number, items)
        if not items:
            return []
        self.touched[partition.id] = partition
        return self.books.append(partition, items, self.now_ms)


@dataclass
class Job:
    """One request. ``apply`` raises ``GoldendogError`` only before it has written.

    ``done`` is called on the writer's thread, with a result or an error, after the commit.
    """

    apply: Callable[[Transaction], Any]
    done: Callable[[Any, Exception | None], None]
    size: int = 0


class Writer(Thread):
    """Takes what waits, applies it in one transaction, commits, answers; again.

    While one commit syncs, the next group gathers: throughput grows with load, and a lone append
    waits for no timer.

    Parameters
    ----------
    db : connection that this thread alone uses from now on.
    books : the log's partitions.
    clock_ms : wall clock in milliseconds UTC; stamps follow it but never fall.
    committed : called after each commit, before the answers.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        books: Books,
        clock_ms: Callable[[], int],
        committed: Callable[[list[Partition]], None],
    ) -> None:
        super().__init__(name="sqlite-log-writer", daemon=True)
        self._db, self._books = db, books
        self._clock_ms, self._committed = clock_ms, committed
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()

    def submit(self, job: Job) -> None:
        """Queue ``job``; jobs are applied in the order they come."""
        self._jobs.put(job)

    def finish(self) -> None:
        """Do what was submitted before, then end; returns when the thread has ended."""
        self._jobs.put(None)
        self.join()

    def run(self) -> None:
        """Serve until ``finish``."""
        going = True
        while going:
            group, going = self._gather()
            if group:
                self._commit(group)

    def _gather(self) -> tuple[list[Job], bool]:
        group: list[Job] = []
        size = 0
        job = self._jobs.get()
        while job is not None:
            group.append(job)
            size += job.size
            if len(group) >= MAX_GROUP or size >= MAX_GROUP_BYTES:
                return group, True
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return group, True
        return group, False

    def _commit(self, group: list[Job]) -> None:
        answers: list[tuple[Job, Any, Exception | None]] = []
        now_ms = max(self._clock_ms(), self._books.last_log_ms)
        transaction = Transaction(self._db, self._books, now_ms)
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job in group:
                try:
                    answers.append((job, job.apply(transaction), None))
                except GoldendogError as exc:
                    answers.append((job, None, exc))
            for partition in transaction.touched.values():
                self._books.save(partition)
            self._db.execute("COMMIT")
        except Exception as exc:  # noqa: BLE001 whoever waits must hear of it, whatever it is
            error = self._undo(exc)
            answers = [(job, None, error) for job in group]
        else:
            self._committed(list(transaction.touched.values()))
        for job, result, failed in answers:
            job.done(result, failed)

    def _undo(self, exc: Exception) -> StateError:
        error = StateError(
            f"the log could not be written: {exc}; see that its disk has room and is well: "
            "what was acknowledged is kept, and the next start goes on from there"
        )
        error.__cause__ = exc
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._books.load()
        except sqlite3.Error as again:
            error = StateError(f"the log could not be written: {exc}; nor undone: {again}")
            error.__cause__ = exc
        return error
