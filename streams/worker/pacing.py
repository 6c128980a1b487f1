"""Keeps a detector's inputs near each other: one that runs ahead is paused, never blocked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from detectors.engine import Engine
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
    """Decides, after each push, which input topics of a detector partition are paused.

    Which are paused changes when records are read, never what they give.

    Parameters
    ----------
    ahead_ms, near_ms : paused beyond the one, resumed within the other, ms of log time.
    """

    def __init__(self, ahead_ms: int = AHEAD_MS, near_ms: int = NEAR_MS) -> None:
        self.flow: Flow | None = None
        """Set once a transport is there."""
        self._ahead_ms = ahead_ms
        self._near_ms = near_ms
        self._paused: set[TP] = set()

    def forget(self) -> None:
        """Partitions were assigned anew: nothing is paused."""
        self._paused.clear()

    def adjust(self, engine: Engine, partition: int, inputs: Mapping[str, Sequence[str]]) -> None:
        """Pause and resume by how far each input is; ``inputs`` are names by topic."""
        if self.flow is None:
            return
        reached = {
            topic: min(self._reached(engine, name) for name in names)
            for topic, names in inputs.items()
        }
        slowest = min(reached.values())
        for topic, at in reached.items():
            tp = TP(topic, partition)
            if at - slowest > self._ahead_ms and tp not in self._paused:
                self._paused.add(tp)
                self.flow.pause(tp)
            elif at - slowest <= self._near_ms and tp in self._paused:
                self._paused.discard(tp)
                self.flow.resume(tp)

    @staticmethod
    def _reached(engine: Engine, name: str) -> int:
        at = engine.through_log_ms(name)
        return 0 if at is None else at
