"""Columns of Parquet files: of a long dictionary, what the rows need."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from detectors.batch.text_table import TextTable
from streams.files.arrow import numbers


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
