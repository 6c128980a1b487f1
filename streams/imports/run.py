"""One import: a source's file to a folder with records, a manifest, a lexicon and the rejected."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streams.imports.adapter import Adapter
from streams.imports.sink import GROUP_ROWS, RECORDS, Sink
from streams.imports.tally import REJECTED, Tally
from streams.replay.output import Owner, refuse_taken, whole_folder

LEXICON: Final = "lexicon.json"
MANIFEST: Final = "manifest.json"
IMPORT: Final = Owner(
    "import", lambda folder: (folder / MANIFEST).is_file() and (folder / REJECTED).is_file()
)
SCHEMA: Final = 1
OnProgress = Callable[[str, int, int | None], None]


def run_import(
    adapter: Adapter,
    out: Path,
    *,
    overwrite: bool = False,
    on_progress: OnProgress = lambda _stage, _rows, _total: None,
) -> dict[str, Any]:
    """Import a source into the folder ``out``, whole or not at all; returns what the CLI reports.

    The files depend on the source's bytes and the options alone. Raises UserError.
    """
    began = perf_counter()
    refuse_taken(out, overwrite=overwrite, owner=IMPORT)
    total = adapter.total_rows()
    on_progress("reading", 0, total)
    with whole_folder(out, overwrite=overwrite, owner=IMPORT) as folder:
        with Tally(folder, adapter.path) as tally:
            settle = (lambda batch: adapter.settle(batch, tally)) if adapter.settles else None
            sink = Sink(
                folder,
                check_ids=adapter.check_ids,
                settle=settle,
                on_duplicates=lambda batch: _duplicates(batch, tally),
            )
            with closing(sink):
                for batch in adapter.batches(tally):
                    sink.add(batch)
                    on_progress("reading", tally.read, total)
                tally.check_end()
                sink.finish(lambda rows: on_progress("ordering", rows, None))
            manifest = _manifest(adapter, tally, sink, folder)
        symbols = adapter.symbols
        if symbols and tally.rejected.total():
            symbols = _named(folder / RECORDS, symbols)
        if symbols:
            _write(folder / LEXICON, _lexicon(symbols))
        _write(folder / MANIFEST, manifest)
    seconds = perf_counter() - began
    records = sum(sink.counts.values())
    return {
        "out": str(out),
        **manifest,
        "lexicon": str(out / LEXICON) if symbols else None,
        "seconds": round(seconds, 3),
        "records_per_s": round(records / max(seconds, 1e-9)),
    }


def _duplicates(batch: pa.RecordBatch, tally: Tally) -> None:
    """Keep later copies of an id, which became records before they were known to be copies."""
    rows = batch.select(["type", "id", "ts_event_ms"]).to_pylist()
    tally.reject(
        "duplicate", "this id was there before", "give each record an id of its own, if it is one",
        [None] * len(rows), rows, "id",
    )  # fmt: skip


def _manifest(adapter: Adapter, tally: Tally, sink: Sink, folder: Path) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "adapter": adapter.name,
        "sources": [_source(path) for path in adapter.sources],
        "latency": adapter.delays.as_dict(),
        "usd_rate": adapter.usd_rate,
        "assumptions": adapter.assumptions(),
        "rows": {
            "read": tally.read,
            "used": tally.used,
            "rejected": {k: n for k, n in sorted(tally.rejected.items()) if n},
            "notes": {k: n for k, n in sorted(tally.notes.items()) if n},
        },
        "records": dict(sorted(sink.counts.items())),
        "log_from_ms": sink.first_ms,
        "log_through_ms": sink.last_ms,
        "files": [_source(folder / RECORDS)],
    }


def _source(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def _named(path: Path, symbols: Mapping[str, str]) -> dict[str, str]:
    """The symbols of tokens that a record names: those of rejected rows are left out."""
    found: set[str] = set()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(GROUP_ROWS, columns=["token", "tokens"]):
            for tokens in (batch["token"], pc.list_flatten(batch["tokens"])):
                found.update(pc.unique(tokens).to_pylist())
    return {token: symbol for token, symbol in symbols.items() if token in found}


def _lexicon(symbols: dict[str, str]) -> dict[str, Any]:
    tokens = [
        {"token": token, "symbol": symbol}
        for token, symbol in sorted(symbols.items(), key=lambda each: each[1])
    ]
    return {"versions": [{"version": 1, "effective_log_ms": 0, "tokens": tokens}]}


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n")
