"""How each partition of this worker stands: assigned, restored, caught up, progressing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic, time_ns
from typing import Final, Protocol

from streams.worker.handler import TP, Team

LOOK_EVERY_S: Final = 1.0
CAUGHT_UP_S: Final = 10.0
"""A live input read to within this of the clock has caught up."""
STUCK_S: Final = 30.0
"""A partition that should move and has not for so long makes no progress."""
HOLES_S: Final = 5.0
"""Offsets that bring nothing for so long, while nothing is under way, are marks of transactions."""
_NAMED: Final = 5


class Reading(Protocol):
    """What a transport tells of how its partitions are read."""

    def end_of(self, tp: TP) -> int | None:
        """End of an assigned partition, as it was last told; None where nobody told yet."""
        ...

    def next_of(self, tp: TP) -> int | None:
        """Next offset to deliver; None before the first."""
        ...

    def under_way(self, tp: TP) -> int:
        """Batches that are delivered, and not done."""
        ...


class EngineView(Protocol):
    """What is read of an engine."""

    @property
    def closed_ms(self) -> int:
        """Event time up to which bars are closed."""

    def held_by(self) -> str:
        """Name the input that holds bars open."""


@dataclass(frozen=True)
class Stand:
    """One stage's partition, now. All partitions of this list are assigned.

    ``behind_records`` is None where no fetch told the end yet; ``behind_seconds`` where the log is not live, or
    the topic has no heartbeats. ``missing`` says in words what keeps it from being ready.
    """

    stage: str
    partition: int
    restored: bool = False
    caught_up: bool = False
    progressing: bool = False
    behind_records: int | None = None
    behind_seconds: float | None = None
    closed_ms: int | None = None
    held_by: str = ""
    missing: str = ""


@dataclass
class _Watch:
    """What a partition did so far."""

    marker: tuple[int, ...] = ()
    changed_at: float = 0.0
    caught_up: bool = False


class Standing:
    """Watches the partitions that the group assigned to this worker.

    A partition has *caught up* once it was read to the log's end after it was assigned; what it
    falls behind later is a matter of lag, not of readiness.

    Parameters
    ----------
    team : the handlers.
    engines : the detector's, by partition.
    live : the log is stamped by the clock: time that nobody tells of is strange.
    clock_s, now_ms : a clock that never falls, and the one that stamps the log.
    """

    def __init__(
        self,
        team: Team,
        engines: Callable[[], Mapping[int, EngineView]],
        *,
        live: bool,
        clock_s: Callable[[], float] = monotonic,
        now_ms: Callable[[], int] = lambda: time_ns() // 1_000_000,
    ) -> None:
        self.reading: Reading | None = None
        """Set once a transport is there."""
        self._team = team
        self._engines = engines
        self._live = live
        self._clock_s = clock_s
        self._now_ms = now_ms
        self._assigned: set[TP] | None = None
        self._restored = False
        self._since = clock_s()
        self._watches: dict[tuple[str, int], _Watch] = {}

    def assigned(self, tps: set[TP]) -> None:
        """The group gave us these partitions; their state is restored next."""
        self._assigned, self._restored = {TP(*tp) for tp in tps}, False
        self._since = self._clock_s()
        self._watches = {}

    def restored(self) -> None:
        """Their state is there."""
        self._restored, self._since = True, self._clock_s()

    def revoked(self) -> None:
        """The group took them away, to give them out anew."""
        self._assigned, self._since = None, self._clock_s()

    def states(self) -> list[Stand]:
        """Every assigned partition by stage, now."""
        parts: dict[tuple[str, int], list[TP]] = defaultdict(list)
        for tp in sorted(self._assigned or ()):
            if (handler := self._team.route(tp.topic)) is not None:
                parts[handler.stage, tp.partition].append(tp)
        return [self._stand(*part, tps) for part, tps in sorted(parts.items())]

    def why_not_ready(self) -> str | None:
        """What is missing; None where everything is there."""
        if self._assigned is None:
            return f"no partition is assigned, for {self._clock_s() - self._since:.0f} s"
        missing = [f"{s.stage}/{s.partition} {s.missing}" for s in self.states() if s.missing]
        if not missing:
            return None
        more = len(missing) - _NAMED
        return "; ".join(missing[:_NAMED]) + (f"; and {more} more" if more > 0 else "")

    def _stand(self, stage: str, p: int, tps: list[TP]) -> Stand:
        now_s = self._clock_s()
        if not self._restored or self.reading is None:
            return Stand(
                stage, p, missing=f"is being restored, for {max(0.0, now_s - self._since):.0f} s"
            )
        positions = [self._position(tp) for tp in tps]
        ends = [self.reading.end_of(tp) for tp in tps]
        known = [end for end in ends if end is not None]
        behind = None
        if len(known) == len(ends):
            behind = sum(max(0, end - at) for end, at in zip(known, positions, strict=True))
        seconds = self._seconds(tps) if self._live else None
        engine = self._engines().get(p) if stage == "detect" else None
        watch = self._watches.setdefault((stage, p), _Watch(changed_at=now_s))
        marker = (*positions, engine.closed_ms if engine is not None else 0)
        if marker != watch.marker:
            watch.marker, watch.changed_at = marker, now_s
        still_s = now_s - watch.changed_at
        idle = not any(self.reading.under_way(tp) for tp in tps)
        done = behind == 0 or (behind is not None and idle and still_s >= HOLES_S)
        there = done if seconds is None else seconds <= CAUGHT_UP_S
        watch.caught_up = watch.caught_up or there
        resting = done and seconds is None  # nothing to do, and nobody tells that time passes
        progressing = still_s < STUCK_S or resting
        stand = Stand(
            stage,
            p,
            restored=True,
            caught_up=watch.caught_up,
            progressing=progressing,
            behind_records=behind,
            behind_seconds=seconds,
            closed_ms=engine.closed_ms if engine is not None else None,
            held_by=engine.held_by() if engine is not None else "",
        )
        return _with_words(stand, still_s)

    def _position(self, tp: TP) -> int:
        assert self.reading is not None
        handler = self._team.route(tp.topic)
        assert handler is not None
        try:
            done = handler.position(tp)
        except KeyError:
            done = 0
        # A stage that keeps no position of its own goes on where the group has committed.
        return done or (0 if self.reading.under_way(tp) else self.reading.next_of(tp) or 0)

    def _seconds(self, tps: list[TP]) -> float | None:
        """How far the least read of some partitions is behind the clock."""
        reached = []
        for tp in tps:
            handler = self._team.route(tp.topic)
            if handler is not None and (ms := handler.reached_ms(tp)) is not None:
                reached.append(ms)
        return max(0, self._now_ms() - min(reached)) / 1000 if reached else None


def _with_words(stand: Stand, still_s: float) -> Stand:
    """The same, with what is missing said."""
    words = []
    if not stand.progressing:
        held = f": bars are held open by {stand.held_by}" if stand.held_by else ""
        words.append(f"makes no progress for {still_s:.0f} s{held}")
    if not stand.caught_up:
        told = []
        if stand.behind_records is not None:
            told.append(f"{stand.behind_records:,} records")
        if stand.behind_seconds is not None:
            told.append(f"{stand.behind_seconds:,.0f} s")
        words.append(f"catches up ({', '.join(told) or 'nothing was fetched yet'} behind)")
    return Stand(**{**vars(stand), "missing": ", ".join(words)})
