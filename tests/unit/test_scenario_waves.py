"""Training waves: the same by two ways, ordered, varied, repeatable."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.columns import ARRAYS, MENTION, TICK, Columns, columns_of, columns_of_mentions
from schemas.decode import decode_record, encode_record
from schemas.records import Heartbeat, Mention, Tick, TokenInfo
from streams.scenario.waves import wave, wave_columns, wave_log_start_ms


def named(columns: Columns, name: str) -> list[object]:
    values = getattr(columns, name).tolist()
    return [columns.tokens[i] for i in values] if name == "token" else values


@pytest.mark.parametrize("seed", [0, 7])
def test_columns_are_those_of_the_records(seed: int) -> None:
    records = list(wave(seed))
    columns, _ = wave_columns(seed)
    posts = [r for r in records if isinstance(r, Mention)]
    others = [r for r in records if isinstance(r, Tick | TokenInfo)]
    expected = {
        True: columns_of_mentions([(r.tokens[0], r, r.ts_log_ms or 0) for r in posts]),
        False: columns_of(others, [r.ts_log_ms or 0 for r in others]),
    }
    for is_post, want in expected.items():
        got = columns.take(np.flatnonzero((columns.kind == MENTION) == is_post))
        assert len(want) == len(got) > 100
        for name in ARRAYS:
            assert getattr(got, name).dtype == getattr(want, name).dtype
            assert named(got, name) == named(want, name), name


def test_records_come_in_log_order_between_heartbeats() -> None:
    records = list(wave(2))
    times = [r.ts_log_ms for r in records]
    assert times == sorted(times, key=lambda t: t or 0)
    assert isinstance(records[0], Heartbeat)
    assert records[0].log_start_ms == wave_log_start_ms(2)
    assert isinstance(records[-1], Heartbeat)
    assert len({r.id for r in records}) == len(records)


def test_records_survive_the_wire() -> None:
    for record in list(wave(4))[:3000]:
        assert decode_record(encode_record(record)) == record


def test_a_seed_gives_one_wave_and_another_seed_another() -> None:
    first, again, other = wave_columns(5)[0], wave_columns(5)[0], wave_columns(6)[0]
    assert all(np.array_equal(getattr(first, n), getattr(again, n)) for n in ARRAYS)
    assert set(first.tokens).isdisjoint(other.tokens)


def test_prices_are_the_executed_ones() -> None:
    columns, prices = wave_columns(8)
    assert len(prices) == len(columns.tokens)
    for number, (ts_ms, price) in enumerate(prices):
        rows = columns.take(np.flatnonzero((columns.token == number) & (columns.kind == TICK)))
        assert sorted(rows.ts_event_ms.tolist()) == ts_ms.tolist()
        assert (price > 0).all()


def test_waves_differ_widely_and_outcomes_are_mixed() -> None:
    sizes, multiples = [], []
    for seed in range(30):
        columns, prices = wave_columns(seed)
        sizes.append(len(columns))
        multiples += [p.max() / np.median(p[:5]) for _, p in prices if len(p) > 50]
    assert max(sizes) > 3 * min(sizes)
    assert 1_000 < np.median(sizes) < 100_000
    share = np.mean(np.array(multiples) >= 3)
    assert 0.15 < share < 0.65
