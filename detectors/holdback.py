"""Records that wait for their bar to close, and those of closed bars in canonical order."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.columns import Columns
from detectors.grown import grown
from detectors.kernels import intake
from detectors.kernels.ties import settle_ties
from detectors.layout import BAR_MS, READY, REC
from detectors.seen import Seen

LEAST: Final = 1024
"""Rows that every buffer has room for."""
BLOCK: Final = 8_000
"""Records that are brought into order at a time: what they take stays in a core's own cache."""
_NO_SLOTS: Final = np.empty(0, np.int32)


class Incoming:
    """Records of one push, and what is found while they are taken in.

    Parameters
    ----------
    columns, slots : the records, and the slots of their tokens.
    first_ref : what evidence calls the first of them.
    through : the log time that their input had reached.
    lateness_ms, backfill_ms : how late a record may come, to count in its own bar and at all.
    """

    def __init__(
        self,
        columns: Columns,
        slots: NDArray[np.int32],
        *,
        first_ref: int,
        through: int,
        lateness_ms: int,
        backfill_ms: int,
    ) -> None:
        self.columns, self.slots, self._first_ref = columns, slots, first_ref
        self._through, self._lateness_ms, self._backfill_ms = through, lateness_ms, backfill_ms
        self._late = np.empty(len(columns), np.int64)
        self._n_late = 0
        self.falls = 0
        """How often the log's clock fell."""
        self.last_bar = 0
        """The last bar that any of the records lies in."""

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def late(self) -> NDArray[np.int64]:
        """Rows that came too late to count at all."""
        return self._late[: self._n_late]

    def closed_by(self, row: int) -> int:
        """The end of the bars that no row after this one can lie in."""
        log = max(self._through, int(self.columns.ts_log_ms[row]))
        return (log - self._lateness_ms) // BAR_MS

    def take(
        self,
        first: int,
        last: int,
        end: int,
        held: NDArray[np.void],
        n: int,
        due: NDArray[np.void],
        shift: int,
        keys: NDArray[np.int64],
    ) -> tuple[int, int]:
        """Take some rows in, and what is held and due, as ``intake.admit`` does; returns (held, due)."""
        columns = self.columns
        taken = intake.admit(
            self.slots, columns.token, columns.kind, columns.aux, columns.ts_event_ms,
            columns.ts_log_ms, columns.order, columns.id, columns.who, columns.a, columns.b,
            columns.c, first, last, self._through, self._lateness_ms, self._backfill_ms,
            self._first_ref, end, held, n, due, shift, keys, self._late, self._n_late,
        )  # fmt: skip
        waits, m, n_late, through, falls, last_bar = map(int, taken)  # uncompiled, numpy's own
        self._n_late, self._through = n_late, through
        self.falls += falls
        self.last_bar = max(self.last_bar, last_bar)
        return waits, m


class HoldBack:
    """One engine's records between their arrival and the walk over the bar they lie in.

    ``ready`` has the records of the bars that closed last, those of a token together; ``touched`` the
    slots of such tokens, of others whose records came in, and of those with an open episode; ``spans``, of shape (tokens, 2), where in
    ``ready`` the records of each begin and end.
    """

    ready: NDArray[np.void]
    touched: NDArray[np.int32]
    spans: NDArray[np.int64]
    _due: NDArray[np.void]
    _keys: NDArray[np.int64]
    _spare: NDArray[np.int64]
    _counts: NDArray[np.int64]

    def __init__(self) -> None:
        self._held: NDArray[np.void] = np.empty(LEAST, REC)
        self._n = 0
        self._scratch(LEAST, 0)

    @property
    def rows(self) -> NDArray[np.void]:
        """The records that wait, as ``REC``."""
        return self._held[: self._n]

    def load(self, rows: NDArray[np.void]) -> None:
        """Let these wait, and no others, whatever a close that failed has left."""
        self._counts[:] = 0
        self._n = len(rows)
        self._held = grown(rows, LEAST)

    def add(self, incoming: Incoming) -> None:
        """Take records in while no bar closes."""
        rows = len(incoming)
        shift = self._make_room(rows, 0)
        self._n, _ = incoming.take(
            0, rows, intake.NOT_YET, self._held, self._n, self._due, shift, self._keys
        )

    def close(
        self,
        end: int,
        incoming: Incoming | None,
        hashes: NDArray[np.int64],
        seen: Seen,
        episodes: NDArray[np.int32],
        n_open: int,
    ) -> tuple[int, int]:
        """Take records in and bring those of bars before ``end`` into order, each id once.

        ``hashes`` are the slots' and decide ties; ``episodes`` are the slots with one open. Returns
        (duplicates, tokens to walk).
        """
        rows, slots, token = 0, _NO_SLOTS, _NO_SLOTS
        if incoming is not None:
            rows, slots, token = len(incoming), incoming.slots, incoming.columns.token
        shift = self._make_room(rows, len(hashes))
        tokens = intake.give_room(
            slots, token, self._held, self._n, end, self._counts, self.touched, self.spans
        )
        duplicates, first, going = 0, 0, True
        while going:
            # Each block looks through all that waits: where that is much, blocks are larger.
            last = min(first + max(BLOCK, 4 * self._n), rows)
            going = last < rows
            if incoming is None:
                near_ms = int(self._held["bar"][0]) * BAR_MS if self._n else 0
                taken = intake.take_due(
                    self._held, self._n, end, near_ms, self._due, shift, self._keys
                )
                self._n, m = map(int, taken)
            else:
                upto = min(end, incoming.closed_by(last - 1)) if going else end
                self._n, m = incoming.take(
                    first, last, upto, self._held, self._n, self._due, shift, self._keys
                )
            self._keys[:m].sort()
            settle_ties(self._due, self._keys, m, shift, hashes, self._spare)
            dealt = seen.deal_new(self._due, self._keys, m, shift, hashes, self._counts, self.ready)
            duplicates += m - dealt
            first = last
        tokens = intake.close_spans(
            self._counts, self.touched, tokens, self.spans, episodes, n_open
        )
        return duplicates, tokens

    def _make_room(self, more: int, n_slots: int) -> int:
        """Have room for so many more records, of so many slots; returns how many bits number them."""
        n = self._n + more
        self._held = grown(self._held, n, self._n)
        if len(self._keys) < n or len(self._counts) < n_slots:
            self._scratch(len(self._held), max(n_slots, len(self._counts)))
        return max(n, 1).bit_length()

    def _scratch(self, n: int, n_slots: int) -> None:
        """Buffers that hold nothing between closes."""
        self._due = np.empty(n, REC)
        self._keys = np.empty(n, np.int64)
        self._spare = np.empty(n, np.int64)
        self.ready = np.zeros(n + 1, READY)  # one may look ahead of the last
        self.touched = np.empty(n + n_slots, np.int32)
        self.spans = np.empty((n + n_slots, 2), np.int64)
        self._counts = np.zeros(n_slots, np.int64)
