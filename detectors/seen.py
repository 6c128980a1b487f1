"""Which records were seen within the backfill limit: the first of an id counts, once."""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.kernels import ids, intake

ENTRY: Final = np.dtype([("key", "i8"), ("bar", "i4")])
SMALLEST: Final = 1_024
MOST: Final = 3
"""Entries a bucket above which the table grows. It is looked at once a bucket's worth of new ids, so
that a bucket has four of its five places taken at most: a dense table stays nearer to the core."""


class Seen:
    """Ids of ``limit_bars`` bars, by token and kind; size follows the rate, not the run's length."""

    def __init__(self, limit_bars: int) -> None:
        self.limit_bars = max(limit_bars, 1)
        self.table = ids.empty_table(SMALLEST)
        self._until_look = SMALLEST
        self._learnt: deque[tuple[int, int]] = deque()  # oldest first: their last bar, how many

    def deal_new(
        self,
        due: NDArray[np.void],
        keys: NDArray[np.int64],
        m: int,
        shift: int,
        hashes: NDArray[np.int64],
        cnt: NDArray[np.int64],
        ready: NDArray[np.void],
    ) -> int:
        """Deal the records of the first ``m`` sorted keys whose ids are new; returns how many.

        Each goes to ``ready`` where ``cnt`` says for its slot, which then says one more.
        """
        at, kept = 0, 0
        while at < m:
            at, dealt, bar = intake.deal_new(
                due, keys, m, at, shift, hashes, self.table, self.limit_bars, self._until_look,
                cnt, ready,
            )  # fmt: skip
            if dealt:
                kept += int(dealt)
                self._until_look -= int(dealt)
                self._note(int(bar), int(dealt))
            if self._until_look <= 0:
                self._resize(int(bar) - self.limit_bars)
        return kept

    def entries(self, bar: int) -> bytes:
        """What counts from ``bar`` on, oldest first, as bytes."""
        oldest = bar - self.limit_bars
        keys, bars = self._live(oldest)
        # By bar, then by key: few bars are counted into place, and plain keys sort quickest.
        order = np.argsort((bars - oldest).astype(np.int16), kind="stable")
        out = np.empty(len(keys), ENTRY)
        out["bar"], keys = bars[order], keys[order]
        for of_one_bar in np.split(keys, np.flatnonzero(np.diff(out["bar"])) + 1):
            of_one_bar.sort()
        out["key"] = keys
        return out.tobytes()

    def load(self, entries: bytes) -> None:
        """Undo ``entries``."""
        given = np.frombuffer(entries, ENTRY)
        # Copied: a view of one entry or none may not be written, and a kernel is compiled anew for it.
        self._fill(given["key"].copy(), given["bar"].copy())

    def _note(self, bar: int, n: int) -> None:
        """Remember that n ids were learnt, the last of them in a bar, and forget those that count no more."""
        if self._learnt and self._learnt[-1][0] == bar:
            n += self._learnt.pop()[1]
        self._learnt.append((bar, n))
        while self._learnt[0][0] < bar - self.limit_bars:
            self._learnt.popleft()

    def _resize(self, oldest: int) -> None:
        """Keep one to three entries a bucket; they rise by one a bucket at most until the next look."""
        size = len(self.table)
        live = sum(n for _, n in self._learnt)  # or a few more: a bar ends within some of them
        self._until_look = size
        if live > MOST * size or (4 * live < size and size > SMALLEST):
            self._fill(*self._live(oldest))

    def _live(self, oldest: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Keys and bars of what counts, in no order."""
        n = int(ids.count_since(self.table, oldest))
        keys, bars = np.empty(n, np.int64), np.empty(n, np.int32)
        ids.entries_since(self.table, oldest, keys, bars)
        return keys, bars

    def _fill(self, keys: NDArray[np.int64], bars: NDArray[np.int32]) -> None:
        size = SMALLEST
        while (MOST - 1) * size < len(keys):
            size *= 2
        self.table = ids.empty_table(size)
        ids.learn_all(self.table, keys, bars, self.limit_bars)
        of_bars, counts = np.unique(bars, return_counts=True)
        self._learnt = deque(zip(of_bars.tolist(), counts.tolist(), strict=True))
        self._until_look = size
