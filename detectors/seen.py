"""Which records were seen within the backfill limit: the first of an id counts, once."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.kernels import intake

ENTRY: Final = np.dtype([("key", "i8"), ("bar", "i8")])
SMALLEST: Final = 4_096


class Seen:
    """Ids of ``limit_bars`` bars, by token and kind; size follows the rate, not the run's length."""

    def __init__(self, limit_bars: int) -> None:
        self.limit_bars = max(limit_bars, 1)
        self.table = np.zeros(SMALLEST, ENTRY)
        self._spare = np.empty(SMALLEST, ENTRY)
        self._used = 0

    def keep_first(
        self,
        pend: NDArray[Any],
        keys: NDArray[np.int64],
        m: int,
        shift: int,
        hashes: NDArray[np.int64],
    ) -> int:
        """Drop duplicates among the first ``m`` sorted keys in place; returns how many stay."""
        at = kept = 0
        while True:
            at, kept, self._used = intake.drop_seen(
                pend, keys, m, at, kept, shift, hashes, self.table, self._used, self.limit_bars
            )
            if at == m:
                return int(kept)
            self._make_room(int(pend["bar"][keys[at] & ((1 << shift) - 1)]))

    def entries(self) -> bytes:
        """All entries as bytes, without the empty places."""
        return bytes(self.table[self.table["key"] != 0])

    def load(self, entries: bytes) -> None:
        """Undo ``entries``."""
        self._move(np.frombuffer(entries, ENTRY).copy(), 0)

    def _make_room(self, bar: int) -> None:
        """Forget what is too old to matter, and keep at most a sixth of the places taken."""
        self._move(self.table, bar - self.limit_bars)

    def _move(self, old: NDArray[Any], oldest: int) -> None:
        size = SMALLEST
        live = int(intake.count_since(old, oldest))
        while size < 6 * live:
            size *= 2
        if len(self._spare) != size:
            self._spare = np.empty(size, ENTRY)
        self._used = int(intake.rehash(old, self._spare, oldest))
        self.table, self._spare = self._spare, self.table
