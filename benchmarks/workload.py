"""Random records to measure with: many tokens, few of them busy, some in a pump, a third late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.columns import Columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

T0_MS: Final = 1_736_726_400_000  # 2025-01-13T00:00Z
HOUR_MS: Final = 3_600_000
PUMP_MS: Final = 1_200_000
PUMPS_PER_HOUR: Final = 12.5
PLATFORM_SHARES: Final = (0.4, 0.2, 0.12, 0.1, 0.08, 0.05, 0.03, 0.02)


def workload(
    n: int, n_tokens: int, hours: float = 24.0, seed: int = 7, newborn: int = 0
) -> Columns:
    """Make ``n`` records over ``hours``, in order of log time; 70 % mentions, a tenth in pumps.

    Tokens are busy by Zipf's law (exponent 1.1). Half the records reach the log up to two seconds
    after they happened, so that about a third of them are out of order.

    With ``newborn``, so many of the tokens first appear at times spread evenly over the log, the
    others within its first twenty-fourth; every token trades at least once.
    """
    rng = np.random.default_rng(seed)
    span_ms = int(hours * HOUR_MS)
    n_pumps = round(hours * PUMPS_PER_HOUR)
    pumped = np.arange(n) >= n - n // 10
    weights = 1.0 / np.arange(1, n_tokens + 1) ** 1.1
    token = rng.choice(n_tokens, n, p=weights / weights.sum()).astype(np.int32)
    ts = rng.integers(0, span_ms, n)

    pump_token = rng.integers(0, n_tokens, n_pumps)
    pump_at = rng.integers(0, span_ms - PUMP_MS, n_pumps)
    which = rng.integers(0, n_pumps, int(pumped.sum()))
    token[pumped] = pump_token[which]
    into = (rng.beta(1.5, 3, len(which)) * PUMP_MS).astype(np.int64)
    ts[pumped] = pump_at[which] + into

    tick = rng.random(n) >= 0.7
    if newborn:
        tick[:n_tokens] = True
        token[:n_tokens] = np.arange(n_tokens)
        ts = _born(token, ts, n_tokens, newborn, span_ms)
    crowd = np.where(pumped, 400, 60)
    who = (rng.random(n) ** 2 * crowd).astype(np.int64) + token.astype(np.int64) * 1_000 + tick
    copied = rng.random(n) < 0.25
    text = np.where(copied, rng.integers(0, 4, n), rng.integers(0, 2**40, n)) + token
    doublings = 0.2 * np.sin(ts / 3.6e6 + token) + rng.normal(0, 0.004, n)
    doublings[pumped] += into / PUMP_MS * 2.5
    price = (100_000_000 * np.exp2(doublings)).astype(np.int64) * 256 + 128 - 12
    value = (rng.lognormal(3.5, 1.3, n) * 1e6).astype(np.int64)
    reach = np.minimum(rng.pareto(1.2, n) * 200, 5e7).astype(np.int64)
    sell = (rng.random(n) < np.where(pumped, 0.3, 0.5)).astype(np.uint8)
    platform = rng.choice(len(PLATFORM_SHARES), n, p=PLATFORM_SHARES).astype(np.uint8)
    log = ts + np.where(rng.random(n) < 0.5, rng.integers(0, 1_996, n), 0)

    columns = Columns(
        tokens=[f"eip155:1/erc20:0x{number:040x}" for number in range(n_tokens)],
        token=token,
        kind=tick.astype(np.uint8),
        aux=np.where(tick, sell, platform).astype(np.uint8),
        ts_event_ms=ts + T0_MS,
        ts_log_ms=log + T0_MS,
        order=np.zeros(n, np.int64),
        id=_mixed(np.arange(n)),
        who=_mixed(who),
        a=np.where(tick, price, _mixed(text)),
        b=np.where(tick, value, reach),
        c=np.where(tick, 20_000_000_000 * (1 + token.astype(np.int64) % 50), 0),
    )
    return columns.take(np.argsort(log, kind="stable"))


def _born(
    token: NDArray[np.int32], ts: NDArray[np.int64], n_tokens: int, newborn: int, span_ms: int
) -> NDArray[np.int64]:
    """Times after their token's birth, records being as dense as before; row i is the first of i."""
    rng = np.random.default_rng(newborn)
    birth = np.zeros(n_tokens, np.int64)
    born = np.zeros(n_tokens, np.bool_)
    born[rng.permutation(n_tokens)[:newborn]] = True
    birth[born] = rng.permutation(newborn) * span_ms // newborn
    first = np.where(born, 0, rng.integers(0, span_ms // 24, n_tokens))
    out = birth[token] + ts * (span_ms - birth[token]) // span_ms
    out[:n_tokens] = birth + first
    return out


def _mixed(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """63 well-mixed bits of each number (splitmix64's finaliser), as a hash would give."""
    x = number.astype(np.uint64)
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(1)).astype(np.int64)
