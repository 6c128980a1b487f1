"""The file behind a SQLite log: its layout, its lock, and clear words when it does not fit."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO, Final, cast

from schemas.errors import BusyError, InputFileError, UserError
from streams.log.base import Stamp

LOG_FILE: Final = "log.db"
LAYOUT: Final = 1
_APPLICATION_ID: Final = 0x676F_6C64  # "gold", in SQLite's header at byte 68
_SQLITE_MAGIC: Final = b"SQLite format 3\0"
OFFSET_BITS: Final = 40  # a record's row id is (partition's id << 40) + offset

_TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    number INTEGER NOT NULL,
    compacted INTEGER NOT NULL,
    raw_input INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    last_log_ms INTEGER NOT NULL,
    UNIQUE (topic, number)
) STRICT;
CREATE TABLE records (id INTEGER PRIMARY KEY, ts_log_ms INTEGER NOT NULL, key BLOB, value BLOB)
    STRICT;
CREATE TABLE commits (
    app TEXT NOT NULL,
    topic TEXT NOT NULL,
    number INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (app, topic, number)
) STRICT, WITHOUT ROWID;
"""


def log_path(path: str | Path) -> Path:
    """Path of the log's file, given that or the data folder it lies in.

    >>> log_path("/nowhere/log.db").name
    'log.db'
    >>> log_path("/tmp").name
    'log.db'
    """
    path = Path(path)
    return path / LOG_FILE if path.is_dir() or path.suffix == "" else path


def take_lock(path: Path) -> IO[str]:
    """Hold the log at ``path`` for this process; the kernel lets go when the process dies.

    Raises ``BusyError`` where another process holds it, ``UserError`` where the folder cannot be
    written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = (path.parent / f"{path.name}.lock").open("a+", encoding="ascii")
    except OSError as exc:
        raise _unwritable(path.parent, exc.strerror or str(exc)) from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        raise BusyError(
            f"{path.parent} is in use by process {holder or 'unknown'}",
            "stop that one first, or choose another folder",
        ) from exc
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def open_for_writing(path: Path, stamp: Stamp | None, log_start_ms: int) -> sqlite3.Connection:
    """Open, or create, the log at ``path``; a new one gets ``stamp`` and ``log_start_ms``.

    Raises ``UserError`` where the file is of another kind, of a newer layout, or was created with
    the other stamp. The connection may move to another thread, one at a time.
    """
    _check_magic(path)
    new = not path.exists()
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as exc:
        raise _unwritable(path.parent, str(exc)) from exc
    try:
        db.execute("PRAGMA journal_mode=WAL")
        # FULL syncs the WAL at every commit. NORMAL would survive a killed process, but a power
        # cut could take back transactions that append() had already called durable.
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=4000")
        db.execute("PRAGMA journal_size_limit=67108864")
        if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            _create(db, stamp or "append", log_start_ms)
        _check_layout(db, path)
        _check_stamp(db, path, stamp)
    except sqlite3.Error as exc:
        db.close()
        raise _unwritable(path, str(exc)) from exc
    except BaseException:
        db.close()
        raise
    if new:
        _sync_folder(path.parent)
    return db


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open the log at ``path`` read-only, beside a running worker or on a read-only disk.

    Raises ``InputFileError`` where there is none, or it is of another kind or a newer layout.
    """
    if not path.exists():
        raise InputFileError(f"no log at {path}", "name a data folder that a run has written")
    _check_magic(path)
    # Without its -wal file the database is at rest: "immutable" then needs no write access for the
    # shared-memory index that WAL readers otherwise create.
    at_rest = not path.with_name(path.name + "-wal").exists()
    writable = os.access(path.parent, os.W_OK)
    query = "mode=ro&immutable=1" if at_rest and not writable else "mode=ro"
    try:
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?{query}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            _check_layout(db, path)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as exc:
        raise InputFileError(f"cannot read {path}: {exc}", "check that it is not damaged") from exc
    return db


def meta_of(db: sqlite3.Connection) -> tuple[Stamp, int]:
    """Read what was fixed at creation: the stamp, and ``log_start_ms``."""
    meta = dict(db.execute("SELECT name, value FROM meta"))
    return cast("Stamp", meta["stamp"]), int(meta["log_start_ms"])


def _create(db: sqlite3.Connection, stamp: Stamp, log_start_ms: int) -> None:
    # One transaction: a creation cut short leaves an empty database, which is created again.
    db.executescript(
        f"BEGIN IMMEDIATE; {_TABLES}"
        f"PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={LAYOUT};"
    )
    rows = [("stamp", stamp), ("log_start_ms", log_start_ms)]
    db.executemany("INSERT INTO meta VALUES (?, ?)", rows)
    db.execute("COMMIT")


def _check_magic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE_MAGIC))
    except FileNotFoundError:
        return
    except OSError as exc:
        raise InputFileError(f"cannot read {path}: {exc.strerror}", "name a file") from exc
    if head and head != _SQLITE_MAGIC:
        raise _other_kind(path)


def _check_layout(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise _other_kind(path)
    layout = db.execute("PRAGMA user_version").fetchone()[0]
    if layout != LAYOUT:
        raise InputFileError(
            f"{path} has layout {layout}, this goldendog reads {LAYOUT}",
            "use the goldendog that wrote it, or choose another folder",
        )


def _check_stamp(db: sqlite3.Connection, path: Path, stamp: Stamp | None) -> None:
    kept = meta_of(db)[0]
    if stamp is not None and kept != stamp:
        raise UserError(
            f"{path} is a log of {kept} time, not of {stamp} time",
            "that is fixed when a log is created: choose another folder",
        )


def _other_kind(path: Path) -> InputFileError:
    return InputFileError(
        f"{path} is not a goldendog log", "choose another folder, or move that file away"
    )


def _unwritable(path: Path, why: str) -> UserError:
    return UserError(f"cannot write in {path}: {why}", "choose a folder you may write in")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
