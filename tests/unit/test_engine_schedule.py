"""Settings, models and words that change while a log runs: from their bar on, however it is cut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.engine import Engine
from detectors.outputs import ScoreRows
from detectors.schedule import Change
from detectors.settings import BAR_MS
from schemas.errors import StateError
from schemas.records import Alert
from tests.helpers.logs import SETTINGS, T0, Input, alert_bytes, deal, engine_of, play, random_log
from tests.helpers.models import crowd_model

SEED = 5
STRICT = replace(SETTINGS, candidate_logit_micro=9_000_000)
FROM_BAR = T0 // BAR_MS + 60


def change(from_bar: int, name: str, settings: object = STRICT) -> Change:
    return Change(from_bar, settings, crowd_model(), name, {})  # type: ignore[arg-type]


def inputs(seed: int = SEED) -> list[Input]:
    return deal(random_log(seed), 1, 1)[0]


def played(changes: list[Change], chunk: int, seed: int = 0, restart: float = 0.0) -> list[Alert]:
    dealt = inputs()
    engine = engine_of(dealt)
    engine.schedule(changes)
    return play(dealt, np.random.default_rng(seed), chunk=chunk, engine=engine, restart=restart)


def test_alerts_before_the_change_are_those_without_it_and_carry_their_fingerprint() -> None:
    plain = played([], 40)
    changed = played([change(FROM_BAR, "strict")], 40)
    at = FROM_BAR * BAR_MS
    before = [a for a in plain if a.ts_bar_end_ms <= at]
    assert before
    assert alert_bytes([a for a in changed if a.ts_bar_end_ms <= at]) == alert_bytes(before)
    assert {a.fingerprint for a in changed if a.ts_bar_end_ms > at} <= {"strict"}
    opened = [a for a in changed if a.kind == "candidate" and a.ts_bar_end_ms > at]
    assert not opened
    assert [a for a in plain if a.kind == "candidate" and a.ts_bar_end_ms > at]


@pytest.mark.parametrize("chunk", [1, 7, 5_000])
def test_the_cut_of_pushes_does_not_show(chunk: int) -> None:
    lenient = replace(SETTINGS, candidate_logit_micro=100_000)
    changes = [
        change(FROM_BAR - 40, "a"),
        change(FROM_BAR, "b", lenient),
        change(FROM_BAR, "c", SETTINGS),  # the later of one bar wins
        change(FROM_BAR + 30, "d"),
    ]
    expected = alert_bytes(played(changes, 40))
    assert alert_bytes(played(changes, chunk, seed=chunk)) == expected
    marks = {a.fingerprint for a in played(changes, 40)}
    assert marks >= {"test", "c"}
    assert "b" not in marks


def test_a_snapshot_goes_on_with_what_was_in_force() -> None:
    changes = [change(FROM_BAR, "strict")]
    expected = played(changes, 5_000)
    dealt = inputs()
    first = engine_of(dealt)
    first.schedule(changes)
    alerts = []
    for one in dealt:
        alerts += first.push(one.name, None, 0, T0, T0).alerts
    halves = [(one, len(one.columns) * 3 // 4) for one in dealt]
    for one, n in halves:
        rows = one.columns.take(slice(0, n))
        alerts += first.push(one.name, rows, n, int(rows.ts_log_ms[-1])).alerts
    assert first.closed_ms > FROM_BAR * BAR_MS
    again = Engine(STRICT, crowd_model(), [i.name for i in dealt], fingerprint="strict", symbols={})
    again.restore(first.snapshot())
    again.schedule(changes)  # in force already: nothing is ahead
    for one, n in halves:
        rows = one.columns.take(slice(n, None))
        alerts += again.push(one.name, rows, len(one.columns), int(rows.ts_log_ms[-1])).alerts
    for one in dealt:
        alerts += again.push(one.name, None, len(one.columns) + 1, one.end_log_ms).alerts
    assert alert_bytes(alerts) == alert_bytes(expected)


def test_a_change_that_came_too_late_is_refused() -> None:
    dealt = inputs()
    engine = engine_of(dealt)
    for one in dealt:
        engine.push(one.name, None, 0, T0 + 600_000, T0)
    closed = engine.closed_ms // BAR_MS
    engine.schedule([change(closed + 1, "next")])
    with pytest.raises(StateError, match="came after bar"):
        engine.schedule([change(closed, "late")])


def test_scores_of_bars_before_and_after_a_change_come_as_one_table() -> None:
    def scored(changes: list[Change]) -> ScoreRows:
        dealt = inputs()
        names = [one.name for one in dealt]
        engine = Engine(SETTINGS, crowd_model(), names, fingerprint="test", scores="all")
        assert engine.inputs == tuple(names)
        assert engine.fingerprint == "test"
        engine.schedule(changes)
        for one in dealt:
            engine.push(one.name, None, 0, T0, T0)
        for one in dealt[:-1]:
            engine.push(one.name, one.columns, len(one.columns), one.end_log_ms)
        last = dealt[-1]  # the input that closes every bar at once, on both sides of the change
        rows = engine.push(last.name, last.columns, len(last.columns), last.end_log_ms).scores
        assert rows is not None
        assert engine.fingerprint == (changes[-1].fingerprint if changes else "test")
        return rows

    plain, changed = scored([]), scored([change(FROM_BAR, "strict")])
    at = FROM_BAR * BAR_MS
    assert plain.ts_bar_end_ms[0] < at < plain.ts_bar_end_ms[-1]
    n = int((plain.ts_bar_end_ms <= at).sum())
    assert changed.token[:n] == plain.token[:n]
    np.testing.assert_array_equal(changed.logit_micro[:n], plain.logit_micro[:n])
    np.testing.assert_array_equal(changed.features[:n], plain.features[:n])
    assert changed.ts_bar_end_ms[n] > at
    assert (np.diff(changed.ts_bar_end_ms) >= 0).all()
    assert len(changed.token) == len(changed.logit_micro) == len(changed.features)
