"""The engine's scores against a plain numpy oracle that knows nothing of rings."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from detectors.columns import MENTION, TICK, Columns
from detectors.engine import Engine
from detectors.hashing import hash64
from detectors.layout import BAR_MS, FEATURES, LINEAR_COUNTING
from detectors.model import blank_model
from detectors.settings import EngineSettings

T0 = 1_736_812_800_000
HOURS = 3
TOKEN = "eip155:1/erc20:0x" + "0" * 40


def stream(seed: int) -> Columns:
    """One token: quiet, with a burst; unique ids and texts, times on time."""
    rng = np.random.default_rng(seed)
    n = 1_500
    at = np.sort(
        np.concatenate(
            [
                rng.integers(0, HOURS * 3_600_000, n // 2),
                6_000_000 + rng.integers(0, 900_000, n // 2),
            ]
        )
    )
    kind = np.where(rng.random(n) < 0.6, MENTION, TICK).astype(np.uint8)
    price = rng.integers(10_000, 30_000, n)
    return Columns(
        [TOKEN],
        token=np.zeros(n, np.int32),
        kind=kind,
        aux=rng.integers(0, 2, n).astype(np.uint8),
        ts_event_ms=T0 + at,
        ts_log_ms=T0 + at,
        order=np.arange(n),
        id=np.array([hash64(str(i)) for i in range(n)], np.int64),
        who=rng.integers(0, 2**40, n) * (rng.random(n) < 0.7),
        a=np.where(kind == TICK, (price << 8) | 120, 0),
        b=np.where(kind == TICK, rng.integers(10**6, 10**9, n), 100),
        c=np.where(kind == TICK, 10**12, 0),
    )


def stabilised(x: np.ndarray) -> np.ndarray:
    """2 sqrt(x + 3/8) in 1/1024, rounded, less its value at nothing."""
    return np.floor(2048 * np.sqrt(x + 0.375) + 0.5) - np.floor(2048 * np.sqrt(0.375) + 0.5)


def estimate(who: np.ndarray) -> int:
    return int(LINEAR_COUNTING[len(np.unique(who & 255))])


class Oracle:
    """Counts straight from the records, bucket by bucket."""

    def __init__(self, c: Columns) -> None:
        self.bar = c.ts_event_ms // BAR_MS
        self.c = c

    def of(self, first: int, last: int) -> dict[str, float]:
        """Counts of bars first..last."""
        inside = (self.bar >= first) & (self.bar <= last)
        m, t = inside & (self.c.kind == MENTION), inside & (self.c.kind == TICK)
        buys = self.c.b[t & (self.c.aux == 0)].sum()
        sells = self.c.b[t & (self.c.aux == 1)].sum()
        return {
            "mentions": m.sum(),
            "authors": estimate(self.c.who[m]) if m.any() else 0,
            "trades": t.sum(),
            "traders": estimate(self.c.who[t]) if t.any() else 0,
            "volume": (buys + sells) / 5e7,
            "net": (buys - sells) / 5e7,
        }

    def price_before(self, bar: int) -> float:
        """log2 of the last price at or before the end of a bar."""
        t = (self.c.kind == TICK) & (self.bar <= bar)
        return float(np.log2(self.c.a[t][-1] >> 8)) if t.any() else float("nan")

    def z(self, name: str, now: float, buckets: list[float]) -> float:
        def y(x: float) -> float:
            s = float(stabilised(np.array([abs(x)]))[0])
            return -s if x < 0 else s

        base = np.array([y(x) for x in buckets]) / 1024
        return float((y(now) / 1024 - base.mean()) / np.sqrt(base.var() + 1.0))


@pytest.mark.parametrize("seed", [1, 2])
def test_scores_equal_the_oracle(seed: int) -> None:
    columns = stream(seed)
    oracle = Oracle(columns)
    engine = Engine(EngineSettings(), blank_model(), ["log"], fingerprint="t", scores="all")
    engine.push("log", None, 0, T0, T0)
    table = defaultdict(list)
    for off, (cols, log_ms) in enumerate(
        [(columns, int(columns.ts_log_ms[-1])), (None, int(columns.ts_log_ms[-1]) + 60_000)], 1
    ):
        got = engine.push("log", cols, off, log_ms).scores
        if got is not None:
            table["bar"].append(got.ts_bar_end_ms // BAR_MS - 1)
            table["f"].append(got.features)
    bars, features = np.concatenate(table["bar"]), np.concatenate(table["f"])
    at = {name: i for i, name in enumerate(FEATURES)}
    start_min = -(-T0 // 60_000)
    checked = 0
    for b, f in list(zip(bars.tolist(), features, strict=True))[:: len(bars) // 80]:
        now = oracle.of(b - 11, b)
        for name in ("mentions", "authors", "trades", "traders"):
            assert f[at[f"{name}_60s"]] == now[name]
        last = (b - 11) // 12 - 1
        minutes = [m for m in range(last - 59, last + 1) if m >= start_min]
        if len(minutes) < 5:
            assert np.isnan(f[at["z_mentions"]])
            continue
        past = [oracle.of(12 * m, 12 * m + 11) for m in minutes]
        for name, feature in (
            ("mentions", "z_mentions"),
            ("authors", "z_authors"),
            ("trades", "z_trades"),
            ("traders", "z_traders"),
            ("volume", "z_volume"),
            ("net", "z_net_buying"),
        ):
            expected = oracle.z(name, now[name], [p[name] for p in past])
            assert f[at[feature]] == pytest.approx(expected, abs=1e-9), (feature, b)
        minute = b // 12
        long = oracle.of(12 * (minute - 14), b)
        assert f[at["mentions_15m"]] == long["mentions"]
        last_q = (minute - 14) // 15 - 1
        quarters = [q for q in range(last_q - 95, last_q + 1) if q >= -(-T0 // 900_000)]
        if len(quarters) >= 4:
            past_q = [oracle.of(180 * q, 180 * q + 179) for q in quarters]
            for name in ("mentions", "trades", "volume"):
                expected = oracle.z(name, long[name], [p[name] for p in past_q])
                assert f[at[f"z_{name}_day"]] == pytest.approx(expected, abs=1e-9)
            checked += 1
        if now["trades"] and b - 12 > oracle.bar[columns.kind == TICK][0]:
            then, price = oracle.price_before(b - 12), oracle.price_before(b)
            ends = [oracle.price_before(12 * m + 11) for m in [minutes[0] - 1, *minutes]]
            past_r = np.floor(np.nan_to_num(np.diff(ends)) * 1024 + 1e-6)
            r = np.floor((price - then) * 1024 + 1e-6)
            z = (r - past_r.mean()) / np.sqrt(past_r.var() + 30.0**2)
            assert f[at["z_return"]] == pytest.approx(z, abs=0.05)
    assert checked > 20


def test_the_weeks_score_equals_the_oracle() -> None:
    """Nine days of posts, among them a day of silence a little shorter than forgetting takes."""
    rng = np.random.default_rng(5)
    hour = 3_600_000
    at = np.sort(rng.integers(0, 9 * 24 * hour, 6_000))
    at = np.concatenate([at, 200 * hour + rng.integers(0, hour, 300)])
    at = np.sort(at[(at < 100 * hour) | (at > 124 * hour)])
    n = len(at)
    none = np.zeros(n, np.int64)
    columns = Columns(
        [TOKEN],
        token=np.zeros(n, np.int32),
        kind=np.full(n, MENTION, np.uint8),
        aux=np.zeros(n, np.uint8),
        ts_event_ms=T0 + at,
        ts_log_ms=T0 + at,
        order=np.arange(n),
        id=np.array([hash64(str(i)) for i in range(n)], np.int64),
        who=np.arange(n),
        a=none,
        b=none,
        c=none,
    )
    engine = Engine(EngineSettings(), blank_model(), ["log"], fingerprint="t", scores="all")
    engine.push("log", None, 0, T0, T0)
    rows = engine.push("log", columns, 1, T0 + 9 * 24 * hour + 60_000).scores
    assert rows is not None
    found = rows.features[:, FEATURES.index("z_mentions_week")]
    bars = rows.ts_bar_end_ms // BAR_MS - 1
    posts = np.bincount(at // 900_000, minlength=9 * 96)  # T0 begins a quarter, and an hour
    checked = 0
    for b, z in list(zip(bars.tolist(), found.tolist(), strict=True))[:: len(bars) // 300]:
        quarter = (b - T0 // BAR_MS) // 180
        now = np.sum((at >= (quarter - 3) * 900_000) & (at < (b + 1) * BAR_MS - T0))
        last = (quarter - 3) // 4
        hours = posts[max(last - 168, 0) * 4 : max(last, 0) * 4].reshape(-1, 4).sum(axis=1)
        if len(hours) < 24:
            assert np.isnan(z)
            continue
        y, base = sixteenths(np.array([now]))[0], sixteenths(hours)
        assert z == pytest.approx((y - base.mean()) / np.sqrt(base.var() + 256), abs=1e-9)
        checked += 1
    assert checked > 200
    assert np.nanmax(found) > 3.5 > np.nanquantile(found, 0.9)


def sixteenths(posts: np.ndarray) -> np.ndarray:
    return np.floor((stabilised(posts) + 32) / 64)
