"""What a run's alerts were worth on a scenario, against the prices that really traded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.records import Alert
from streams.scenario.rows import F8, I8


@dataclass(frozen=True)
class PricePath:
    """The executed prices of one coin: ``ts_ms`` int64[k] rising, ``price`` f8[k] US dollars."""

    ts_ms: I8
    price: F8

    def next_after(self, ts_ms: int) -> float | None:
        """The first price executed later than an instant: the one that could still be had."""
        at = int(np.searchsorted(self.ts_ms, ts_ms, "right"))
        return float(self.price[at]) if at < len(self.price) else None

    def highest_after(self, ts_ms: int, until_ms: int | None = None) -> float | None:
        """The highest price executed later than an instant, and not later than ``until_ms``."""
        at = int(np.searchsorted(self.ts_ms, ts_ms, "right"))
        end = len(self.price)
        if until_ms is not None:
            end = int(np.searchsorted(self.ts_ms, until_ms, "right"))
        return float(self.price[at:end].max()) if at < end else None

    def multiple_ahead(self, ts_ms: int, until_ms: int | None = None) -> float | None:
        """Highest price later than an instant over the first one: what could still be had."""
        now, top = self.next_after(ts_ms), self.highest_after(ts_ms, until_ms)
        return top / now if now is not None and top is not None else None

    def peak(self) -> tuple[int, float]:
        """Time and price of the path's highest trade."""
        at = int(self.price.argmax())
        return int(self.ts_ms[at]), float(self.price[at])


@dataclass(frozen=True)
class Verdict:
    """One coin. ``None`` where no such alert was raised, or nothing traded after it.

    Parameters
    ----------
    candidates : candidate alerts in all.
    candidate_ts_ms : when the first of them could be known.
    multiple_ahead : highest price after it over the first price after it.
    lead_s : seconds from it to the path's peak; negative when it came too late.
    fading_ts_ms : when the first fading alert could be known that follows the last candidate or
        update before the peak: the message that tells holders to leave. An update after a fading
        alert took that back.
    share_of_peak_at_fading : first price after it over the path's peak, 0 to 1.
    """

    token: str
    symbol: str
    candidates: int
    candidate_ts_ms: int | None
    multiple_ahead: float | None
    lead_s: float | None
    fading_ts_ms: int | None
    share_of_peak_at_fading: float | None
    peak_ts_ms: int
    peak_price_usd: float


@dataclass(frozen=True)
class Judgement:
    """A whole run: a verdict per coin of the wave, and the false alarms.

    ``candidates_on_ordinary_days`` counts candidates of any coin within the ordinary stretches;
    ``candidates_elsewhere`` those of coins outside the wave at other times.
    """

    coins: tuple[Verdict, ...]
    candidates_on_ordinary_days: int
    candidates_elsewhere: int
    ordinary_days: float

    def coin(self, symbol: str) -> Verdict:
        """The verdict on the coin of a symbol."""
        return next(v for v in self.coins if v.symbol == symbol)


def judge(
    alerts: Iterable[Alert],
    prices: Mapping[str, PricePath],
    symbols: Mapping[str, str],
    ordinary: Sequence[tuple[int, int]],
) -> Judgement:
    """Judge a run's alerts.

    Parameters
    ----------
    alerts : in any order.
    prices : executed prices by token, of the coins in ``symbols`` at least.
    symbols : the coins of the wave, token id to symbol, in the order of the verdicts.
    ordinary : stretches [from, until) in ms in which nothing happens that deserves a candidate.

    Examples
    --------
    >>> path = PricePath(np.array([0, 10_000, 20_000]), np.array([1.0, 5.0, 3.0]))
    >>> judge([], {"a": path}, {"a": "A"}, [(0, 86_400_000)]).coin("A").peak_ts_ms
    10000
    """
    ordered = sorted(alerts, key=lambda a: (a.ts_available_ms, a.token, a.sequence))
    candidates = [a for a in ordered if a.kind == "candidate"]
    quiet = [a for a in candidates if any(t0 <= a.ts_bar_end_ms < t1 for t0, t1 in ordinary)]
    elsewhere = sum(a.token not in symbols for a in candidates) - sum(
        a.token not in symbols for a in quiet
    )
    return Judgement(
        coins=tuple(
            _verdict([a for a in ordered if a.token == token], prices[token], token, symbol)
            for token, symbol in symbols.items()
        ),
        candidates_on_ordinary_days=len(quiet),
        candidates_elsewhere=elsewhere,
        ordinary_days=sum(t1 - t0 for t0, t1 in ordinary) / 86_400_000,
    )


def _verdict(alerts: Sequence[Alert], path: PricePath, token: str, symbol: str) -> Verdict:
    peak_ts, peak = path.peak()
    starts = [a.ts_available_ms for a in alerts if a.kind == "candidate"]
    first = starts[0] if starts else None
    held = [a.ts_available_ms for a in alerts if a.kind in ("candidate", "update")]
    before = [ts for ts in held if ts <= peak_ts] or starts[:1]
    fading = next(
        (
            a.ts_available_ms
            for a in alerts
            if a.kind == "fading" and before and a.ts_available_ms > before[-1]
        ),
        None,
    )
    left = path.next_after(fading) if fading is not None else None
    return Verdict(
        token=token,
        symbol=symbol,
        candidates=len(starts),
        candidate_ts_ms=first,
        multiple_ahead=path.multiple_ahead(first) if first is not None else None,
        lead_s=(peak_ts - first) / 1000 if first is not None else None,
        fading_ts_ms=fading,
        share_of_peak_at_fading=left / peak if left is not None else None,
        peak_ts_ms=peak_ts,
        peak_price_usd=peak,
    )
