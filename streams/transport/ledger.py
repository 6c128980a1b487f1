"""Which delivered batches are done, and hence which offset may be committed."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class AckLedger(Generic[K]):
    """Batches in flight per partition, each known by its last offset.

    What may be committed is the end of the longest run of acknowledged batches, counted from the
    oldest in flight: never past one that is not done, holes in the offsets or not.

    Examples
    --------
    >>> ledger = AckLedger[str]()
    >>> for last in (9, 19, 29):
    ...     ledger.deliver("p", last)
    >>> ledger.ack("p", 19)
    True
    >>> ledger.committable("p") is None  # 0..9 is still at work
    True
    >>> ledger.ack("p", 9), ledger.committable("p"), ledger.in_flight("p")
    (True, 20, 1)
    >>> ledger.passed("q", 7)
    >>> ledger.committable("q"), ledger.in_flight("q")
    (7, 0)
    """

    def __init__(self) -> None:
        self._batches: dict[K, deque[int]] = {}
        self._acked: dict[K, set[int]] = {}

    def deliver(self, partition: K, last_offset: int) -> None:
        """Note a batch; batches of a partition come in rising order."""
        queue = self._batches.setdefault(partition, deque())
        if queue and queue[-1] >= last_offset:
            raise ValueError(f"{partition}: batch {last_offset} delivered after {queue[-1]}")
        queue.append(last_offset)

    def ack(self, partition: K, last_offset: int) -> bool:
        """Note that a batch is done; False for one that is not, or no longer, in flight."""
        if last_offset not in self._batches.get(partition, ()):
            return False
        acked = self._acked.setdefault(partition, set())
        if last_offset in acked:
            return False
        acked.add(last_offset)
        return True

    def passed(self, partition: K, next_offset: int) -> None:
        """Note that all before ``next_offset`` is done, before any batch of the partition comes."""
        self.deliver(partition, next_offset - 1)
        self.ack(partition, next_offset - 1)

    def in_flight(self, partition: K) -> int:
        """Batches delivered and not yet done."""
        return len(self._batches.get(partition, ())) - len(self._acked.get(partition, ()))

    def partitions(self) -> list[K]:
        """Partitions with something acknowledged that was not committed yet."""
        return [partition for partition, acked in self._acked.items() if acked]

    def committable(self, partition: K) -> int | None:
        """Take the next offset to read after everything done, or None when nothing new is."""
        queue = self._batches.get(partition, deque())
        acked = self._acked.get(partition, set())
        done: int | None = None
        while queue and queue[0] in acked:
            done = queue.popleft()
            acked.discard(done)
        return None if done is None else done + 1

    def clear(self) -> None:
        """Forget everything: the partitions are assigned anew."""
        self._batches.clear()
        self._acked.clear()
