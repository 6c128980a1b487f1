"""An alert in words: what a person reads of it in one or two lines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from schemas.records import Alert, Reason

_Z: Final = {
    "z_mentions": "posts",
    "z_authors": "authors",
    "z_trades": "trades",
    "z_traders": "traders",
    "z_volume": "volume",
    "z_net_buying": "net buying",
    "z_return": "return",
    "z_mentions_day": "posts of a day",
    "z_trades_day": "trades of a day",
    "z_volume_day": "volume of a day",
}
_COUNTS: Final = {
    "mentions_60s": "posts in 1 min",
    "authors_60s": "authors in 1 min",
    "trades_60s": "trades in 1 min",
    "traders_60s": "traders in 1 min",
    "mentions_15m": "posts in 15 min",
    "authors_15m": "authors in 15 min",
    "traders_15m": "traders in 15 min",
    "platforms": "platforms",
}
_SHARES: Final = {"copy_share": "copies", "buy_share": "buys", "rush_share": "rush orders"}
_RETURNS: Final = {"return_5m": "5 min", "return_1h": "1 h"}


def clock(ts_ms: int) -> str:
    """Day and time, UTC.

    >>> clock(1_736_830_800_000)
    '14 Jan 05:00:00'
    """
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%d %b %H:%M:%S")


def duration(seconds: float) -> str:
    """A span in hours and minutes.

    >>> duration(3_900), duration(-60), duration(95)
    ('1 h 05 min', '-1 min', '2 min')
    """
    minutes = round(abs(seconds) / 60)
    sign = "-" if seconds < 0 and minutes else ""
    return (
        f"{sign}{minutes // 60} h {minutes % 60:02d} min"
        if minutes >= 60
        else f"{sign}{minutes} min"
    )


def dollars(value: float) -> str:
    """Money, short.

    >>> dollars(15_500_000), dollars(58_000), dollars(0.015), dollars(0.0000584)
    ('$15.5 M', '$58 k', '$0.015', '$0.0000584')
    """
    if value >= 1e6:
        return f"${value / 1e6:.3g} M"
    if value >= 1e3:
        return f"${value / 1e3:.3g} k"
    if value >= 1:
        return f"${value:.3g}"
    digits = f"{value:.2e}"
    places = 2 + int(digits.split("-")[1]) if "-" in digits else 2
    return f"${value:.{places}f}".rstrip("0")


def reason(why: Reason) -> str:
    """One reason: what the feature says.

    >>> reason(Reason("z_authors", 14.23, 0.4, 1.1, 60, 1.8))
    'authors z 14.2'
    >>> reason(Reason("return_1h", 1.0, None, None, None, 0.4))
    'price 2.00x in 1 h'
    >>> reason(Reason("copy_share", 0.25, None, None, None, -0.4))
    '25% copies'
    >>> reason(Reason("age_min", 59.0, None, None, None, 0.2))
    '59 min old'
    """
    name, value = why.feature, why.value
    if value is None:
        return f"{name.replace('_', ' ')} unknown"
    if name in _Z:
        return f"{_Z[name]} z {value:.3g}"
    if name in _COUNTS:
        return f"{value:.0f} {_COUNTS[name]}"
    if name in _SHARES:
        return f"{value:.0%} {_SHARES[name]}"
    if name in _RETURNS:
        return f"price {2**value:.2f}x in {_RETURNS[name]}"
    if name == "age_min":
        return f"{duration(value * 60)} old" if value < 1_440 else "older than a day"
    return f"{name.replace('_', ' ')} {value:.3g}"


def reasons(alert: Alert, most: int = 3) -> str:
    """The reasons that spoke for the alert, strongest first."""
    pro = sorted(alert.reasons, key=lambda r: -r.contribution_logit)[:most]
    return ", ".join(reason(r) for r in pro if r.contribution_logit > 0)


def headline(alert: Alert) -> str:
    """One line: when, what, which coin, how sure, where the price stands."""
    parts = [f"P {alert.probability:.0%}"] if alert.kind in ("candidate", "update") else []
    if alert.price_usd is not None:
        parts.append(dollars(float(alert.price_usd)))
    if alert.market_cap_usd is not None:
        parts.append(f"cap {dollars(alert.market_cap_usd)}")
    if alert.kind in ("fading", "closed") and alert.attention_share_of_peak is not None:
        parts.append(f"attention at {alert.attention_share_of_peak:.0%} of its peak")
    if alert.kind in ("fading", "closed") and alert.price_share_of_peak is not None:
        parts.append(f"price at {alert.price_share_of_peak:.0%}")
    if alert.kind == "candidate" and alert.moved_x_since_onset is not None:
        parts.append(f"moved {alert.moved_x_since_onset:.2g}x so far")
    name = alert.symbol or alert.token.rpartition(":")[2][:8]
    return f"{clock(alert.ts_available_ms)}  {alert.kind:<9}  {name:<10} {', '.join(parts)}"
