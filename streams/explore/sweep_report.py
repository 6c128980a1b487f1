"""What a sweep found: a table, JSON, and files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import UserError
from streams.explore.sweep import Sweep, Tried
from streams.replay.output import refuse_taken, whole_folder
from streams.replay.tables import ALERT_SCHEMA, alert_batch

_HEADS: Final = ("candidates", "a day", "alerts a day", "3x first", "95 %", "not known", "x ahead")


def as_dict(found: Sweep) -> dict[str, Any]:
    """For ``--json`` and ``sweep.json``."""
    return {
        "tried": len(found.tried),
        "caution": caution(found),
        "note": found.note,
        "days": round(found.days, 4),
        "records": found.records,
        "tokens_that_can_alert": found.tokens,
        "records_of_those": found.rows,
        "reading_cpu_s": round(found.reading_cpu_s, 3),
        "cpu_s": round(found.cpu_s, 3),
        "settings": [_row(found, each) for each in found.tried],
    }


def caution(found: Sweep) -> str:
    """What a best of many is worth."""
    n = len(found.tried)
    return (
        f"{n} settings were tried on one log: the best of them looks better than it is. Choose in "
        "the middle of values that do alike, and judge the choice on a log that was not looked at."
    )


def in_words(found: Sweep) -> str:
    """A table, one line for each setting."""
    rows = [[*found.names, *_HEADS]]
    for each in found.tried:
        record = each.record
        share = "-" if record.precision is None else f"{record.hits} of {record.known}"
        interval = "-" if record.low is None else f"{record.low:.2f}-{record.high:.2f}"
        rows.append(
            [
                *(str(getattr(each.settings, name)) for name in found.names),
                str(each.candidates),
                _per_day(each.candidates, found.days),
                _per_day(len(each.alerts), found.days),
                share,
                interval,
                str(record.unknown),
                "-" if record.median_multiple_ahead is None
                else f"{record.median_multiple_ahead:.2f}",
            ]
        )  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    tail = (
        f"{len(found.tried)} settings, {found.records:,} records over {found.days:.1f} days, "
        f"{found.tokens:,} tokens that any of them can tell of ({found.rows:,} records); "
        f"{found.cpu_s:.1f} s of processor, {found.reading_cpu_s:.1f} s of it the first reading"
    )
    notes = [caution(found)] if found.note is None else [found.note, caution(found)]
    return "\n".join([*lines, "", tail, *(f"note: {note}" for note in notes)])


def refuse_used(out: Path) -> None:
    """Raise UserError where a sweep cannot be written to ``out``: it replaces nothing."""
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} is not empty", "name another folder with --out")
    refuse_taken(out, overwrite=False)


def write(found: Sweep, out: Path) -> None:
    """Write ``sweep.json``, ``settings.parquet`` and ``alerts.parquet``; the folder is whole or absent.

    Raises UserError where the folder holds anything.
    """
    refuse_used(out)
    with whole_folder(out, overwrite=False) as folder:
        told = as_dict(found)
        text = msgspec.json.format(msgspec.json.encode(told), indent=2)
        (folder / "sweep.json").write_bytes(text + b"\n")
        rows = [_flat(found, i) for i in range(len(found.tried))]
        pq.write_table(pa.Table.from_pylist(rows), folder / "settings.parquet")
        schema = pa.schema([("setting", pa.int64()), *ALERT_SCHEMA])
        with pq.ParquetWriter(folder / "alerts.parquet", schema, compression="zstd") as file:
            for i, each in enumerate(found.tried):
                batch = alert_batch(each.alerts)
                numbers = pa.array([i] * batch.num_rows, pa.int64())
                table = pa.Table.from_arrays([numbers, *batch.columns], schema=schema)
                file.write_table(table)


def _row(found: Sweep, each: Tried) -> dict[str, Any]:
    days = found.days or None
    return {
        "set": {name: getattr(each.settings, name) for name in found.names},
        "fingerprint": each.fingerprint,
        "candidates": each.candidates,
        "candidates_per_day": None if days is None else round(each.candidates / days, 4),
        "alerts": dict(sorted(each.kinds.items())),
        "alerts_per_day": None if days is None else round(len(each.alerts) / days, 4),
        **asdict(each.record),
    }


def _flat(found: Sweep, i: int) -> dict[str, Any]:
    row = _row(found, found.tried[i])
    kinds = row.pop("alerts")
    chosen = row.pop("set")
    return {
        "setting": i,
        **found.tried[i].settings.canonical(),
        **{k: v for k, v in row.items() if k not in chosen},
        **{f"alerts_{kind}": kinds.get(kind, 0) for kind in _KINDS},
    }


_KINDS: Final = ("candidate", "update", "fading", "closed")


def _per_day(n: int, days: float) -> str:
    return "-" if not days else f"{n / days:.2f}"
