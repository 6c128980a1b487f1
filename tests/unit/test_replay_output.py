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
