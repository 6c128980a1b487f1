"""The folder a replay writes: whole or not at all, and never over what is not a replay's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.outputs import ScoreRows
from schemas.errors import UserError
from schemas.records import Alert
from streams.file_names import refuse_no_utf8
from streams.files.kinds import is_replay_output
from streams.files.rows import BadRecord
from streams.interrupts import nothing_written
from streams.replay.tables import (
    ALERT_SCHEMA,
    SCORE_SCHEMA,
    UNIVERSE_SCHEMA,
    alert_batch,
    score_batch,
    universe_batch,
)
from streams.worker.alerts import encode_alert
from streams.worker.dead_letters import Reject, letter

ROW_GROUP: Final = 65_536
_TOGETHER: Final = 256
"""Batches that are joined at once: one of a single alert takes 36 kB, whose row takes one."""


@dataclass(frozen=True)
class Owner:
    """Whose output may be replaced: what it is called, and how its folders are known."""

    name: str
    owns: Callable[[Path], bool]


REPLAY: Final = Owner("replay", is_replay_output)


@contextmanager
def whole_folder(out: Path, *, overwrite: bool, owner: Owner = REPLAY) -> Iterator[Path]:
    """A folder beside ``out`` to write to, which becomes ``out`` if all goes well.

    An ``out`` that is missing or empty is made. An earlier one of the same owner is replaced where
    ``overwrite`` allows, any other folder never. Raises UserError.
    """
    out = Path(os.path.abspath(out))  # noqa: PTH100 - resolve() would follow a link and replace its target
    refuse_no_utf8(out)
    refuse_taken(out, overwrite=overwrite, owner=owner)
    part = out.with_name(f".{out.name}.part{os.getpid()}")
    try:
        part.mkdir(parents=True)
        try:
            with nothing_written():
                yield part
            _swap(part, out)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{out} cannot be written: {error.strerror or error}", "name another folder with --out"
        ) from None


def refuse_taken(out: Path, *, overwrite: bool, owner: Owner = REPLAY) -> None:
    """Raise UserError where ``out`` is in the way and must not be replaced."""
    if not out.exists() and not out.is_symlink():
        return
    if not out.is_dir():
        raise UserError(f"{out} is no folder", "name another with --out")
    if not any(out.iterdir()):
        return
    if not owner.owns(out):
        raise UserError(
            f"{out} holds something that no {owner.name} wrote",
            "name another folder with --out",
        )
    if not overwrite:
        raise UserError(
            f"{out} holds an earlier {owner.name}",
            "add --overwrite to replace it, or name another --out",
        )


def _swap(part: Path, out: Path) -> None:
    old = part.with_name(f"{part.name}.old")
    if out.exists():
        out.rename(old)
    try:
        part.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


class Output:
    """The files of a run, written as it goes, in a folder that exists and is empty."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._alerts = (folder / "alerts.ndjson").open("wb")
        self._dead = (folder / "dead_letters.ndjson").open("wb")
        self._tables = {
            "alerts": _Table(folder / "alerts.parquet", ALERT_SCHEMA),
            "scores": _Table(folder / "scores.parquet", SCORE_SCHEMA),
            "universe": _Table(folder / "universe.parquet", UNIVERSE_SCHEMA),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tables = self._tables.values()
        dones = [table.close if error is None else table.drop for table in tables]
        for close in (self._alerts.close, self._dead.close, *dones):
            # After an error the folder is dropped: what closing complains of must not hide the error.
            with nullcontext() if error is None else suppress(OSError, pa.ArrowException):
                close()

    def alerts(self, alerts: Sequence[Alert]) -> None:
        """Append alerts, in their order."""
        if alerts:
            self._alerts.writelines(encode_alert(alert) + b"\n" for alert in alerts)
            self._tables["alerts"].add(alert_batch(alerts))

    def scores(self, rows: ScoreRows) -> None:
        """Append score rows."""
        self._tables["scores"].add(score_batch(rows))

    def lives(self, lives: Sequence[tuple[str, int, int]], *, evicted: bool) -> None:
        """Append tokens' lives: (token, first seen, last seen)."""
        if lives:
            self._tables["universe"].add(universe_batch(lives, evicted=evicted))

    def dead_letters(self, bad: Sequence[BadRecord]) -> None:
        """Append records that cannot be used."""
        for each in bad:
            reject = Reject(0, each.ts_log_ms, each.error, each.raw)
            self._dead.write(msgspec.json.encode(letter(reject, each.place)) + b"\n")

    def summary(self, summary: dict[str, Any]) -> None:
        """Write the summary."""
        text = msgspec.json.format(msgspec.json.encode(summary), indent=2)
        (self._folder / "summary.json").write_bytes(text + b"\n")


class _Table:
    """A Parquet file in whole row groups, however few rows come at once."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._held: list[pa.RecordBatch] = []
        self._few: list[pa.RecordBatch] = []  # the last ones, not joined yet
        self._rows = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self._few.append(batch)
        self._rows += batch.num_rows
        if len(self._few) >= _TOGETHER:
            self._join()
        if self._rows >= ROW_GROUP:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def drop(self) -> None:
        """Let go of the file, whatever was not written to it."""
        self._held, self._few, self._rows = [], [], 0
        self._writer.close()

    def _join(self) -> None:
        if not self._few:
            return
        self._held += pa.Table.from_batches(self._few).combine_chunks().to_batches()
        self._few = []

    def _flush(self) -> None:
        if self._rows:
            self._join()
            self._writer.write_table(pa.Table.from_batches(self._held).combine_chunks())
        self._held, self._few, self._rows = [], [], 0
