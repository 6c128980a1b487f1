"""The tables of a replay, however few rows come at once."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streams.replay import output
from streams.replay.output import Output


@pytest.mark.parametrize("group", [100, 65_536])
def test_rows_that_come_one_by_one_are_held_in_few_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    """A batch of one alert takes 36 kB: 60,000 of them, held for a whole row group, two gigabytes."""
    monkeypatch.setattr(output, "ROW_GROUP", group)
    lives = [(f"t{i}", i, i + 1) for i in range(2_000)]
    with Output(tmp_path) as out:
        table = out._tables["universe"]
        for life in lives:
            out.lives([life], evicted=True)
            assert len(table._held) + len(table._few) < 300
    found = pq.read_table(tmp_path / "universe.parquet")
    assert list(zip(*found.drop(["evicted"]).to_pydict().values(), strict=True)) == lives


@pytest.mark.parametrize("n", [256, 512])
@pytest.mark.parametrize("group", [256, 65_536])
def test_batches_that_were_just_joined_are_written_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, group: int
) -> None:
    """A run whose last batch was the 256th, or filled a row group, ended in a ValueError."""
    monkeypatch.setattr(output, "ROW_GROUP", group)
    with Output(tmp_path) as out:
        for i in range(n):
            out.lives([(f"t{i}", i, i)], evicted=False)
    found = pq.read_table(tmp_path / "universe.parquet")
    assert found["first_seen_ms"].to_pylist() == list(range(n))


def test_what_went_wrong_first_is_what_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing after a write that failed raised an error of its own."""
    monkeypatch.setattr(output, "ROW_GROUP", 3)
    closed = []
    really_close = pq.ParquetWriter.close

    def fails(*_: object) -> None:
        raise OSError(27, "File too large")

    def fails_too(writer: pq.ParquetWriter) -> None:
        really_close(writer)
        closed.append(writer)
        raise OSError(27, "File too large, again")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fails)
    monkeypatch.setattr(pq.ParquetWriter, "close", fails_too)
    out = Output(tmp_path)
    lives = [(f"t{i}", i, i) for i in range(3)]
    with pytest.raises(OSError, match=r"File too large$"), out:
        out.lives(lives, evicted=True)
    assert len(closed) == 3 and out._alerts.closed and out._dead.closed
