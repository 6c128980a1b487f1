"""Ids seen: the first of one counts, for the backfill limit, and the set forgets in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st

from detectors.columns import columns_of_mentions
from detectors.engine import Engine
from detectors.kernels.ids import empty_table, is_new, learn_all
from detectors.layout import READY, REC
from detectors.model import blank_model
from detectors.seen import SMALLEST, Seen
from schemas.records import Mention
from tests.helpers.bench import Bench
from tests.helpers.logs import SETTINGS, T0, TOKENS


@pytest.mark.parametrize(("again_s", "duplicates"), [(5, 1), (60, 1), (65, 0), (250, 0)])
def test_an_id_is_remembered_for_the_backfill_limit(again_s: float, duplicates: int) -> None:
    bench = Bench()
    bench.post(0, "a", id="same")
    bench.post(again_s, "b", id="same")
    bench.post(again_s, "b", token=TOKENS[1], id="same")  # of another token: another mention
    bench.trade(again_s, "b", id="same")  # of another kind
    bench.run(again_s + 10)
    assert sum(out.duplicates for out in bench.outputs) == duplicates


def test_the_memory_of_ids_grows_with_the_rate_and_forgets_nothing() -> None:
    n = 2_200
    rows = [(TOKENS[0], Mention(f"id{k}", T0 + k, "x", "a"), T0 + k) for k in range(n)]
    settings = replace(SETTINGS, backfill_limit_ms=600_000)
    engine = Engine(settings, blank_model(), ["log"], fingerprint="x")
    assert engine.push("log", columns_of_mentions(rows), 1, T0 + 10_000).duplicates == 0
    again = Engine(settings, blank_model(), ["log"], fingerprint="x")
    again.restore(engine.snapshot())
    later = [(t, Mention(m.id, at + 20_000, "x", "a"), at + 20_000) for t, m, at in rows]
    for one in (engine, again):
        out = one.push("log", columns_of_mentions(later), 2, T0 + 60_000)
        assert out.duplicates == n


def test_many_ids_make_the_set_larger_and_silence_smaller() -> None:
    seen = Seen(10)
    hashes = np.zeros(1, np.int64)

    def kept(ids: range, bar: int) -> int:
        pend = np.zeros(len(ids), REC)
        pend["id"] = np.array(ids, np.int64) * 0x9E3779B97F4A7C1
        pend["bar"] = bar
        keys = np.arange(len(ids), dtype=np.int64)
        pend["ref"] = keys
        at, ready = np.zeros(1, np.int64), np.zeros(len(ids) + 1, READY)
        n = seen.deal_new(pend, keys, len(ids), 20, hashes, at, ready)
        assert at[0] == n
        dealt = ready["ref"][:n].tolist()
        assert dealt == sorted(set(dealt))
        return n

    assert kept(range(20_000), 5) == 20_000
    large = len(seen.table)
    assert large > SMALLEST
    assert kept(range(10_000, 30_000), 15) == 10_000, "ids of ten bars ago still count"
    again = Seen(10)
    again.load(seen.entries(15))
    assert again.entries(15) == seen.entries(15)
    assert kept(range(20_000), 16) == 20_000, "ids of eleven bars ago count no more"
    for bar in range(100, 700):
        assert kept(range(bar * 1_000, bar * 1_000 + 100), bar) == 100
    assert len(seen.table) < large
    assert kept(range(699_000, 699_200), 700) == 100


def test_ids_that_share_a_bucket_overflow_into_the_next() -> None:
    table = empty_table(8)
    same = [1 + 8 * k for k in range(12)]
    assert all(is_new(table, key, 7, 3) for key in same)
    assert not any(is_new(table, key, 10, 3) for key in same)
    assert is_new(table, 2, 10, 3), "the next bucket is full of others: it goes one further"
    assert all(is_new(table, key, 11, 3) for key in same), "their time is over"
    assert not is_new(table, 2, 13, 3)


@given_settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_entries_are_learnt_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    limit, now = 20, 100
    keys = rng.choice(1_000, 30, replace=False).astype(np.int64)  # crowded: 40 places in 8 buckets
    bars = rng.integers(now - limit, now, len(keys), endpoint=True).astype(np.int32)
    table = empty_table(8)
    learn_all(table, keys, bars, limit)
    for later in (now, now + 1, now + limit // 2, now + limit, now + limit + 1):
        for key in (*keys.tolist(), *range(0, 1_000, 50)):
            known = bool(np.any((keys == key) & (bars >= later - limit)))
            assert is_new(table.copy(), key, later, limit) is not known
