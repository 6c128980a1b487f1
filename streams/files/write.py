"""Records to a file: NDJSON or Parquet by its name, whole or not at all."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import zstandard

from detectors.price import micro_usd, pack_price
from schemas.decode import encode_record
from schemas.errors import RecordError, UserError
from schemas.records import Mention, Record, Tick
from streams.files.kinds import PACKINGS, SUFFIXES

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_RECORDS: Final = 65_536


def write_records(records: Iterable[Record], path: Path | str) -> int:
    """Write records in the order given; returns how many.

    The name decides: ``.ndjson``, ``.jsonl``, ``.ndjson.gz``, ``.ndjson.zst`` or ``.parquet``.
    The file appears when it is whole, in place of one of that name. In Parquet, decimal texts
    become doubles where the engine reads the same from both, else the record is kept as JSON.
    Raises UserError where the name is none of these or the file cannot be written.

    >>> import tempfile
    >>> from schemas.records import Heartbeat
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_records([Heartbeat("h", 1_736_812_800_000)], f"{folder}/a.ndjson.gz")
    1
    """
    path = Path(path)
    name = path.name.lower()
    packed = next((p for p in PACKINGS if name.endswith(p)), "")
    if not name.removesuffix(packed).endswith(SUFFIXES) or name.endswith(
        tuple(f".parquet{p}" for p in PACKINGS)
    ):
        raise UserError(
            f"{path} is no name for a file of records",
            "let it end in .ndjson, .ndjson.gz, .ndjson.zst or .parquet",
        )
    with whole_file(path) as part:
        if name.endswith(".parquet"):
            return _write_parquet(records, part)
        return _write_ndjson(records, part, packed)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to, which takes its place if all goes well.

    Raises UserError where the folder cannot be written.
    """
    part = path.with_name(f".{path.name}.part{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}", "name another place"
        ) from None


def _write_ndjson(records: Iterable[Record], path: Path, packed: str) -> int:
    n = 0
    with path.open("wb") as raw, _packer(raw, packed) as sink:
        records = iter(records)
        while batch := [encode_record(record) for record in islice(records, 4096)]:
            batch.append(b"")
            sink.write(b"\n".join(batch))
            n += len(batch) - 1
    return n


@contextmanager
def _packer(raw: IO[bytes], packed: str) -> Iterator[IO[bytes]]:
    if packed == ".gz":
        # no name and no time in the header: the same records give the same bytes
        with gzip.GzipFile("", "wb", 6, raw, mtime=0) as sink:
            yield cast("IO[bytes]", sink)
    elif packed == ".zst":
        with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as writer:
            yield cast("IO[bytes]", writer)
    else:
        yield raw


def _write_parquet(records: Iterable[Record], path: Path) -> int:
    import pyarrow.parquet as pq

    from streams.files.schema import RECORD_SCHEMA, STORED

    n = 0
    records = iter(records)
    with pq.ParquetWriter(path, RECORD_SCHEMA, **STORED) as writer:
        while batch := list(islice(records, BATCH_RECORDS)):
            writer.write_batch(batch_of(batch))
            n += len(batch)
    return n


def batch_of(records: Sequence[Record]) -> pa.RecordBatch:
    """Records as rows of a Parquet file of records."""
    import pyarrow as pa

    from streams.files.schema import RECORD_SCHEMA

    rows = [_row(record) for record in records]
    columns = [[row.get(name) for row in rows] for name in RECORD_SCHEMA.names]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, RECORD_SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=RECORD_SCHEMA)


def _row(record: Record) -> dict[str, Any]:
    kind = str(type(record).__struct_config__.tag)
    row: dict[str, Any] = {
        "type": kind,
        "id": record.id,
        "ts_event_ms": record.ts_event_ms,
        "ts_log_ms": record.ts_log_ms,
    }
    if isinstance(record, Mention):
        return row | {
            "order": record.order,
            "platform": record.platform,
            "author_id": record.author_id,
            "text": record.text,
            "tokens": record.tokens or None,
            "reach": record.reach,
            "lang": record.lang,
            "ts_post_ms": record.ts_post_ms,
        }
    numbers = _tick_numbers(record) if isinstance(record, Tick) else None
    if numbers is None or not isinstance(record, Tick):
        return row | {"record": encode_record(record).decode()}
    return row | numbers | {
        "order": record.order,
        "token": record.token,
        "side": record.side,
        "trader_id": record.trader_id,
        "venue": record.venue,
    }  # fmt: skip


def _tick_numbers(tick: Tick) -> dict[str, float | None] | None:
    """A tick's numbers as doubles; None where a double would say something else."""
    out: dict[str, float | None] = {}
    try:
        for name in ("price_usd", "value_usd", "liquidity_usd", "usd_rate"):
            value = getattr(tick, name)
            out[name] = None if value is None else float(value)
            if value is None or isinstance(value, float):
                continue
            double = float(value)
            same = (
                pack_price(value) == pack_price(double)
                if name == "price_usd"
                else Decimal(value) == Decimal(repr(double))
                if name == "usd_rate"
                else micro_usd(value, name) == micro_usd(double, name)
            )
            if not same:
                return None
    except (RecordError, ArithmeticError, ValueError):
        return None
    return out
