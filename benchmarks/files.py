"""Measure what surrounds the engine: ``python -m benchmarks.files [--json] [--quick]``.

- files: record Parquet of the public wire (string ids and authors, posts' texts) to the files of
  ``goldendog replay``, on a lexicon of every coin;
- public wire: JSON bytes as topics hold them, posts and ticks in batches of 500 each, decoded,
  hashed, resolved and pushed;
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

from benchmarks.engine import batches_of, new_engine, play  # noqa: E402
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
from streams.replay.following import Fixed  # noqa: E402
from streams.replay.steps import gather  # noqa: E402

RECORDS: Final = 2_000_000
LINES: Final = 400_000
TOKENS: Final = 2_000
BATCH: Final = 500
RUNS: Final = 3
PLACES: Final = [""] * BATCH
Message = tuple[int, str, int, Any]
"""Log time reached, input, a number, and what is read: a resolved batch, or records as JSON with the
log times that the topic gives them."""


def best(what: Callable[[], Any]) -> float:
    """The fewest CPU seconds of a few runs."""
    seconds = []
    for _ in range(RUNS):
        began = time.process_time()
        what()
        seconds.append(time.process_time() - began)
    return min(seconds)


def push(messages: Sequence[Message], names: Fixed) -> Engine:
    """Decode and push batches: JSON of one topic, or resolved posts."""
    engine = Engine(
        EngineSettings(), load_default_model(), [MENTIONS, TICKS], fingerprint="benchmark"
    )
    for offset, (log_ms, name, _, value) in enumerate(messages):
        if isinstance(value, bytes):
            columns: Columns | None = unpack_batch(decode_batch(value), -1)
        else:
            kind = "mention" if name == MENTIONS else "tick"
            raws, times = value
            chunk = decode_values(raws, kind, times, PLACES)
            columns, _ = gather([chunk], names)
        engine.push(name, columns, offset, log_ms)
    return engine


def public(lines: Sequence[bytes]) -> list[Message]:
    """Batches of posts and of ticks as JSON, by log time."""
    found: list[Message] = []
    for name, kind in ((MENTIONS, b'"type":"mention"'), (TICKS, b'"type":"tick"')):
        of_kind = [line for line in lines if kind in line]
        for i, raws in enumerate(_batches(of_kind)):
            times = np.array([json.loads(raw)["ts_log_ms"] for raw in raws])
            found.append((int(times[-1]), name, i, (raws, times)))
    return sorted(found, key=lambda message: message[:3])


def internal(messages: Sequence[Message], names: Fixed) -> list[Message]:
    """The same with posts resolved, as the detector reads them live."""
    found: list[Message] = []
    for log_ms, name, i, value in messages:
        if name == TICKS:
            found.append((log_ms, name, i, value))
            continue
        raws, times = value
        chunk = decode_values(raws, "mention", times, PLACES)
        columns, _ = gather([chunk], names)
        assert columns is not None
        packed = pack_columns(
            columns,
            np.arange(len(columns)),
            topic=MENTIONS,
            partition=0,
            from_offset=0,
            through_offset=len(columns),
            through_log_ms=log_ms,
            log_start_ms=None,
            lexicon="",
        )
        found.append((log_ms, name, i, packed))
    return found


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

    names = Fixed(BatchResolver(lexicon))
    as_json = public(lines)
    resolved = internal(as_json, names)
    push(as_json[:20], names)  # load the compiled kernels
    push(resolved[:20], names)
    summary = run(path, "out")
    from_files = best(lambda: run(path, "out"))
    from_json = best(lambda: push(as_json, names))
    from_resolved = best(lambda: push(resolved, names))
    columns, _ = gather(
        [decode_lines([(i, raw, len(raw)) for i, raw in enumerate(lines)], "bench", 0)],
        names,
    )
    assert columns is not None
    small, large = batches_of(columns, BATCH), batches_of(columns, 20_000)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "records": n,
        "file_bytes": path.stat().st_size,
        "alerts": summary["alerts"]["total"],
        "resolved_share": summary["records"]["mentions"]
        / (summary["records"]["mentions"] + summary["records"]["mentions_unresolved"]),
        "files_records_per_cpu_s": n / from_files,
        "json_public_records_per_cpu_s": len(lines) / from_json,
        "json_internal_records_per_cpu_s": len(lines) / from_resolved,
        "engine_alone_batches_of_500_per_cpu_s": len(columns)
        / best(lambda: play(new_engine(), small)),
        "engine_alone_batches_of_20000_per_cpu_s": len(columns)
        / best(lambda: play(new_engine(), large)),
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
