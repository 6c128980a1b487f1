"""What the handlers count, for metrics, progress lines and tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts since the process started, kept per batch: reading them costs the hot path nothing.

    Parameters
    ----------
    records : (topic, outcome) to records; outcomes are ``used``, ``progress`` (heartbeats, gaps),
        ``rejected``, ``unresolved`` (a mention of no token), ``late`` (beyond the backfill limit),
        ``poison`` (made a handler fail, and was passed over), ``skipped`` (read again after a restart), ``clock_fell`` (stamped before an earlier record).
    duplicates : records dropped because their id was seen within the backfill limit.
    lost : input (topic/partition) to records that were gone before they were read; 0 where nobody
        can say how many.
    alerts : kind to alerts written.
    alerts_again : alerts found already written when the log was read again.
    held_by : detector partition to the input that holds its bars open.
    closed_ms : detector partition to the event time up to which its bars are closed.
    tokens : detector partition to tokens with live state.
    checkpoint_bytes, checkpoint_seconds : detector partition to size and cost of the last one.
    checkpoint_ms : detector partition to when its last one was written, by the wall clock.
    restore_seconds : detector partition to the time its restore took.
    checkpoints : checkpoints written.

    Examples
    --------
    >>> tally = Tally()
    >>> tally.count("dex.ticks.v1", "used", 3)
    >>> tally.total("used")
    3
    """

    records: Counter[tuple[str, str]] = field(default_factory=Counter)
    duplicates: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    alerts_again: int = 0
    held_by: dict[int, str] = field(default_factory=dict)
    closed_ms: dict[int, int] = field(default_factory=dict)
    tokens: dict[int, int] = field(default_factory=dict)
    checkpoint_bytes: dict[int, int] = field(default_factory=dict)
    checkpoint_seconds: dict[int, float] = field(default_factory=dict)
    checkpoint_ms: dict[int, int] = field(default_factory=dict)
    restore_seconds: dict[int, float] = field(default_factory=dict)
    checkpoints: int = 0

    def count(self, topic: str, outcome: str, n: int = 1) -> None:
        """Add ``n`` records of a topic to an outcome."""
        if n:
            self.records[topic, outcome] += n

    def total(self, outcome: str) -> int:
        """Records of an outcome over all topics."""
        return sum(n for (_, name), n in self.records.items() if name == outcome)
