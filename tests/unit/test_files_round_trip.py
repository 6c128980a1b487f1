from __future__ import annotations

import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.columns import Columns, columns_of, columns_of_mentions
from schemas.records import Heartbeat, Mention, Record, Tick, TokenInfo
from streams.files.kinds import recognise
from streams.files.order import merged, scan, sources_of
from streams.files.rows import Chunk, Decoded, joined
from streams.files.write import write_records
from tests.helpers.records import T0, TOKENS, plain, records, same_value

ENDINGS = [".ndjson", ".jsonl", ".ndjson.gz", ".ndjson.zst", ".parquet"]


def in_log_order(found: Sequence[Record]) -> list[Record]:
    return sorted(found, key=_log_ms)


def _log_ms(record: Record) -> int:
    return record.ts_event_ms if record.ts_log_ms is None else record.ts_log_ms


def read(path: Path, spill: Path) -> list[Chunk]:
    return [
        chunk for chunks in merged(sources_of(scan(recognise(path)), spill)) for chunk in chunks
    ]


def columns_by_engine(found: Sequence[Record]) -> tuple[list[object], list[object]]:
    """Columns of ticks and infos, and of mentions that name every token, by the core's functions."""
    kept = [r for r in found if isinstance(r, Tick | TokenInfo)]
    rows = [(t, r, _log_ms(r)) for r in found if isinstance(r, Mention) for t in TOKENS]
    return (
        list(plain(columns_of(kept, [_log_ms(r) for r in kept]))),
        list(plain(columns_of_mentions(rows))),
    )


def columns_by_file(chunks: list[Chunk]) -> tuple[list[object], list[object], list[Mention]]:
    ticks: list[object] = []
    named: list[object] = []
    mentions: list[Mention] = []
    for chunk in chunks:
        decoded = chunk.decode()
        assert not decoded.bad
        ticks += plain(decoded.columns)
        parts: list[tuple[Columns, np.ndarray]] = []
        at_all = np.concatenate([m.at for m in decoded.mentions]) if decoded.mentions else []
        structs = [s for m in decoded.mentions for s in m.mentions()]
        mentions += [structs[i] for i in np.argsort(at_all, kind="stable")] if structs else []
        for each in decoded.mentions:
            rows = np.repeat(np.arange(len(each.at)), len(TOKENS))
            at = each.at[rows]
            tokens = list(TOKENS) * len(each.at)
            parts.append((each.columns(rows.tolist(), tokens, chunk.times[at]), at))
        named += plain(joined(parts))
    return ticks, named, mentions


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
        ticks, named, mentions = columns_by_file(read(path, Path(folder) / "spill"))
    ordered = in_log_order(found)
    assert (ticks, named) == columns_by_engine(ordered)
    expected = [r for r in ordered if isinstance(r, Mention)]
    assert [(m.id, m.text, m.tokens, m.reach, m.order, m.ts_post_ms) for m in mentions] == [
        (m.id, m.text, m.tokens, m.reach, m.order, m.ts_post_ms) for m in expected
    ]
    assert mentions == expected


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    found: list[Record] = [Heartbeat(f"h{i}", T0 + i) for i in range(50)]
    for ending in ENDINGS:
        write_records(iter(found), tmp_path / f"a{ending}")
        write_records(iter(found), tmp_path / f"b{ending}")
        assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


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
        seen: list[object] = []
        for chunks in merged(sources):
            times = np.concatenate([chunk.times for chunk in chunks])
            assert times.min() >= last
            last = int(times.max())
            n += len(times)
            decoded: list[Decoded] = [chunk.decode() for chunk in chunks]
            seen += [row for each in decoded for row in plain(each.columns)]
    assert n == len(found)
    kept = [r for r in found if isinstance(r, Tick | TokenInfo)]
    expected = plain(columns_of(kept, [_log_ms(r) for r in kept]))
    assert sorted(seen) == sorted(expected)  # type: ignore[type-var]


def test_a_file_far_out_of_order_is_sorted_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streams.files import order

    monkeypatch.setattr(order, "RUN_RECORDS", 100)
    found: list[Record] = [Heartbeat(f"h{i}", T0 + i * 7919 % 1000) for i in range(1000)]
    for ending in (".ndjson", ".parquet"):
        path = tmp_path / f"a{ending}"
        write_records(found, path)
        sources = sources_of(scan(recognise(path)), tmp_path / f"spill{ending}")
        batches = [np.concatenate([c.times for c in chunks]) for chunks in merged(sources)]
        times = np.concatenate([np.sort(batch) for batch in batches])
        assert times.tolist() == list(range(T0, T0 + 1000))
        if ending == ".ndjson":
            assert len(sources) == 10
