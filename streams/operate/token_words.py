"""A token's state, for a person to read."""

from __future__ import annotations

from streams.explore.why_words import number
from streams.operate.token_state import TokenState
from streams.run.report import utc
from streams.safe_text import shown

_MOST = 12


def in_words(state: TokenState) -> str:
    """Some lines: whose state, the last minute, price, episode, and what is unusual."""
    name = state.token if state.symbol is None else f"{shown(state.symbol)} ({state.token})"
    lines = [
        name,
        (
            f"partition {state.partition}, checkpoint {state.checkpoint}, {state.age_s:,.0f} s old; "
            f"bars closed to {utc(state.closed_ms)}"
        ),
        f"records from {utc(state.first_record_ms)} to {utc(state.last_record_ms)}"
        + (f"; {state.waiting:,} wait for their bar" if state.waiting else ""),
        (
            f"60 s: {state.mentions_60s:,} mentions by {state.authors_60s:,} authors, "
            f"{state.trades_60s:,} trades by {state.traders_60s:,} traders"
        ),
        _price(state),
        _episode(state),
        f"baselines {state.baseline_coverage:.0%} there"
        + ("" if state.probability is None else f"; probability {number(state.probability)}"),
    ]
    with_baseline = [f for f in state.features if f.baseline_n is not None]
    for each in sorted(with_baseline, key=lambda f: -abs(f.value or 0.0)):
        usual = "no baseline yet"
        if each.value is not None:
            usual = (
                f"usually {number(each.baseline_mean)}, deviation "
                f"{number(each.baseline_deviation)}, n {each.baseline_n}"
            )
        lines.append(f"  {each.feature:16} {number(each.value):>10}  ({usual})")
    others = [f for f in state.features if f.baseline_n is None and f.value is not None][:_MOST]
    lines += [f"  {each.feature:16} {number(each.value):>10}" for each in others]
    return "\n".join([*lines, *(f"note: {note}" for note in state.notes)])


def _price(state: TokenState) -> str:
    if state.price_usd is None or state.ts_price_ms is None:
        return "no price is known"
    parts = [f"price ${state.price_usd} of {utc(state.ts_price_ms)}"]
    if state.liquidity_usd is not None:
        parts.append(f"liquidity ${number(state.liquidity_usd)}")
    if state.market_cap_usd is not None:
        parts.append(f"market cap ${number(state.market_cap_usd)}")
    return ", ".join(parts)


def _episode(state: TokenState) -> str:
    of = state.episode
    if of.ts_start_ms is None:
        return "no episode yet"
    if of.state == "none":
        ended = "" if of.ts_end_ms is None else f" to {utc(of.ts_end_ms)}"
        return f"no episode is open; the last: {utc(of.ts_start_ms)}{ended}"
    told = f"episode {of.state} since {utc(of.ts_start_ms)}, {of.alerts:,} alerts"
    if of.moved_x_since_onset is not None:
        told += f", moved {of.moved_x_since_onset:g}x since onset"
    if of.price_share_of_peak is not None:
        told += f", price at {of.price_share_of_peak:.0%} of its peak"
    if of.attention_share_of_peak is not None:
        told += f", attention at {of.attention_share_of_peak:.0%}"
    return told
