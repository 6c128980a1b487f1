"""How far each input is read: what closes bars and where baselines begin."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.settings import BAR_MS
from schemas.errors import StateError


class Progress:
    """Offsets and log times of a fixed set of inputs; each starts at minus infinity.

    >>> p = Progress(["a", "b"])
    >>> p.advance("a", 7, 60_000, None)
    >>> p.end_bar(2_000)
    0
    >>> p.advance("b", 3, 30_000, None)
    >>> p.end_bar(2_000), p.held_by(), p.log_start_ms
    (5, 'b', 30000)
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        if not inputs or len(set(inputs)) != len(inputs):
            msg = f"an engine needs distinct inputs, was {list(inputs)}"
            raise ValueError(msg)
        self.names = tuple(inputs)
        self._offset = dict.fromkeys(self.names, -1)
        self._log_ms: dict[str, int | None] = dict.fromkeys(self.names)
        self._start: dict[str, int] = {}

    def offset(self, name: str) -> int:
        """Last offset read, -1 for none."""
        return self._offset[self._known(name)]

    def floor(self, name: str) -> int | None:
        """Log time reached; None before the first record."""
        return self._log_ms[self._known(name)]

    def advance(self, name: str, offset: int, log_ms: int, log_start_ms: int | None) -> None:
        """Note that an input is read through an offset and a log time, which never fall."""
        before = self._log_ms[self._known(name)]
        if before is None:
            self._start[name] = log_ms if log_start_ms is None else log_start_ms
        self._offset[name] = max(self._offset[name], offset)
        self._log_ms[name] = log_ms if before is None else max(before, log_ms)

    def end_bar(self, lateness_ms: int) -> int:
        """First bar that is not closed: the log has passed all before it on every input."""
        low = min(self._at(name) for name in self.names)
        return max((low - lateness_ms) // BAR_MS, 0)

    @property
    def log_start_ms(self) -> int | None:
        """The log's start: the earliest of its inputs' starts, once all are known."""
        return min(self._start.values()) if len(self._start) == len(self.names) else None

    def held_by(self) -> str:
        """The input whose log has come least far; the first named of several."""
        return min(self.names, key=self._at)

    def state(self) -> dict[str, tuple[int, int | None, int | None]]:
        """By input: offset, log time, start; for snapshots."""
        return {n: (self._offset[n], self._log_ms[n], self._start.get(n)) for n in self.names}

    @classmethod
    def of_state(cls, state: dict[str, tuple[int, int | None, int | None]]) -> Progress:
        """Undo ``state``."""
        progress = cls(list(state))
        for name, (offset, log_ms, start) in state.items():
            progress._offset[name] = offset
            progress._log_ms[name] = log_ms
            if start is not None:
                progress._start[name] = start
        return progress

    def _at(self, name: str) -> int:
        ms = self._log_ms[name]
        return -1 if ms is None else ms

    def _known(self, name: str) -> str:
        if name not in self._offset:
            msg = (
                f"input {name!r} is none of {', '.join(self.names)}: inputs are fixed at the start"
            )
            raise StateError(msg)
        return name
