"""What the handlers and their engines know, read when Prometheus asks: the hot path pays nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from streams.control.decisions import CONTROL_INPUT, LEAD_MS

JUMP_S: Final = 60.0
"""A log that is so far ahead of the wall clock has jumped: its bars wait for time to catch up."""


class EngineView(Protocol):
    """What is read of an engine."""

    @property
    def tracked(self) -> int:
        """Tokens with live state."""

    @property
    def open_episodes(self) -> int:
        """Episodes under way."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""

    def held_by(self) -> str:
        """Name the input that holds bars open."""

    def through_log_ms(self, name: str) -> int | None:
        """Log time an input is read to."""


class TallyView(Protocol):
    """What is read of the handlers' counts (streams.worker.tally)."""

    alerts: Counter[str]
    alerts_again: int
    duplicates: int
    records: Counter[tuple[str, str]]
    lost: Counter[str]
    checkpoints: int
    checkpoint_bytes: dict[int, int]
    checkpoint_seconds: dict[int, float]
    checkpoint_ms: dict[int, int]
    restore_seconds: dict[int, float]


class PartitionView(Protocol):
    """What is read of how a stage's partition stands (streams.worker.standing)."""

    @property
    def stage(self) -> str:
        """Who reads it."""

    @property
    def partition(self) -> int:
        """Its number."""

    @property
    def restored(self) -> bool:
        """Its state is there."""

    @property
    def caught_up(self) -> bool:
        """It was read to the log's end once."""

    @property
    def progressing(self) -> bool:
        """It moves, or has nothing to do."""

    @property
    def behind_records(self) -> int | None:
        """Offsets to the end."""

    @property
    def behind_seconds(self) -> float | None:
        """Behind the clock."""


class CrewCollector(Collector):
    """Progress, state and checkpoints of the detector partitions this process has.

    Parameters
    ----------
    tally : the handlers' counts.
    engines : gives the engines by partition, at the time of asking.
    live : the log is stamped by the wall clock, so that lag behind it means something.
    partitions : how the partitions assigned to this process stand, at the time of asking.
    clock_s : the wall clock, seconds since 1970.
    """

    def __init__(
        self,
        tally: TallyView,
        engines: Callable[[], Mapping[int, EngineView]],
        *,
        live: bool,
        partitions: Callable[[], Sequence[PartitionView]] = tuple,
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        self._tally = tally
        self._engines = engines
        self._live = live
        self._partitions = partitions
        self._clock_s = clock_s
        self._jumps: Counter[str] = Counter()
        self._ahead: set[str] = set()

    def describe(self) -> list[Metric]:
        """Name no family: registering must not ask engines that are not there yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give every family."""
        engines = dict(sorted(self._engines().items()))
        yield from self._counters()
        yield from self._states(engines)
        yield from self._progress(engines)
        yield from self._checkpoints(engines)
        yield from self._standing()

    def _counters(self) -> Iterator[Metric]:
        tally = self._tally
        alerts = CounterMetricFamily("goldendog_alerts", "Alerts written.", labels=("kind",))
        for kind in ("candidate", "update", "fading", "closed"):
            alerts.add_metric((kind,), tally.alerts[kind])
        yield alerts
        yield CounterMetricFamily(
            "goldendog_alerts_again",
            "Alerts a restart raised again and found in the log already.",
            value=tally.alerts_again,
        )
        yield CounterMetricFamily(
            "goldendog_duplicate_records",
            "Records dropped because their id had been seen.",
            value=tally.duplicates,
        )
        falls = CounterMetricFamily(
            "goldendog_log_clock_falls",
            "Records stamped before an earlier one of their partition; their time is raised.",
            labels=("topic",),
        )
        for (topic, outcome), count in sorted(tally.records.items()):
            if outcome == "clock_fell":
                falls.add_metric((topic,), count)
        yield falls
        lost = CounterMetricFamily(
            "goldendog_lost_records",
            "Records that were gone before they were read: deleted, or their topic made anew (then "
            "0, for nobody can say how many). Absent where nothing was lost.",
            labels=("input",),
        )
        for name, count in sorted(tally.lost.items()):
            lost.add_metric((name,), count)
        yield lost

    def _states(self, engines: Mapping[int, EngineView]) -> Iterator[Metric]:
        tokens = GaugeMetricFamily(
            "goldendog_tracked_tokens", "Tokens with live state.", labels=("partition",)
        )
        episodes = GaugeMetricFamily(
            "goldendog_open_episodes", "Episodes under way.", labels=("partition",)
        )
        for p, engine in engines.items():
            tokens.add_metric((str(p),), engine.tracked)
            episodes.add_metric((str(p),), engine.open_episodes)
        yield tokens
        yield episodes

    def _progress(self, engines: Mapping[int, EngineView]) -> Iterator[Metric]:
        held = GaugeMetricFamily(
            "goldendog_open_bar_held_seconds",
            "Log time by which the named input holds bars open: how far the furthest input is "
            "ahead of it. Without end (+Inf) where it was never read.",
            labels=("partition", "input"),
        )
        through: dict[str, int] = {}
        for p, engine in engines.items():
            reached = {name: engine.through_log_ms(name) for name in engine.inputs}
            known = {
                name: ms - LEAD_MS if name == CONTROL_INPUT else ms
                for name, ms in reached.items()
                if ms is not None
            }
            for name, ms in known.items():
                through[name] = min(ms, through.get(name, ms))
            holder = engine.held_by()
            if known:
                gap_s = (max(known.values()) - known.get(holder, 0)) / 1000
                held.add_metric((str(p), holder), gap_s if holder in known else float("inf"))
        yield held
        at = GaugeMetricFamily(
            "goldendog_input_through_timestamp_seconds",
            "Log time an input is read through, by the detector partition that is least far.",
            labels=("input",),
        )
        for name, ms in sorted(through.items()):
            at.add_metric((name,), ms / 1000)
        yield at
        if self._live:
            yield from self._lag(through)

    def _lag(self, through: Mapping[str, int]) -> Iterator[Metric]:
        now_s = self._clock_s()
        lag = GaugeMetricFamily(
            "goldendog_log_lag_seconds",
            "How far an input is read behind the wall clock, heartbeats included.",
            labels=("input",),
        )
        jumps = CounterMetricFamily(
            "goldendog_log_clock_jumps",
            f"Times an input's log time was found over {JUMP_S:.0f} s ahead of the wall clock.",
            labels=("input",),
        )
        for name, ms in sorted(through.items()):
            ahead_s = ms / 1000 - now_s
            lag.add_metric((name,), max(0.0, -ahead_s))
            if ahead_s > JUMP_S and name not in self._ahead:
                self._ahead.add(name)
                self._jumps[name] += 1
            elif ahead_s <= JUMP_S:
                self._ahead.discard(name)
            jumps.add_metric((name,), self._jumps[name])
        yield lag
        yield jumps

    def _standing(self) -> Iterator[Metric]:
        labels = ("stage", "partition")
        state = GaugeMetricFamily(
            "goldendog_partition_state",
            "1 where an assigned partition is restored, caught_up, progressing; else 0.",
            labels=(*labels, "state"),
        )
        records = GaugeMetricFamily(
            "goldendog_partition_behind_records",
            "Offsets between what is done of an assigned partition and its end.",
            labels=labels,
        )
        seconds = GaugeMetricFamily(
            "goldendog_partition_behind_seconds",
            "How far an assigned partition is done behind the wall clock.",
            labels=labels,
        )
        for each in self._partitions():
            place = each.stage, str(each.partition)
            for name in ("restored", "caught_up", "progressing"):
                state.add_metric((*place, name), getattr(each, name))
            if each.behind_records is not None:
                records.add_metric(place, each.behind_records)
            if each.behind_seconds is not None:
                seconds.add_metric(place, each.behind_seconds)
        yield state
        yield records
        if self._live:
            yield seconds

    def _checkpoints(self, engines: Mapping[int, EngineView]) -> Iterator[Metric]:
        tally = self._tally
        yield CounterMetricFamily(
            "goldendog_checkpoints", "Checkpoints written.", value=tally.checkpoints
        )
        by_partition = (
            (
                "goldendog_checkpoint_timestamp_seconds",
                "When the last checkpoint was written; its age is time() less this.",
                {p: ms / 1000 for p, ms in tally.checkpoint_ms.items()},
            ),
            (
                "goldendog_checkpoint_size_bytes",
                "Size of the last checkpoint, as written.",
                tally.checkpoint_bytes,
            ),
            (
                "goldendog_checkpoint_duration_seconds",
                "Time the last checkpoint took.",
                tally.checkpoint_seconds,
            ),
            (
                "goldendog_checkpoint_restore_seconds",
                "Time it took to restore the partition when it was assigned.",
                tally.restore_seconds,
            ),
        )
        for name, text, values in by_partition:
            family = GaugeMetricFamily(name, text, labels=("partition",))
            for p in sorted(engines.keys() & values.keys()):  # others moved to another worker
                family.add_metric((str(p),), values[p])
            yield family
