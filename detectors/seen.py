"""Which records were seen within the backfill limit: the first of an id counts, once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.kernels import intake


class Seen:
    """Ids of ``limit_bars`` bars, by token and kind; size follows the rate, not the run's length."""

    def __init__(self, limit_bars: int, size: int = 4_096) -> None:
        self.limit_bars = max(limit_bars, 1)
        self.keys = np.zeros((2, size), np.int64)
        self.bars = np.zeros((2, size), np.int32)
        self.counts = np.zeros(3, np.int64)

    def keep_first(
        self,
        pend: NDArray[np.void],
        keys: NDArray[np.int64],
        m: int,
        shift: int,
        state: NDArray[np.void],
    ) -> int:
        """Drop duplicates among the first ``m`` sorted keys in place; returns how many stay."""
        at = kept = 0
        while True:
            at, kept = intake.drop_seen(
                pend, keys, m, at, kept, shift, state, self.keys, self.bars, self.counts,
                self.limit_bars,
            )  # fmt: skip
            if at == m:
                return int(kept)
            size = 2 * self.keys.shape[1]
            bigger, bars = np.zeros((2, size), np.int64), np.zeros((2, size), np.int32)
            intake.rehash(self.keys, self.bars, bigger, bars)
            self.keys, self.bars = bigger, bars

    def entries(self) -> tuple[bytes, bytes, bytes, bytes]:
        """Both generations' (keys, bars) as bytes, without the empty places."""
        out = []
        for g in range(2):
            used = self.keys[g] != 0
            out += [self.keys[g][used].tobytes(), self.bars[g][used].tobytes()]
        return out[0], out[1], out[2], out[3]

    def load(self, entries: tuple[bytes, bytes, bytes, bytes], counts: NDArray[np.int64]) -> None:
        """Undo ``entries``."""
        most = max(len(entries[0]), len(entries[2])) // 8
        size = 4_096
        while size < 4 * most:
            size *= 2
        packed = max(most, 1)
        old, bars = np.zeros((2, packed), np.int64), np.zeros((2, packed), np.int32)
        for g in range(2):
            keys = np.frombuffer(entries[2 * g], np.int64)
            old[g, : len(keys)] = keys
            bars[g, : len(keys)] = np.frombuffer(entries[2 * g + 1], np.int32)
        self.keys, self.bars = np.zeros((2, size), np.int64), np.zeros((2, size), np.int32)
        intake.rehash(old, bars, self.keys, self.bars)
        self.counts = counts
