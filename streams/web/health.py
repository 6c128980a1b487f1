"""Is the process alive, and is it ready? Each check by name, with its reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

PERIOD_S: Final = 0.5
ALIVE_S: Final = 10.0
"""An event loop that was this late, or later, when it last woke is not well."""

Check = Callable[[], str | None]
"""None where all is well, else the reason why not."""


@dataclass(frozen=True)
class Finding:
    """One check's result; ``reason`` is empty where it is ok."""

    ok: bool
    reason: str


class Health:
    """Heartbeat of the event loop, and named checks of readiness.

    Parameters
    ----------
    checks : names that must be reported, by ``set`` or by ``add``, before the process is ready.
    on_lag : told how late the event loop was, in seconds, twice a second.
    partitions : how each partition stands, if there are any: beside the checks, to be read.

    Examples
    --------
    >>> health = Health(["restored", "log"])
    >>> health.add("log", lambda: None)
    >>> health.set("restored", "3 of 8 partitions")
    >>> health.ready, health.findings()["restored"]
    (False, Finding(ok=False, reason='3 of 8 partitions'))
    >>> health.set("restored", None)
    >>> health.ready
    True
    """

    def __init__(
        self,
        checks: Sequence[str] = (),
        on_lag: Callable[[float], None] | None = None,
        partitions: Callable[[], Sequence[object]] = tuple,
    ) -> None:
        self.partitions = partitions
        self._checks: dict[str, Check] = {}
        for name in checks:
            self.set(name, "not reported yet")
        self._on_lag = on_lag
        self._beat_at: float | None = None
        self._lag_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def set(self, name: str, reason: str | None) -> None:
        """Report a check: None where all is well, else the reason why not."""
        self._checks[name] = lambda: reason

    def add(self, name: str, check: Check) -> None:
        """Let a check be asked whenever somebody wants to know. It must not block."""
        self._checks[name] = check

    def findings(self) -> dict[str, Finding]:
        """Ask every check."""
        found: dict[str, Finding] = {}
        for name, check in sorted(self._checks.items()):
            try:
                reason = check()
            except Exception as error:  # noqa: BLE001 - a check that fails is a reason
                reason = f"the check failed: {type(error).__name__}"
            found[name] = Finding(reason is None, reason or "")
        return found

    @property
    def ready(self) -> bool:
        """Whether every check is well."""
        return all(finding.ok for finding in self.findings().values())

    @property
    def lag_s(self) -> float:
        """How late the event loop is: when it last woke, or since it should have."""
        if self._beat_at is None:
            return 0.0
        return max(self._lag_s, monotonic() - self._beat_at - PERIOD_S, 0.0)

    @property
    def alive(self) -> bool:
        """Whether the event loop turns."""
        return self.lag_s < ALIVE_S

    def start(self) -> None:
        """Begin to measure the event loop."""
        self._beat_at = monotonic()
        self._task = asyncio.create_task(self._beat(), name="event-loop heartbeat")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _beat(self) -> None:
        while True:
            began = self._beat_at = monotonic()
            await asyncio.sleep(PERIOD_S)
            self._lag_s = max(0.0, monotonic() - began - PERIOD_S)
            if self._on_lag is not None:
                self._on_lag(self._lag_s)
