"""Keeps a detector's inputs near each other: one that runs ahead is paused, never blocked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from detectors.engine import Engine
from schemas.topics import CONTROL, RESOLVED
from streams.worker.handler import TP

AHEAD_MS: Final = 120_000
"""An input further ahead of the slowest than this, in log time, is paused: what it brings could
only wait in memory."""
NEAR_MS: Final = 30_000


class Flow(Protocol):
    """What a transport offers to hold an input back."""

    def pause(self, tp: TP) -> None:
        """Fetch no more of a partition."""
        ...

    def resume(self, tp: TP) -> None:
        """Fetch it again."""
        ...


class Pacing:
    """Decides, after each push, which inputs of a detector partition are paused.

    Posts reach a detector resolved, those of all their partitions in one topic: a partition of
    posts that runs ahead is paused where it is resolved. Which are paused changes when records are
    read, never what they give.

    Parameters
    ----------
    ahead_ms, near_ms : paused beyond the one, resumed within the other, ms of log time.
    """

    def __init__(self, ahead_ms: int = AHEAD_MS, near_ms: int = NEAR_MS) -> None:
        self.flow: Flow | None = None
        """Set once a transport is there."""
        self._ahead_ms = ahead_ms
        self._near_ms = near_ms
        self._held: dict[TP, set[str]] = {}

    def forget(self) -> None:
        """Partitions were assigned anew: nothing is paused."""
        self._held.clear()

    def hold(self, tp: TP, by: str) -> None:
        """Fetch no more of a partition; ``by`` names who asks, each for itself."""
        if self.flow is None:
            return
        asking = self._held.setdefault(tp, set())
        if not asking:
            self.flow.pause(tp)
        asking.add(by)

    def release(self, tp: TP, by: str) -> None:
        """Fetch it again, if nobody else holds it."""
        asking = self._held.get(tp)
        if self.flow is None or asking is None:
            return
        asking.discard(by)
        if not asking:
            del self._held[tp]
            self.flow.resume(tp)

    def adjust(self, engine: Engine, partition: int, inputs: Mapping[str, Sequence[str]]) -> None:
        """Pause and resume by how far each input is; ``inputs`` are names by topic."""
        if self.flow is None:
            return
        reached = {
            name: self._reached(engine, name)
            for topic, names in inputs.items()
            for name in names
        }  # fmt: skip
        slowest = min(reached.values())
        for topic, names in inputs.items():
            if topic == CONTROL:  # read apart
                continue
            ahead = min(reached[name] for name in names) - slowest
            self._judge(TP(topic, partition), ahead, partition)
            if topic == RESOLVED:
                for name in names:
                    upstream, _, number = name.rpartition("/")
                    self._judge(TP(upstream, int(number)), reached[name] - slowest, partition)

    def _judge(self, tp: TP, ahead_ms: int, partition: int) -> None:
        by = str(partition)
        if ahead_ms > self._ahead_ms:
            self.hold(tp, by)
        elif ahead_ms <= self._near_ms:
            self.release(tp, by)

    @staticmethod
    def _reached(engine: Engine, name: str) -> int:
        at = engine.through_log_ms(name)
        return 0 if at is None else at
