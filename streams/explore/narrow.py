"""Rows of some tokens alone. The engine keeps each token to itself, so the rest cannot be missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from detectors.columns import Columns
from streams.files.rows import without_chunk


def used_tokens(columns: Columns) -> list[int]:
    """Numbers of the tokens that the rows name, rising."""
    used = np.zeros(len(columns.tokens), np.bool_)
    used[columns.token] = True
    return np.flatnonzero(used).tolist()


def narrowed(columns: Columns | None, wanted: Callable[[str], bool]) -> Columns | None:
    """The rows of the wanted tokens, whose table then holds no others; None where there are none.

    >>> from schemas.records import Tick
    >>> from detectors.columns import columns_of
    >>> ticks = [Tick(i, 1, f"eip155:1/erc20:{i}", 1, 1, "buy", "w") for i in ("a", "b", "a")]
    >>> rows = narrowed(columns_of(ticks, [5, 6, 7]), lambda token: token.endswith("a"))
    >>> rows.tokens, rows.ts_log_ms.tolist()
    (['eip155:1/erc20:a'], [5, 7])
    """
    if columns is None or not len(columns):
        return None
    numbers = np.full(len(columns.tokens), -1, np.int32)
    kept = [k for k in used_tokens(columns) if wanted(columns.tokens[k])]
    numbers[kept] = np.arange(len(kept))
    token = numbers[columns.token]
    rows = np.flatnonzero(token >= 0)
    if not len(rows):
        return None
    narrow = without_chunk(columns.take(rows))
    return replace(narrow, tokens=[columns.tokens[k] for k in kept], token=token[rows])
