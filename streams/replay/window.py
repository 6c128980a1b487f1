"""The part of a log that a replay tells of, and the warm-up before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from detectors.columns import Columns
from detectors.layout import HOUR_MS
from schemas.errors import UserError
from streams.files.rows import I8, Chunk

QUARTER_MS: Final = 900_000
"""A warm-up begins with a whole quarter-hour: no bucket of a baseline is then half empty."""


@dataclass(frozen=True)
class Window:
    """Alerts of the bars that end after ``from_ms`` and not after ``to_ms`` are told.

    Parameters
    ----------
    from_ms, to_ms : event times; None is where the log begins, and where it ends.
    warmup_ms : how much of the log before ``from_ms`` is read to fill the baselines; None is not
        told, which a log that begins earlier refuses.

    Examples
    --------
    >>> Window(from_ms=90_000_000, warmup_ms=86_400_000).records_from_ms
    3600000
    >>> Window().records_from_ms, Window(to_ms=60_000).records_through_ms(2_000)
    (0, 62000)
    """

    from_ms: int | None = None
    to_ms: int | None = None
    warmup_ms: int | None = None

    def __post_init__(self) -> None:
        if self.warmup_ms is not None and self.from_ms is None:
            raise UserError("a warm-up needs the time it is for", "add --from, or drop --warmup")
        if self.from_ms is not None and self.to_ms is not None and self.to_ms <= self.from_ms:
            raise UserError("--to is not after --from", "write a later --to")

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole log."""
        return self.from_ms is None and self.to_ms is None

    @property
    def records_from_ms(self) -> int:
        """Log time from which records are read; 0 is from the first on."""
        if self.from_ms is None:
            return 0
        return max(self.from_ms - (self.warmup_ms or 0), 0) // QUARTER_MS * QUARTER_MS

    def records_through_ms(self, lateness_ms: int) -> int | None:
        """Log time through which records are read: when the last bar told of closes."""
        return None if self.to_ms is None else self.to_ms + lateness_ms

    def tells(self, ts_bar_end_ms: int) -> bool:
        """Whether what a bar gave is told; nothing later than ``to_ms`` is ever computed."""
        return self.from_ms is None or ts_bar_end_ms > self.from_ms

    def check_begins(self, first_ms: int, history_ms: int) -> None:
        """Refuse to begin in the middle of a log, whose first log time is given, unless told to.

        ``history_ms`` is how far back the settings look.
        """
        if self.from_ms is not None and self.warmup_ms is None and 0 < first_ms < self.from_ms:
            raise UserError(
                "--from lies in the middle of the log, where no baseline is known",
                f"add --warmup {history_ms // HOUR_MS}h to read what they are made of, or "
                "--warmup 0 to do without",
            )
        if self.to_ms is not None and first_ms >= self.to_ms:
            raise UserError("the log begins after --to", "write a later --to")

    def check_reached(self, last_ms: int) -> None:
        """Refuse a window that begins after the log's last log time."""
        if self.from_ms is not None and last_ms <= self.from_ms:
            raise UserError("the log ends before --from", "write an earlier --from")

    def as_dict(self) -> dict[str, Any] | None:
        """For the summary; None where it is the whole log."""
        if self.is_whole:
            return None
        return {
            "from_ms": self.from_ms,
            "to_ms": self.to_ms,
            "warmup_ms": self.warmup_ms,
            "records_from_ms": self.records_from_ms or None,
        }


WHOLE: Final = Window()
"""The whole log."""


@dataclass
class Cut:
    """Takes the records of a window out of one input, in its order.

    Parameters
    ----------
    from_ms : log time of the first record wanted.
    through_ms : of the last; None where there is no last.
    skipped : records passed over so far, before ``from_ms``.
    ended : whether a record beyond ``through_ms`` was met: all that is wanted was read.
    """

    from_ms: int
    through_ms: int | None
    skipped: int = 0
    ended: bool = False

    def rows(self, times: I8) -> slice:
        """Which of the next records are wanted, by their log times, which never fall.

        >>> cut = Cut(10, 20)
        >>> cut.rows(np.array([5, 10, 20, 21])), cut.skipped, cut.ended
        (slice(1, 3, None), 1, True)
        """
        start = int(np.searchsorted(times, self.from_ms))
        self.skipped += start
        stop = len(times)
        if self.through_ms is not None:
            stop = int(np.searchsorted(times, self.through_ms, side="right"))
            self.ended |= stop < len(times)
        return slice(start, max(stop, start))

    def chunks(self, chunks: list[Chunk]) -> list[Chunk]:
        """The wanted part of chunks that lie side by side; empty ones are left out."""
        kept = []
        for chunk in chunks:
            rows = self.rows(chunk.times)
            if rows.stop > rows.start:
                kept.append(chunk.part(rows.start, rows.stop))
        return kept

    def columns(self, columns: Columns | None) -> Columns | None:
        """Without what happened before ``from_ms``: a bar from before would begin a baseline."""
        if columns is None or not self.from_ms:
            return columns
        wanted = columns.ts_event_ms >= self.from_ms
        if wanted.all():
            return columns
        return columns.take(np.flatnonzero(wanted)) if wanted.any() else None

    def start_ms(self, log_start_ms: int) -> int:
        """Where baselines begin: at the window's first record time if records were passed over."""
        return max(log_start_ms, self.from_ms) if self.skipped else log_start_ms
