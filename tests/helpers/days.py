"""Days of talk and trades about a few tokens, with bursts: long enough for every baseline."""

from __future__ import annotations

import numpy as np

from detectors.settings import EngineSettings
from schemas.records import Heartbeat, Mention, Record, Tick, TokenInfo
from tests.helpers.records import T0

HOUR_MS = 3_600_000
COINS = tuple(f"eip155:1/erc20:0x{i:040x}" for i in range(161, 167))
SYMBOLS = ("MOMO", "RIZZ", "GOLD", "MOON", "SHIB", "DOGE")
LEXICON = {
    "versions": [
        {
            "version": 1,
            "effective_log_ms": 0,
            "tokens": [{"token": t, "symbol": s} for t, s in zip(COINS, SYMBOLS, strict=True)],
        }
    ]
}
PLATFORMS = ("x", "telegram", "xiaohongshu")
LIVELY = EngineSettings(
    candidate_logit_micro=1_000_000,
    fading_bars=12,
    fading_drawdown=0.05,
    closed_bars=120,
    refractory_bars=60,
    min_authors_15m=5,
    min_traders_15m=5,
)
"""With ``crowd_model`` each burst is an episode."""


def days(seed: int, hours: float, *, bursts_a_day: float = 12.0) -> list[Record]:
    """Records in log order: background, bursts of talk and trades, disorder, a heartbeat at the end.

    Every token trades at least twice an hour and is known from the beginning, so that nothing but
    counts depends on what came before.
    """
    rng = np.random.default_rng(seed)
    span = int(hours * HOUR_MS)
    found: list[tuple[int, Record]] = [
        (T0, Heartbeat("begin", T0, log_start_ms=T0)),
        *((T0 + i, TokenInfo(f"i{i}", T0 + i, token)) for i, token in enumerate(COINS)),
    ]
    for i, token in enumerate(COINS):
        level = float(rng.uniform(-8, 0))
        quiet = np.arange(rng.integers(1, 1_500_000), span, 1_500_000)
        parts = [quiet, rng.integers(0, span, int(hours * rng.integers(4, 20)))]
        for _ in range(max(int(rng.poisson(hours / 24 * bursts_a_day)), 2)):
            at = int(rng.integers(0, span))
            parts.append(at + rng.exponential(240_000, int(rng.integers(60, 160))).astype(np.int64))
        at_ms = np.sort(np.concatenate(parts))
        at_ms = at_ms[at_ms < span]
        walk = level + np.cumsum(rng.normal(0, 0.03, len(at_ms)))
        tick = rng.random(len(at_ms)) < 0.5
        tick[np.isin(at_ms, quiet)] = True
        delay = rng.choice(
            [0, 300, 1_500, 4_000, 700_000], len(at_ms), p=[0.5, 0.2, 0.2, 0.08, 0.02]
        )
        for k, ts in enumerate((T0 + at_ms).tolist()):
            who, log_ms = int(rng.integers(0, 40)), ts + int(delay[k])
            if tick[k]:
                price, side = f"{np.exp(walk[k]):.12f}", "sell" if rng.random() < 0.4 else "buy"
                record: Record = Tick(
                    f"t{i}-{k}", ts, token, price, 50.0, side, f"w{who}", ts_log_ms=log_ms
                )
            else:
                platform = PLATFORMS[int(rng.integers(0, 3))]
                text = " ".join(str(word) for word in rng.integers(0, 99, 6).tolist())
                record = Mention(
                    f"m{i}-{k}", ts, platform, f"a{who}", text, (token,), ts_log_ms=log_ms
                )
            found.append((log_ms, record))
    end = T0 + span + 3_600_000
    return [*(r for _, r in sorted(found, key=lambda each: each[0])), Heartbeat("end", end)]
