"""One log gives one set of alerts, byte for byte, however it is dealt, cut, ordered, restarted."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from detectors.seen import Seen
from tests.helpers.logs import (
    SETTINGS,
    T0,
    TOKENS,
    alert_bytes,
    deal,
    engine_of,
    play,
    random_log,
    shuffle_ties,
)

SEEDS = st.integers(0, 2**32 - 1)


def reference(seed: int) -> list[bytes]:
    """Alerts of the log in one partition, each input pushed in order and in one piece."""
    (inputs,) = deal(random_log(seed), 1, 1)
    return alert_bytes(play(inputs, np.random.default_rng(0), chunk=10_000))


def test_the_logs_raise_alerts_of_every_kind() -> None:
    kinds = {
        kind
        for seed in range(30)
        for kind in (b"candidate", b"update", b"fading", b"closed")
        if any(b'"kind":"' + kind in raw for raw in reference(seed))
    }
    assert kinds == {b"candidate", b"update", b"fading", b"closed"}


@given(seed=SEEDS, how=SEEDS, chunk=st.sampled_from([1, 7, 60, 1_000]))
@settings(max_examples=60, deadline=None)
def test_cuts_and_interleaving_change_nothing(seed: int, how: int, chunk: int) -> None:
    (inputs,) = deal(random_log(seed), 1, 1)
    assert alert_bytes(play(inputs, np.random.default_rng(how), chunk=chunk)) == reference(seed)


@given(seed=SEEDS, how=SEEDS, block=st.sampled_from([1, 3, 20, 200]))
@settings(max_examples=60, deadline=None)
def test_the_blocks_that_records_are_ordered_in_change_nothing(
    seed: int, how: int, block: int
) -> None:
    (inputs,) = deal(random_log(seed), 1, 1)
    with patch("detectors.holdback.BLOCK", block):
        alerts = play(inputs, np.random.default_rng(how), chunk=10_000)
    assert alert_bytes(alerts) == reference(seed)


@given(seed=SEEDS, how=SEEDS)
@settings(max_examples=60, deadline=None)
def test_arrival_among_equal_log_times_changes_nothing(seed: int, how: int) -> None:
    rng = np.random.default_rng(how)
    (inputs,) = deal(shuffle_ties(random_log(seed), rng), 1, 1)
    assert alert_bytes(play(inputs, rng)) == reference(seed)


@given(seed=SEEDS, how=SEEDS, upstream=st.sampled_from([1, 2, 8]), parts=st.sampled_from([1, 2, 8]))
@settings(max_examples=60, deadline=None)
def test_partition_count_changes_nothing(seed: int, how: int, upstream: int, parts: int) -> None:
    rng = np.random.default_rng(how)
    alerts = []
    for inputs in deal(shuffle_ties(random_log(seed), rng), upstream, parts):
        alerts += play(inputs, rng)
    assert alert_bytes(alerts) == reference(seed)


@given(seed=SEEDS, how=SEEDS)
@settings(max_examples=40, deadline=None)
def test_restarts_change_nothing(seed: int, how: int) -> None:
    (inputs,) = deal(random_log(seed), 2, 1)
    assert alert_bytes(play(inputs, np.random.default_rng(how), restart=0.3)) == reference(seed)


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_close_that_failed_leaves_nothing_behind_a_restore(seed: int) -> None:
    (inputs,) = deal(random_log(seed), 1, 1)
    one = inputs[0]
    engine, fresh = engine_of([one]), engine_of([one])
    half = len(one.columns) // 2
    engine.push(one.name, one.columns.take(slice(0, half)), half, int(one.columns.ts_log_ms[half]))
    blob = engine.snapshot()
    rest = (one.name, one.columns.take(slice(half, None)), len(one.columns), one.end_log_ms)
    with patch.object(Seen, "deal_new", side_effect=MemoryError), suppress(MemoryError):
        engine.push(*rest)
    engine.restore(blob)
    fresh.restore(blob)
    assert alert_bytes(engine.push(*rest).alerts) == alert_bytes(fresh.push(*rest).alerts)
    assert engine.snapshot() == fresh.snapshot()


@given(seed=SEEDS, how=SEEDS)
@settings(max_examples=40, deadline=None)
def test_the_slot_a_token_gets_changes_nothing(seed: int, how: int) -> None:
    (inputs,) = deal(random_log(seed), 1, 1)
    engine = engine_of(inputs)
    rng = np.random.default_rng(how)
    strangers = [f"eip155:10/erc20:0x{i:040x}" for i in range(70)]
    names = [*strangers, *TOKENS]
    order = rng.permutation(len(names))
    engine._slots.of([names[i] for i in order], np.arange(len(names)))
    for token, slot in engine._slots.tokens():
        if token in strangers and rng.random() < 0.5:
            engine._slots.free([slot])
    assert alert_bytes(play(inputs, rng, engine=engine)) == reference(seed)


@given(seed=SEEDS, how=SEEDS, share=st.floats(0.1, 0.9))
@settings(max_examples=40, deadline=None)
def test_a_prefix_of_the_log_gives_a_prefix_of_the_alerts(
    seed: int, how: int, share: float
) -> None:
    log = random_log(seed)
    cut = int(share * len(log))
    (whole,) = deal(log, 1, 1)
    (part,) = deal(log.take(slice(0, cut)), 1, 1)
    for one in part:
        one.end_log_ms = int(log.ts_log_ms[cut - 1])
    got = alert_bytes(play(part, np.random.default_rng(how)))
    assert got == alert_bytes(play(whole, np.random.default_rng(how)))[: len(got)]


@given(seed=SEEDS, how=SEEDS, share=st.floats(0.1, 0.9))
@settings(max_examples=40, deadline=None)
def test_poison_from_the_future_changes_nothing_before_it(
    seed: int, how: int, share: float
) -> None:
    log = random_log(seed)
    cut = int(share * len(log))
    cut_ms = int(log.ts_log_ms[cut])
    rng = np.random.default_rng(how)
    poisoned = random_log(seed)
    later = poisoned.ts_log_ms >= cut_ms
    poisoned.b[later] = 10**15
    poisoned.who[later] = rng.integers(0, 2**62, int(later.sum()))
    poisoned.ts_event_ms[later] = poisoned.ts_log_ms[later] - rng.choice([0, 9_000, -(10**9)])
    horizon = cut_ms - SETTINGS.lateness_ms

    def before(columns: object) -> list[bytes]:
        (inputs,) = deal(columns, 1, 1)  # type: ignore[arg-type]
        alerts = play(inputs, np.random.default_rng(how))
        return alert_bytes([a for a in alerts if a.ts_bar_end_ms <= horizon])

    assert before(poisoned) == before(log)


@given(seed=SEEDS, how=SEEDS)
@settings(max_examples=25, deadline=None)
def test_eviction_cannot_be_seen(seed: int, how: int) -> None:
    """Two waves a day and more apart: whether sweeps ran in between shows in no alert."""
    first, second = random_log(seed, n=200), random_log(seed + 1, n=200)
    shift = int(np.random.default_rng(how).integers(24 * 3_600_000, 27 * 3_600_000))
    second.ts_event_ms += shift
    second.ts_log_ms += shift
    end = int(second.ts_log_ms[-1]) + 120_000

    def run(*, sweep: bool) -> tuple[list[bytes], int]:
        (one,), (two,) = deal(first, 1, 1), deal(second, 1, 1)
        engine = engine_of(one)
        if not sweep:
            engine.sweep = list  # type: ignore[method-assign,assignment]
        evicted = 0
        alerts = []
        offset = 0
        for inputs in (one, two):
            for item in inputs:
                offset += len(item.columns) + 1
                if len(item.columns):
                    log_ms = int(item.columns.ts_log_ms[-1])
                    out = engine.push(item.name, item.columns, offset, log_ms, T0)
                    alerts += out.alerts
                    evicted += len(out.evicted)
            if sweep and inputs is one:
                for ms in range(int(first.ts_log_ms[-1]), int(second.ts_log_ms[0]), 3_000_000):
                    for item in inputs:
                        offset += 1
                        out = engine.push(item.name, None, offset, ms, T0)
                        alerts += out.alerts
                        evicted += len(out.evicted)
        for item in two:
            offset += 1
            alerts += engine.push(item.name, None, offset, end).alerts
        return alert_bytes(alerts), evicted

    assert run(sweep=True)[0] == run(sweep=False)[0]


@given(seed=SEEDS, how=SEEDS, parts=st.sampled_from([1, 2, 8]))
@settings(max_examples=40, deadline=None)
def test_posts_alone_are_told_alike_however_they_are_dealt(seed: int, how: int, parts: int) -> None:
    alone = replace(SETTINGS, ticks=False, fading_bars=2, closed_bars=6)
    log_start_ms = T0 - 30 * 3_600_000

    def told(rng: np.random.Generator, upstream: int, parts: int, chunk: int) -> list[bytes]:
        alerts = []
        for inputs in deal(random_log(seed), upstream, parts):
            engine = engine_of(inputs, alone)
            alerts += play(inputs, rng, chunk=chunk, engine=engine, log_start_ms=log_start_ms)
        return alert_bytes(alerts)

    whole = told(np.random.default_rng(0), 1, 1, 10_000)
    event(f"{min(len(whole), 4)} alerts")
    assert told(np.random.default_rng(how), 2, parts, 60) == whole
