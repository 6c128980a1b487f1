"""Numbers of texts that come again and again: platforms, sides, token ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.strings import I8, Strings
from detectors.batch.xxh64 import hash_slice, word8
from detectors.hashing import hash64
from detectors.jit import Int64, int64, jit, wrapping
from schemas.platforms import platform_number
from schemas.tokens import is_token

KEPT: Final = 100_000
"""Texts remembered at once; the table then begins anew, so that nonsense cannot fill memory."""
_ASKED: Final = 2_000
"""Rows whose texts are learnt at once: after that, most of the others are known."""


@jit
def _find(
    data: NDArray[Any],
    starts: NDArray[Any],
    ends: NDArray[Any],
    rows: NDArray[Any],
    slots: NDArray[Any],
    known: NDArray[Any],
    pool: NDArray[Any],
    out: NDArray[Any],
    missing: NDArray[Any],
) -> Int64:
    """Write the numbers of texts to ``out``; how many of the rows are ``missing`` in the table.

    ``slots`` is int32, a power of two of places, 1 + the number of an entry or 0; ``known`` has of
    each entry hash, start and end in ``pool``, and number.
    """
    n = int64(0)
    for row in rows:
        start, size = starts[row], ends[row] - starts[row]
        wanted = hash_slice(data, start, ends[row])
        at = wanted & (slots.shape[0] - 1)
        found = False
        while slots[at] and not found:
            entry = int64(slots[at]) - 1
            first = known[entry, 1]
            if known[entry, 0] == wanted and known[entry, 2] - first == size:
                k = int64(0)
                while k + 8 <= size and word8(pool, first + k) == word8(data, start + k):
                    k += 8
                while k < size and pool[first + k] == data[start + k]:
                    k += 1
                found = k == size
                if found:
                    out[row] = known[entry, 3]
            at = (at + 1) & (slots.shape[0] - 1)
        if not found:
            missing[n] = row
            n += 1
    return n


class TextTable:
    """Numbers of texts, each asked once.

    Parameters
    ----------
    number_of : number of a text.

    Examples
    --------
    >>> sizes = TextTable(len)
    >>> sizes.numbers(Strings.of(["a", "bcd", "a"]), np.array([0, 1, 2])).tolist()
    [1, 3, 1]
    """

    def __init__(self, number_of: Callable[[str], int]) -> None:
        self._number_of = number_of
        self._clear()

    def numbers(self, texts: Strings, rows: I8) -> I8:
        """Numbers of some texts at their places, int64[N]; 0 elsewhere."""
        out = np.zeros(len(texts), np.int64)
        missing = np.empty(len(rows), np.int64)
        while len(rows):
            with wrapping():
                n = _find(
                    texts.data, texts.starts, texts.ends, rows, self._slots, self._known,
                    self._pool, out, missing,
                )  # fmt: skip
            rows = missing[:n].copy()
            if n:
                self._learn({texts[row] for row in rows[:_ASKED].tolist()})
        return out

    def _clear(self) -> None:
        self._slots = np.zeros(256, np.int32)
        self._known = np.empty((128, 4), np.int64)
        self._pool = np.empty(4_096, np.uint8)
        self._n = self._used = 0

    def _learn(self, texts: set[str]) -> None:
        if self._n + len(texts) > KEPT:
            self._clear()
        for text in sorted(texts):
            self._add(text, self._number_of(text))

    def _add(self, text: str, number: int) -> None:
        raw = text.encode("utf-8", "surrogatepass")
        if self._n == len(self._known):
            self._known = np.concatenate([self._known, np.empty_like(self._known)])
            self._slots = np.zeros(4 * len(self._known), np.int32)
            for entry in range(self._n):
                self._place(entry)
        while self._used + len(raw) > len(self._pool):
            self._pool = np.concatenate([self._pool, np.empty_like(self._pool)])
        end = self._used + len(raw)
        self._pool[self._used : end] = np.frombuffer(raw, np.uint8)
        self._known[self._n] = hash64(text), self._used, end, number
        self._place(self._n)
        self._used = end
        self._n += 1

    def _place(self, entry: int) -> None:
        mask = len(self._slots) - 1
        at = int(self._known[entry, 0]) & mask
        while self._slots[at]:
            at = (at + 1) & mask
        self._slots[at] = entry + 1


PLATFORMS: Final = TextTable(platform_number)
"""Numbers of platforms."""
TOKENS: Final = TextTable(is_token)
"""1 for token ids, 0 for other texts."""
