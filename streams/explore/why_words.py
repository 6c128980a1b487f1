"""The answer to why, for a person to read."""

from __future__ import annotations

from typing import Final

from streams.explore.gates import Gate
from streams.explore.why import Why
from streams.replay.bar import utc_seconds
from streams.safe_text import shown

_MOST: Final = 12


def in_words(why: Why) -> str:
    """A few lines: what was told, each gate, and what made the score."""
    name = why.token if why.symbol is None else f"{shown(why.symbol)} ({why.token})"
    episode = f"episode: {_change(why.episode_before, why.episode_after)}{_since(why)}"
    lines = [
        name,
        f"bar that ends {utc_seconds(why.ts_bar_end_ms)} ({why.ts_bar_end_ms}); {episode}",
        _verdict(why),
        "",
        *(_line(gate) for gate in why.gates),
    ]
    if why.logit is not None:
        lines += ["", *_score(why)]
    return "\n".join([*lines, *(f"note: {note}" for note in why.notes)])


def number(value: float | None) -> str:
    """Six digits at most, thousands apart.

    >>> number(12345.678), number(0.5), number(3.0), number(None)
    ('12,345.7', '0.5', '3', 'unknown')
    """
    return "unknown" if value is None else f"{value:,.6g}"


def _change(before: str, after: str) -> str:
    return before if before == after else f"{before}, then {after}"


def _since(why: Why) -> str:
    if why.ts_episode_start_ms is None:
        return ""
    word = "since" if why.episode_after != "none" else "the last began"
    return f", {word} {utc_seconds(why.ts_episode_start_ms)}"


def _verdict(why: Why) -> str:
    if why.told:
        return f"told: {', '.join(why.told)}"
    if not why.records and why.episode_before == "none":
        last = why.last_records_ms
        return "nothing told: the bar holds no record of the token" + (
            "" if last is None else f"; the last that does ends {utc_seconds(last)} ({last})"
        )
    if why.stopped_by is not None:
        return f"nothing told: stopped at {why.stopped_by}"
    return "nothing told: nothing called for it"


def _line(gate: Gate) -> str:
    mark = {True: "passed", False: "missed", None: "-"}[gate.passed]
    if gate.limit is None or gate.value is None:
        unknown = "none" if gate.passed else "unknown"
        measured = f"{unknown}; limit {number(gate.limit)} {gate.unit}"
    else:
        by = "" if gate.over is None else f", by {number(abs(gate.over))}"
        measured = f"{number(gate.value)} {gate.unit}; limit {number(gate.limit)}{by}"
    return f"  {mark:6}  {gate.name:24}  {measured}: {gate.means}"


def _score(why: Why) -> list[str]:
    coverage = f"{why.baseline_coverage:.0%}" if why.baseline_coverage is not None else "unknown"
    known = f"baselines {coverage} there; price {why.price_usd or 'unknown'}"
    lines = [
        f"logit {number(why.logit)}, probability {number(why.probability)}; {known}",
        f"  {number(why.base_logit):>10}  before any feature",
    ]
    shown = [f for f in why.features if f.contribution_logit][:_MOST]
    for each in shown:
        usual = ""
        if each.baseline_n is not None and each.baseline_mean is not None:
            usual = (
                f" (usually {number(each.baseline_mean)}, deviation "
                f"{number(each.baseline_deviation)}, n {each.baseline_n})"
            )
        lines.append(
            f"  {each.contribution_logit:>+10.3f}  {each.feature} {number(each.value)}{usual}"
        )
    rest = sum(f.contribution_logit for f in why.features[len(shown) :])
    if rest:
        lines.append(f"  {rest:>+10.3f}  all others")
    return lines
