"""Records that alert all the time and everywhere: waves of posts and trades over many coins."""

from __future__ import annotations

import random
from collections.abc import Sequence

from schemas.records import Heartbeat, Mention, Record, Tick
from tests.helpers.crowd import WORDS

T0 = 1_736_812_800_000
"""14 January 2025, 00:00 UTC: when the log begins."""
BEAT_MS = 5_000
TOKENS = tuple(f"eip155:1/erc20:0x{i:040x}" for i in range(1, 25))
SETTINGS = """
[engine]
candidate_logit_micro = -20_000_000
candidate_bars = 1
fading_bars = 3
fading_drawdown = 0.03
rug_drawdown = 0.04
closed_bars = 6
refractory_bars = 4
min_authors_15m = 2
min_traders_15m = 2
backfill_limit_ms = 60_000
"""
"""With these an ordinary crowd is an alert."""
_DELAYS_MS = (0, 300, 900, 1_900, 2_100, 7_000, 45_000, 90_000)
_SHARES = (60, 20, 8, 4, 3, 3, 1, 1)


def waves(minutes: float, *, seed: int = 5, rate: float = 24.0) -> list[Record]:
    """A log of its own, in its order: so many records a second of log time, late ones included.

    Each coin has its waves, at times of its own; between them it is as good as silent. A coin is
    named by its address, or by its cashtag, which ``lexicon`` knows.
    """
    rng = random.Random(seed)
    span_ms = int(minutes * 60_000)
    starts = [
        [T0 + rng.randrange(span_ms) for _ in range(max(2, round(minutes / 8)))] for _ in TOKENS
    ]
    times = sorted(T0 + rng.randrange(span_ms) for _ in range(int(minutes * 60 * rate)))
    prices = [rng.choice((1e-7, 0.004, 1.0, 120.0)) for _ in TOKENS]
    records: list[Record] = [beat(T0, first=True)]
    beat_ms = T0 + BEAT_MS
    for n, at in enumerate(times):
        while beat_ms <= at:
            records.append(beat(beat_ms))
            beat_ms += BEAT_MS
        hot = [i for i, own in enumerate(starts) if any(0 <= at - s < 60_000 for s in own)]
        i = rng.choice(hot) if hot and rng.random() < 0.9 else rng.randrange(len(TOKENS))
        event = at - rng.choices(_DELAYS_MS, _SHARES)[0]
        if rng.random() < 0.5:
            records.append(_mention(rng, n, i, event, at))
        else:
            prices[i] *= rng.uniform(0.97, 1.035) if i in hot else rng.uniform(0.98, 1.01)
            records.append(_tick(rng, n, i, event, at, prices[i]))
        if rng.random() < 0.02:  # a source that reconnects says it again
            records.append(records[-1])
    return records


def beat(at_ms: int, *, first: bool = False) -> Heartbeat:
    """Every input is read through a time; the first says when the log began."""
    return Heartbeat(f"beat-{at_ms}", at_ms, log_start_ms=at_ms if first else None, ts_log_ms=at_ms)


def closing(records: Sequence[Record]) -> Heartbeat:
    """What ends a log: every bar closes."""
    return beat((records[-1].ts_log_ms or 0) + 120_000)


def _mention(rng: random.Random, n: int, i: int, event_ms: int, log_ms: int) -> Mention:
    text = " ".join(rng.choices(WORDS, k=7))
    named = rng.random() < 0.5
    return Mention(
        f"m{n}",
        event_ms,
        rng.choice(("x", "telegram", "reddit")),
        f"a{rng.randrange(4_000)}",
        f"$COIN{i} {text}" if named else text,
        () if named else (TOKENS[i],),
        reach=rng.randrange(5_000),
        ts_log_ms=log_ms,
    )


def _tick(rng: random.Random, n: int, i: int, event_ms: int, log_ms: int, price: float) -> Tick:
    side = "buy" if rng.random() < 0.6 else "sell"
    return Tick(
        f"t{n}",
        event_ms,
        TOKENS[i],
        f"{price:.12f}",
        f"{rng.uniform(20, 2_000):.2f}",
        side,
        f"w{rng.randrange(3_000)}",
        order=n % 7,
        ts_log_ms=log_ms,
    )


def lexicon(coins: Sequence[int] = range(len(TOKENS)), version: int = 1) -> dict[str, object]:
    """A lexicon of the cashtags of some coins."""
    tokens = [
        {"token": TOKENS[i], "symbol": f"COIN{i}", "name": f"Coin {i}", "aliases": []}
        for i in coins
    ]
    return {"versions": [{"version": version, "effective_log_ms": 0, "tokens": tokens}]}
