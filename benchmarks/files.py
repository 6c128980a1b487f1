"""Measure what surrounds the engine: ``python -m benchmarks.files [--json] [--quick]``.

- files: record Parquet of the public wire (string ids and authors, posts' texts) to the files of
  ``goldendog replay``, on a lexicon of every coin;
- public wire: JSON bytes, decoded, hashed, resolved and pushed in batches of 500;
- internal wire: what the detector reads live, batches of 500 resolved mentions and of 500 ticks as
  JSON, decoded and pushed.

Rates count CPU seconds of the whole process, all threads of it. The engine alone, from columns in
memory and in the same batches, is measured beside them: what the machine does else slows all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()

import numpy as np  # noqa: E402 - after the cache is set
import pyarrow as pa  # noqa: E402

from benchmarks.engine import new_engine, play  # noqa: E402
from benchmarks.wire import coins, lexicon_text, wire_lines, wire_table, write_wire  # noqa: E402
from detectors.batch.resolver import BatchResolver  # noqa: E402
from detectors.columns import Columns  # noqa: E402
from detectors.engine import Engine  # noqa: E402
from detectors.resolve.lexicon import Lexicon  # noqa: E402
from detectors.resolved import decode_batch, pack_columns, unpack_batch  # noqa: E402
from detectors.settings import EngineSettings  # noqa: E402
from schemas.topics import MENTIONS, TICKS  # noqa: E402
from streams.files.ndjson import decode_lines, decode_values  # noqa: E402
from streams.model_store import load_default_model  # noqa: E402
from streams.replay.api import replay  # noqa: E402
from streams.replay.steps import gather  # noqa: E402

RECORDS: Final = 2_000_000
LINES: Final = 400_000
TOKENS: Final = 2_000
BATCH: Final = 500
RUNS: Final = 3
Message = tuple[int, str, bytes | list[bytes]]
"""Log time reached, input, and what is read: a resolved batch, or ticks as JSON."""


def best(what: Callable[[], Any]) -> float:
    """The fewest CPU seconds of a few runs."""
    seconds = []
    for _ in range(RUNS):
        began = time.process_time()
        what()
        seconds.append(time.process_time() - began)
    return min(seconds)


def push_public(lines: Sequence[bytes], resolver: BatchResolver) -> Engine:
    """Decode, resolve and push JSON records."""
    engine = new_engine()
    for start in range(0, len(lines), BATCH):
        batch = [(i, raw, len(raw)) for i, raw in enumerate(lines[start : start + BATCH])]
        columns, seen = gather([decode_lines(batch, "bench", 0)], resolver)
        engine.push("log", columns, start + len(batch) - 1, seen.through_ms)
    return engine


def push_internal(messages: Sequence[Message], resolver: BatchResolver) -> Engine:
    """Decode and push resolved batches, and ticks as JSON."""
    engine = Engine(
        EngineSettings(), load_default_model(), [MENTIONS, TICKS], fingerprint="benchmark"
    )
    for offset, (log_ms, name, value) in enumerate(messages):
        if isinstance(value, bytes):
            columns: Columns | None = unpack_batch(decode_batch(value), -1)
        else:
            chunk = decode_values(value, "tick", np.full(len(value), log_ms), [""] * len(value))
            columns, _ = gather([chunk], resolver)
        engine.push(name, columns, offset, log_ms)
    return engine


def messages_of(lines: Sequence[bytes], resolver: BatchResolver) -> list[Message]:
    """What the detector would read live of these records, by log time."""
    found: list[Message] = []
    posts = [line for line in lines if b'"type":"mention"' in line]
    fills = [line for line in lines if b'"type":"tick"' in line]
    for batch in _batches(posts):
        lined = [(i, raw, len(raw)) for i, raw in enumerate(batch)]
        columns, seen = gather([decode_lines(lined, "bench", 0)], resolver)
        assert columns is not None
        packed = pack_columns(
            columns,
            np.arange(len(columns)),
            topic=MENTIONS,
            partition=0,
            from_offset=0,
            through_offset=len(columns),
            through_log_ms=seen.through_ms,
            log_start_ms=None,
            lexicon="",
        )
        found.append((seen.through_ms, MENTIONS, packed))
    found += [(json.loads(batch[-1])["ts_log_ms"], TICKS, batch) for batch in _batches(fills)]
    return sorted(found, key=lambda message: message[:2])


def _batches(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    for start in range(0, len(lines), BATCH):
        yield list(lines[start : start + BATCH])


def measure(shrink: int, folder: Path) -> dict[str, Any]:
    """Every rate, in records per CPU second."""
    named = coins(TOKENS)
    (folder / "lexicon.json").write_text(lexicon_text(named), "utf-8")
    lexicon = Lexicon.parse((folder / "lexicon.json").read_bytes())
    n, path = RECORDS // shrink, folder / "records.parquet"
    table = wire_table(n, TOKENS, 24 / shrink)
    write_wire(table, path)
    lines = [line for line, _ in zip(wire_lines(table), range(LINES // shrink), strict=False)]
    del table

    def run(source: Path, out: str) -> dict[str, Any]:
        return replay(
            source, lexicon=folder / "lexicon.json", out=folder / out, overwrite=True
        ).summary

    resolver = BatchResolver(lexicon)
    push_public(lines[:5_000], resolver)  # load the compiled kernels
    messages = messages_of(lines, resolver)
    push_internal(messages[:4], resolver)
    summary = run(path, "out")
    from_files = best(lambda: run(path, "out"))
    public = best(lambda: push_public(lines, resolver))
    internal = best(lambda: push_internal(messages, resolver))
    columns, _ = gather(
        [decode_lines([(i, raw, len(raw)) for i, raw in enumerate(lines)], "bench", 0)],
        resolver,
    )
    assert columns is not None
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "records": n,
        "file_bytes": path.stat().st_size,
        "alerts": summary["alerts"]["total"],
        "resolved_share": summary["records"]["mentions"]
        / (summary["records"]["mentions"] + summary["records"]["mentions_unresolved"]),
        "files_records_per_cpu_s": n / from_files,
        "json_public_records_per_cpu_s": len(lines) / public,
        "json_internal_records_per_cpu_s": len(lines) / internal,
        "engine_alone_batches_of_500_per_cpu_s": len(columns)
        / best(lambda: play(new_engine(), columns, BATCH)),
        "engine_alone_batches_of_20000_per_cpu_s": len(columns)
        / best(lambda: play(new_engine(), columns, 20_000)),
    }


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="a tenth of the records, as dense")
    options = parser.parse_args()
    pa.set_cpu_count(1)
    with tempfile.TemporaryDirectory() as folder:
        report = measure(10 if options.quick else 1, Path(folder))
    if options.json:
        print(json.dumps(report, indent=2))
        return
    print(f"around the engine, {report['machine']}; best of {RUNS} runs, CPU seconds")
    print(
        f"  {report['records']:,} records, {report['file_bytes'] / report['records']:.0f} B each in "
        f"Parquet, {report['resolved_share']:.0%} of posts name a token, {report['alerts']} alerts"
    )
    for what, key in (
        ("Parquet files to alert files", "files_records_per_cpu_s"),
        ("  the engine alone, batches of 20,000", "engine_alone_batches_of_20000_per_cpu_s"),
        ("JSON, public wire, batches of 500", "json_public_records_per_cpu_s"),
        ("JSON, internal wire, batches of 500", "json_internal_records_per_cpu_s"),
        ("  the engine alone, batches of 500", "engine_alone_batches_of_500_per_cpu_s"),
    ):
        print(f"  {what:<40} {report[key] / 1e6:.2f} M records/s")


if __name__ == "__main__":
    main()
