from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Heartbeat, Record, Tick
from streams.files.kinds import recognise
from streams.files.order import merged, scan, sources_of
from streams.files.write import write_records
from tests.helpers.records import (
    T0,
    TOKENS,
    chunks_of,
    records,
    rows_of_chunks,
    rows_one_by_one,
    same_value,
)

ENDINGS = [".ndjson", ".jsonl", ".ndjson.gz", ".ndjson.zst", ".parquet"]


@pytest.mark.parametrize("ending", ENDINGS)
@given(found=st.lists(records, max_size=40))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_written_file_reads_back_as_the_same_columns(ending: str, found: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"records{ending}"
        assert write_records(found, path) == len(found)
        assert [p.name for p in Path(folder).iterdir()] == [path.name]
        chunks = chunks_of(path)
        rows = [row for chunk in chunks for row in rows_of_chunks([chunk])]
        assert not any(chunk.decode().bad for chunk in chunks)
    assert sorted(rows) == sorted(rows_one_by_one(found))


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    found: list[Record] = [Heartbeat(f"h{i}", T0 + i) for i in range(50)]
    for ending in ENDINGS:
        write_records(iter(found), tmp_path / f"a{ending}")
        write_records(iter(found), tmp_path / f"b{ending}")
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_heartbeat_says_when_the_log_began_if_it_comes_first(ending: str, tmp_path: Path) -> None:
    """The first record that can be used decides, whatever cannot be used came before it."""
    path = tmp_path / f"a{ending}"
    bad = Tick("b", T0, "MOMO", 0.5, 10, "buy", "w")
    tick = Tick("t", T0 + 1, TOKENS[0], 0.5, 10, "buy", "w")
    beat = Heartbeat("h", T0 + 1, log_start_ms=T0 - 5)
    for found, start_ms in (([bad, beat, tick], T0 - 5), ([bad, tick, beat], None)):
        write_records(found, path)
        (chunk,) = chunks_of(path)
        decoded = chunk.decode()
        assert (len(decoded.bad), decoded.start_ms) == (1, start_ms)


def test_decimal_text_that_a_double_can_say_is_a_double(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    exact = Tick("a", T0, TOKENS[0], "0.0015", "12.5", "buy", "w", usd_rate="181.25")
    long = Tick("b", T0, TOKENS[0], "0.0015", "12.5", "buy", "w", usd_rate="0.12345678901234567891")
    write_records([exact, long], tmp_path / "t.parquet")
    rows = pq.read_table(tmp_path / "t.parquet").to_pylist()
    assert rows[0]["price_usd"] == 0.0015 and rows[0]["record"] is None
    assert rows[1]["price_usd"] is None and '"0.12345678901234567891"' in rows[1]["record"]
    assert same_value(rows[0]["usd_rate"], exact.usd_rate)


@given(
    found=st.lists(records, min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    kinds=st.lists(st.sampled_from(ENDINGS), min_size=5, max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_records_dealt_over_files_come_back_in_log_order(
    found: list[Record], cuts: list[int], kinds: list[str]
) -> None:
    """However the files overlap, and whether they are in order or not."""
    edges = [0, *sorted(min(c, len(found)) for c in cuts), len(found)]
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for i, (start, stop) in enumerate(pairwise(edges)):
            path = Path(folder) / f"{i}{kinds[i]}"
            write_records(found[start:stop], path)
            sources += sources_of(scan(recognise(path)), Path(folder) / f"spill{i}")
        last, n = 0, 0
        seen: list[tuple[Any, ...]] = []
        for chunks in merged(sources):
            times = np.concatenate([chunk.times for chunk in chunks])
            assert times.min() >= last
            last = int(times.max())
            n += len(times)
            seen += rows_of_chunks(chunks)
    assert n == len(found)
    assert sorted(seen) == sorted(rows_one_by_one(found))
