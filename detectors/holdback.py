"""Records that wait for their bar to close, and those of closed bars in canonical order."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns
from detectors.grown import grown
from detectors.kernels import intake
from detectors.kernels.ties import settle_ties
from detectors.layout import READY, REC
from detectors.seen import Seen

LEAST: Final = 1024
"""Rows that every buffer has room for."""
NOT_YET: Final = -(1 << 40)
"""End of what closes where no bar does."""


class HoldBack:
    """One engine's records between their arrival and the walk over the bar they lie in.

    ``ready`` has the records of the bars that closed last, those of a token together; ``touched`` the
    slots of such tokens, and of those with an open episode; ``spans``, of shape (tokens, 2), where in
    ``ready`` the records of each begin and end.
    """

    ready: NDArray[np.void]
    touched: NDArray[np.int32]
    spans: NDArray[np.int64]
    _keys: NDArray[np.int64]
    _spare: NDArray[np.int64]
    _counts: NDArray[np.int64]

    def __init__(self) -> None:
        self._held: NDArray[np.void] = np.empty(LEAST, REC)
        self._n = 0
        self._due: NDArray[np.void] = np.empty(LEAST, REC)
        self._taken = (0, 0)  # rows of due records that are there already, and of their tokens
        self._shift = 0
        self._scratch(LEAST, 0)

    def __len__(self) -> int:
        """How many records wait."""
        return self._n

    @property
    def rows(self) -> NDArray[np.void]:
        """The records that wait, as ``REC``."""
        return self._held[: self._n]

    def load(self, rows: NDArray[np.void]) -> None:
        """Let these wait, and no others."""
        self._n = len(rows)
        self._held = grown(rows, LEAST)

    def admit(
        self,
        columns: Columns,
        slots: NDArray[np.int32],
        n_slots: int,
        end: int,
        *,
        through: int,
        lateness_ms: int,
        backfill_ms: int,
        first_ref: int,
    ) -> tuple[NDArray[np.int64], int, int]:
        """Take records in; ``slots`` has those of the columns' tokens, and all are below ``n_slots``.

        Bars before ``end`` are closed next, by ``order``; NOT_YET where none is. Returns the rows that
        came too late, how often the log's clock fell, and the last bar of any record.
        """
        n = len(columns)
        self._make_room(n, n_slots)
        late = np.empty(n, np.int64)
        waits, taken, tokens, n_late, falls, last_bar = intake.admit(
            slots, columns.token, columns.kind, columns.aux, columns.ts_event_ms,
            columns.ts_log_ms, columns.order, columns.id, columns.who, columns.a, columns.b,
            columns.c, through, lateness_ms, backfill_ms, first_ref, end, self._held, self._n,
            self._due, self._shift, self._keys, self._counts, self.touched, late,
        )  # fmt: skip
        self._n, self._taken = int(waits), (taken, tokens)
        return late[:n_late], falls, last_bar

    def order(
        self,
        end: int,
        hashes: NDArray[np.int64],
        seen: Seen,
        episodes: NDArray[np.int32],
        n_open: int,
    ) -> tuple[int, int]:
        """Bring the records of bars before ``end`` into order, each id once.

        ``hashes`` are the slots' and decide ties; ``episodes`` are the slots with one open. Returns
        (duplicates, tokens to walk).
        """
        if self._taken == (0, 0):
            self._make_room(0, len(hashes))
        m, tokens, waits = intake.take_due(
            self._held, self._n, end, self._due, *self._taken, self._shift, self._keys,
            self._counts, self.touched,
        )  # fmt: skip
        self._n, self._taken = int(waits), (0, 0)
        self._keys[:m].sort()
        settle_ties(self._due, self._keys, m, self._shift, hashes, self._spare)
        intake.give_room(self._counts, self.touched, tokens, self.spans)
        kept = seen.deal_new(
            self._due, self._keys, m, self._shift, hashes, self._counts, self.ready
        )
        tokens = intake.close_spans(
            self._counts, self.touched, tokens, self.spans, episodes, n_open
        )
        return m - kept, tokens

    def _make_room(self, more: int, n_slots: int) -> None:
        """Have room for so many more records, of so many slots, before any of a close is taken."""
        n = self._n + more
        self._held = grown(self._held, n, self._n)
        if len(self._keys) < n or len(self._counts) < n_slots:
            self._scratch(len(self._held), n_slots)
        self._shift = max(n, 1).bit_length()

    def _scratch(self, n: int, n_slots: int) -> None:
        """Buffers that hold nothing between closes."""
        self._due = np.empty(n, REC)
        self._keys = np.empty(n, np.int64)
        self._spare = np.empty(n, np.int64)
        self.ready = np.zeros(n + 1, READY)  # one may look ahead of the last
        self.touched = np.empty(n + n_slots, np.int32)
        self.spans = np.empty((n + n_slots, 2), np.int64)
        self._counts = np.zeros(n_slots, np.int64)
