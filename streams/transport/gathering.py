"""Live records wait for company until a second of log time is full: fewer and larger batches.

A bar closes when every input has passed its end by the lateness: at a whole second of log time, where
the lateness is of whole seconds. So what is read before the next whole second changes nothing until a
record or heartbeat beyond it has come; and then all is handed on at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Final, Generic, TypeVar

from streams.log.base import LogRecord
from streams.log.slab import joined, latest

FULL_MS: Final = 1_000
"""Records wait until the log has passed a multiple of this; milliseconds of log time."""
MOST: Final = 2_000
"""Records that wait for no more company."""
PATIENCE_S: Final = 1.0
"""Nothing waits for longer, by the clock: logs of recorded time may fall silent."""

K = TypeVar("K", bound=Hashable)


@dataclass
class _Held:
    """Runs of records of one partition that wait, without a hole between them."""

    since_s: float
    runs: list[Sequence[LogRecord]] = field(default_factory=list)
    n: int = 0
    full: bool = False

    @property
    def end(self) -> int:
        return self.runs[-1][-1].offset + 1


class Gathering(Generic[K]):
    """What was fetched of each partition, and waits to be handed on.

    Parameters
    ----------
    topics : whose records wait; those of others are handed on as they come.
    clock : seconds that never fall.

    Examples
    --------
    >>> some = Gathering({"t"}, clock=lambda: 0.0)
    >>> for offset, ms in enumerate((0, 400, 800, 1200, 1600, 2000)):
    ...     some.add("t/0", [LogRecord("t", 0, offset, ms, None, b"")])
    ...     print([[record.timestamp for record in records] for _, records in some.take()])
    [[0]]
    []
    []
    [[400, 800, 1200]]
    []
    [[1600, 2000]]
    """

    def __init__(self, topics: Collection[str], clock: Callable[[], float] = monotonic) -> None:
        self._topics = frozenset(topics)
        self._clock = clock
        self._held: dict[K, _Held] = {}
        self._ready: list[tuple[K, _Held]] = []
        self._second: dict[K, int] = {}
        """The second of log time that each partition has reached."""

    def clear(self) -> None:
        """Forget all that waits: it will be read again."""
        self._held.clear()
        self._ready.clear()
        self._second.clear()

    def add(self, tp: K, records: Sequence[LogRecord]) -> None:
        """Take what was fetched of a partition, at least one record."""
        held = self._held.get(tp)
        if held is None or records[0].offset != held.end:
            if held is not None:  # a hole: whoever looks at where a batch begins is to see it
                self._ready.append((tp, held))
            held = self._held[tp] = _Held(self._clock())
        held.runs.append(records)
        held.n += len(records)
        second = latest(records) // FULL_MS
        if records[0].topic not in self._topics or second > self._second.get(tp, -1):
            self._second[tp] = second
            held.full = True

    def take(self) -> list[tuple[K, Sequence[LogRecord]]]:
        """What waits no longer, by partition; from now on it is not ours."""
        late_s = self._clock() - PATIENCE_S
        for tp, held in list(self._held.items()):
            if held.full or held.n >= MOST or held.since_s <= late_s:
                self._ready.append((tp, self._held.pop(tp)))
        ready, self._ready = self._ready, []
        return [(tp, joined(held.runs)) for tp, held in ready]
