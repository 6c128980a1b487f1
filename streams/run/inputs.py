"""What ``goldendog run --embedded`` is fed with: files, standard input, or nothing but HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final

from schemas.errors import UserError
from schemas.records import Heartbeat
from streams.files.rows import BadRecord
from streams.sources.feed import Fed
from streams.sources.files import name_of_files, records_of_files

STDIN: Final = "-"
_BLOCK_BYTES: Final = 1 << 18
_BLOCKS_AHEAD: Final = 4


@dataclass
class Files:
    """Files to feed, looked through and opened; ``first`` is their first record that is sound.

    ``close`` lets go of what was sorted on disk.
    """

    name: str
    records: Iterator[Fed]
    first: Fed | None
    close: Callable[[], None]

    @property
    def log_start_ms(self) -> int | None:
        """When the log begins that these files are the first of."""
        first = self.first
        if first is None or isinstance(first, BadRecord):
            return None
        if isinstance(first, Heartbeat) and first.log_start_ms is not None:
            return first.log_start_ms
        return first.ts_event_ms if first.ts_log_ms is None else first.ts_log_ms


def split_paths(paths: Sequence[str]) -> tuple[list[Path], bool]:
    """Paths of files, and whether standard input is among them.

    >>> split_paths(["a.ndjson", "-"])
    ([PosixPath('a.ndjson')], True)
    """
    return [Path(path) for path in paths if path != STDIN], STDIN in paths


def open_files(paths: Sequence[Path]) -> Files:
    """Look through files and open them. Raises InputFileError on what cannot be read."""
    records = records_of_files(paths)
    head: list[Fed] = []
    for each in records:
        head.append(each)
        if not isinstance(each, BadRecord):
            break
    first = head[-1] if head else None
    return Files(name_of_files(paths), chain(head, records), first, partial(_close, records))


def refuse_old_records(files: Files, now_ms: int, limit_ms: int) -> None:
    """Raise UserError where a live log would find all of a recording too late to be used."""
    first = files.first
    if first is None or isinstance(first, BadRecord):
        return
    if now_ms - first.ts_event_ms > limit_ms:
        raise UserError(
            "these records are too old for a live log, which stamps each with the time it comes",
            "add --recorded-time to take the times they bring",
        )


async def read_stdin() -> AsyncIterator[bytes]:
    """Bytes of standard input as they come, to its end.

    A thread of its own reads, which nobody waits for: a run is stopped while input stays open.
    """
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[bytes] = asyncio.Queue(_BLOCKS_AHEAD)

    def read() -> None:
        block = b"?"
        while block:
            block = os.read(sys.stdin.fileno(), _BLOCK_BYTES)
            put = blocks.put(block)
            try:
                asyncio.run_coroutine_threadsafe(put, loop).result()
            except RuntimeError:  # the loop is closed: the run has ended
                put.close()
                return

    threading.Thread(target=read, name="stdin", daemon=True).start()
    while block := await blocks.get():
        yield block


def _close(records: Generator[Fed, None, None]) -> None:
    """Close a generator; the thread that a stopped run left reading it may need a moment to end."""
    while True:
        try:
            records.close()
        except ValueError:  # it is executing
            time.sleep(0.02)
        else:
            return
