"""Columns of Parquet files: of a long dictionary, what the rows need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from detectors.batch.text_table import TextTable
from schemas.records import Tick
from streams.files.arrow import numbers
from streams.files.kinds import recognise
from streams.files.parquet import read_parquet


@pytest.mark.parametrize("rows", [[0, 2, 3], [4], [0, 1, 2, 3, 4, 5]])
def test_of_a_dictionary_longer_than_the_rows_only_theirs_are_looked_up(rows: list[int]) -> None:
    """Each batch of a row group has the dictionary of all before it: a group cost its square."""
    asked: list[str] = []

    def number_of(text: str) -> int:
        asked.append(text)
        return int(text[1:])

    column = pa.DictionaryArray.from_arrays(
        pa.array([7, 900, None, 7, 3, 999], pa.int32()), pa.array([f"t{i}" for i in range(1_000)])
    )
    found = numbers(TextTable(number_of), column, np.array(rows))
    expected = [[7, 900, None, 7, 3, 999][row] for row in rows]
    assert [b for a, b in zip(found.tolist(), expected, strict=True) if a != b] in ([], [None])
    assert len(asked) <= len(rows)


def test_a_dictionary_without_texts_gives_no_numbers() -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([None, None], pa.int32()), pa.array([], "str"))
    assert numbers(TextTable(len), column, np.array([0, 1])).tolist() == [0, 0]


@pytest.mark.parametrize("group", [3, 7, 1_500])
def test_groups_of_a_few_rows_are_read_by_the_chunk(tmp_path: Path, group: int) -> None:
    """A collector that writes a group each second made 40,000 chunks of 5 rows: 50 s for 200,000 trades."""
    n = 3_000
    columns: dict[str, list[object]] = {
        "type": ["tick"] * n,
        "id": [f"t{i}" for i in range(n)],
        "ts_event_ms": [1_736_812_800_000 + i for i in range(n)],
        "token": [f"eip155:1/erc20:0x{i % 9:040x}" for i in range(n)],
        "price_usd": [0.5] * n,
        "value_usd": [10.0] * n,
        "side": ["buy", "sell", "buy"] * (n // 3),
        "trader_id": ["w"] * n,
    }
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=group)
    chunks = list(read_parquet(recognise(path), 1_000))
    assert len(chunks) <= 4
    records = [record for chunk in chunks for record in chunk.records()]
    assert [(r.id, r.token, r.side) for r in records if isinstance(r, Tick)] == list(
        zip(columns["id"], columns["token"], columns["side"], strict=True)
    )
