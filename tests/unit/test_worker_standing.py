"""How a partition is told to stand, by what its transport, its handlers and the clock say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from schemas.topics import ALERTS, TICKS
from streams.metrics.crew import CrewCollector
from streams.metrics.metrics import Metrics
from streams.worker.handler import TP, Team
from streams.worker.standing import Stand, Standing
from streams.worker.tally import Tally

NOW_MS = 1_736_812_800_000


@dataclass
class Stage:
    """A handler of one topic, where a test says how far it is."""

    stage: str
    topics: tuple[str, ...]
    at: dict[int, int] = field(default_factory=dict)
    reached: int | None = None

    def position(self, tp: TP) -> int:
        return self.at[tp.partition]

    def reached_ms(self, tp: TP) -> int | None:
        return self.reached

    async def restore(self, tps: set[TP]) -> Mapping[TP, int]:
        return {}

    async def handover(self, tps: set[TP]) -> None: ...

    async def handle(self, tp: TP, records: Sequence[Any]) -> None: ...

    async def rescue(self, tp: TP, records: Sequence[Any], sieve: Any) -> None: ...


@dataclass
class Engine:
    closed_ms: int = 0

    def held_by(self) -> str:
        return "dex.ticks.v1/0"


class Rig:
    """A standing over one handler, and everything it asks."""

    def __init__(self, stage: Stage, *, live: bool) -> None:
        self.stage, self.seconds, self.engine = stage, 1_000.0, Engine()
        self.ends: dict[TP, int] = {}
        self.busy: dict[TP, int] = {}
        self.standing = Standing(
            Team([stage]),
            lambda: {0: self.engine},
            live=live,
            clock_s=lambda: self.seconds,
            now_ms=lambda: NOW_MS,
        )
        self.standing.reading = self

    def end_of(self, tp: TP) -> int | None:
        return self.ends.get(tp)

    def next_of(self, tp: TP) -> int | None:
        return None

    def under_way(self, tp: TP) -> int:
        return self.busy.get(tp, 0)

    def restore(self) -> None:
        self.standing.assigned({TP(topic, 0) for topic in self.stage.topics})
        self.standing.restored()

    @property
    def state(self) -> Stand:
        [stand] = self.standing.states()
        return stand


def test_nothing_is_assigned_at_first_nor_after_it_was_taken_away() -> None:
    rig = Rig(Stage("dispatch", (ALERTS,)), live=True)
    rig.seconds += 12
    assert rig.standing.why_not_ready() == "no partition is assigned, for 12 s"
    rig.standing.assigned({TP(ALERTS, 0)})
    rig.seconds += 3
    assert rig.state == Stand("dispatch", 0, missing="is being restored, for 3 s")
    rig.standing.revoked()
    assert rig.standing.states() == []
    assert "no partition is assigned" in str(rig.standing.why_not_ready())


def test_a_worker_that_stands_by_is_ready() -> None:
    rig = Rig(Stage("dispatch", (ALERTS,)), live=True)
    rig.standing.assigned(set())
    rig.standing.restored()
    assert rig.standing.why_not_ready() is None


def test_a_recording_is_caught_up_at_its_end_and_stays_so() -> None:
    tp = TP(ALERTS, 0)
    rig = Rig(Stage("dispatch", (ALERTS,), {0: 10}), live=False)
    rig.restore()
    assert rig.state.missing == "catches up (nothing was fetched yet behind)"
    rig.ends[tp] = 1_210
    assert rig.standing.why_not_ready() == "dispatch/0 catches up (1,200 records behind)"
    rig.stage.at[0] = 1_210
    assert rig.state == Stand("dispatch", 0, True, True, True, 0)
    rig.ends[tp], rig.busy[tp] = 9_000, 1
    assert (rig.state.caught_up, rig.state.behind_records, rig.state.missing) == (True, 7_790, "")


def test_offsets_that_bring_nothing_are_no_lag_but_a_handler_that_waits_is() -> None:
    tp = TP(ALERTS, 0)
    rig = Rig(Stage("dispatch", (ALERTS,), {0: 10}), live=False)
    rig.restore()
    rig.ends[tp], rig.busy[tp] = 12, 1
    assert not rig.state.caught_up
    rig.seconds += 40
    assert rig.state.missing == "makes no progress for 40 s, catches up (2 records behind)"
    rig.busy[tp] = 0  # the batch is done, and what is left are marks of transactions
    assert (rig.state.caught_up, rig.state.progressing) == (True, True)


def test_a_live_input_is_told_by_the_clock_and_its_bars_must_close() -> None:
    tp = TP(TICKS, 0)
    rig = Rig(Stage("detect", (TICKS,), {0: 5}, reached=NOW_MS - 96_200), live=True)
    rig.restore()
    rig.ends[tp] = 5
    state = rig.state
    assert (state.caught_up, state.behind_seconds) == (False, 96.2)
    rig.stage.reached = NOW_MS - 4_000
    rig.engine.closed_ms = NOW_MS - 5_000
    assert rig.state.caught_up
    rig.seconds += 31
    told = "detect/0 makes no progress for 31 s: bars are held open by dex.ticks.v1/0"
    assert rig.standing.why_not_ready() == told
    rig.engine.closed_ms += 5_000
    assert rig.standing.why_not_ready() is None


@pytest.mark.parametrize("live", [True, False])
def test_the_metrics_tell_the_same_with_few_labels(live: bool) -> None:
    stands = [
        Stand("detect", 3, True, False, True, 41_822, 96.2 if live else None),
        Stand("resolve", 0),
    ]
    metrics = Metrics("0")
    metrics.registry.register(
        CrewCollector(Tally(), dict, live=live, partitions=lambda: stands)  # type: ignore[arg-type]
    )
    page = metrics.render("text/plain")[0].decode()
    labels = 'partition="3",stage="detect"'
    assert f'goldendog_partition_state{{{labels},state="restored"}} 1.0' in page
    assert f'goldendog_partition_state{{{labels},state="caught_up"}} 0.0' in page
    assert f"goldendog_partition_behind_records{{{labels}}} 41822.0" in page
    assert (f"goldendog_partition_behind_seconds{{{labels}}} 96.2" in page) == live
    assert 'goldendog_partition_behind_records{partition="0"' not in page
