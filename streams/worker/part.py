"""What a detector partition is to the worker that has it, and who may go on from its state."""

from __future__ import annotations

from asyncio import Lock
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from detectors.engine import Engine
from schemas.errors import StateError
from streams.worker.known import Place


@dataclass
class Part:
    """A detector partition that this worker has. Whoever holds its ``lock`` alone works on it.

    Parameters
    ----------
    known : alerts already in the log that the engine will give again.
    inputs : names by topic.
    told_ms : alerts of bars up to here were written by who had the state before.
    half_done : why work on it ended before everything that follows from it was in the log. Its state
        is then no one's to go on from: it may have taken in what nobody was told of.
    """

    engine: Engine
    positions: dict[str, int]
    known: dict[str, Place]
    saved_at: float
    inputs: dict[str, list[str]]
    told_ms: int = 0
    lock: Lock = field(default_factory=Lock)
    ours: bool = True
    unsaved: int = 0
    dirty: bool = False
    half_done: Exception | None = None

    @contextmanager
    def work(self) -> Iterator[None]:
        """Change its state, under its lock. Raises what ended earlier work half way, and begins none."""
        if self.half_done is not None:
            raise self.half_done
        try:
            yield
        except BaseException as error:
            cut = StateError("work on a detector partition was cut short")
            self.half_done = error if isinstance(error, Exception) else cut
            raise
