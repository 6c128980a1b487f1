"""What sort of life a training coin leads, drawn broadly: ages, sizes, speeds, crowds.

Nothing here is fitted to any coin that lived. Ranges are wide on purpose, most of them drawn
uniformly in the logarithm, so that a model that learns from these waves has seen more than one
speed and size; and the outcome is drawn apart from the looks, so that they tell of it only in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from streams.scenario.rows import F8

Kind = Literal[
    "launch", "dormant", "organic", "pump", "grinder", "news", "wash", "shill", "silent", "ordinary"
]
WEIGHTS: Final[dict[Kind, float]] = {
    "launch": 0.13,
    "dormant": 0.10,
    "organic": 0.08,
    "pump": 0.05,
    "grinder": 0.04,
    "news": 0.09,
    "wash": 0.05,
    "shill": 0.05,
    "silent": 0.03,
    "ordinary": 0.38,
}
_LOG_MULTIPLE: Final[dict[Kind, tuple[float, float]]] = {
    "launch": (1.2, 1.3),
    "dormant": (1.8, 1.3),
    "organic": (1.1, 0.9),
    "pump": (0.8, 0.45),
    "grinder": (1.2, 0.7),
    "news": (0.05, 0.12),
    "wash": (0.1, 0.25),
    "shill": (0.25, 0.3),
    "silent": (0.9, 0.8),
    "ordinary": (0.05, 0.1),
}
_RISE_H: Final[dict[Kind, tuple[float, float]]] = {
    "launch": (0.05, 8.0),
    "dormant": (0.15, 18.0),
    "organic": (0.3, 18.0),
    "pump": (0.01, 0.2),
    "grinder": (8.0, 24.0),
    "news": (0.05, 6.0),
    "wash": (0.5, 12.0),
    "shill": (0.05, 4.0),
    "silent": (0.2, 10.0),
    "ordinary": (0.1, 3.0),
}


@dataclass(frozen=True)
class Life:
    """One coin's drawn fate.

    Parameters
    ----------
    age_h : hours from its creation to the onset; less than the log's lead for a launch.
    market_cap_usd, supply, liquidity_share : before the onset; liquidity as a share of the cap.
    multiple : top price over first price that the flows alone would bring.
    rise_h, decay_h : how long the talk grows and how long it takes to fall to 1/e.
    posts, orders : how many the wave brings in all.
    quiet_posts, quiet_orders : an hour, outside the wave.
    buy_lag_s, hold_h, exits : readers buy that much later, keep for that long, and that share sells.
    """

    kind: Kind
    age_h: float
    market_cap_usd: float
    supply: float
    liquidity_share: float
    multiple: float
    rise_h: float
    decay_h: float
    posts: float
    orders: float
    quiet_posts: float
    quiet_orders: float
    buy_lag_s: float
    hold_h: float
    exits: float
    quiet_vol: float
    wave_vol: float
    copies: float
    fresh_traders: float
    echo: float


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A number whose logarithm is uniform between those of two bounds."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_kind(rng: np.random.Generator) -> Kind:
    """A kind of life, by the weights above."""
    kinds = list(WEIGHTS)
    p = np.array(list(WEIGHTS.values()))
    return kinds[int(rng.choice(len(kinds), p=p / p.sum()))]


def draw_life(rng: np.random.Generator, kind: Kind) -> Life:
    """Draw one coin's fate."""
    mean, spread = _LOG_MULTIPLE[kind]
    log_multiple = float(np.clip(rng.normal(mean, spread), -1.5, 5.3))
    rise_h = log_uniform(rng, *_RISE_H[kind])
    tie = np.exp(0.25 * max(log_multiple, 0.0))
    posts = log_uniform(rng, 40.0, 3_000.0) * tie
    orders = log_uniform(rng, 150.0, 4_000.0) * tie
    copies = float(rng.beta(1.2, 8.0))
    fresh = float(rng.uniform(0.35, 0.9))
    if kind == "silent":
        posts *= rng.uniform(0.0, 0.06)
    elif kind == "wash":
        posts, orders, fresh = posts * rng.uniform(0.0, 0.1), orders * 2.0, rng.uniform(0.0, 0.12)
    elif kind == "news":
        orders *= rng.uniform(0.02, 0.3)
    elif kind == "shill":
        copies, orders = float(rng.uniform(0.5, 0.95)), orders * rng.uniform(0.1, 0.6)
    elif kind == "grinder":
        posts *= rng.uniform(0.05, 0.5)
    elif kind == "ordinary":
        posts, orders = posts * rng.uniform(0.0, 0.3), orders * rng.uniform(0.0, 0.3)
    young, dormant = kind == "launch", kind == "dormant"
    quiet = (0.01, 3.0) if dormant else (3.0, 200.0)
    return Life(
        kind=kind,
        age_h=log_uniform(rng, 0.02, 3.0)
        if young
        else log_uniform(rng, 200.0, 10_000.0)
        if dormant
        else log_uniform(rng, 30.0, 20_000.0),
        market_cap_usd=log_uniform(rng, 4e3, 1e5)
        if young
        else log_uniform(rng, 1e4, 2e6)
        if dormant
        else log_uniform(rng, 1e5, 1e8),
        supply=float(rng.choice([1e9, 1e9, 1e9, 1e8, 1e7, 1e10, 1e12])),
        liquidity_share=log_uniform(rng, 0.03, 0.4),
        multiple=float(np.exp(log_multiple)),
        rise_h=rise_h,
        decay_h=rise_h * log_uniform(rng, 0.3, 6.0),
        posts=min(posts, 12_000.0),
        orders=min(orders, 14_000.0),
        quiet_posts=log_uniform(rng, *quiet) * rng.uniform(0.0, 0.6),
        quiet_orders=log_uniform(rng, *quiet),
        buy_lag_s=log_uniform(rng, 10.0, 2_400.0) * min(1.0, 0.1 + rise_h),
        hold_h=log_uniform(rng, 0.1, 8.0) * min(1.0, 0.3 + rise_h),
        exits=float(rng.uniform(0.5, 1.3)),
        quiet_vol=log_uniform(rng, 0.005, 0.06),
        wave_vol=log_uniform(rng, 0.06, 0.5),
        copies=copies,
        fresh_traders=float(fresh),
        echo=log_uniform(rng, 0.02, 1.5),
    )


def talk_shape(rng: np.random.Generator, hours: F8, onset_h: float, life: Life) -> F8:
    """How the wave's talk is spread over time: f8[n], sums to 1 (or is all 0 past the end)."""
    x = (hours - onset_h) / life.rise_h
    fall = np.exp(-np.maximum(hours - onset_h - life.rise_h, 0.0) / life.decay_h)
    shape = int(rng.integers(0, 5))
    if shape == 0:
        steep = rng.uniform(4.0, 10.0)
        up = 1.0 / (1.0 + np.exp(-steep * np.clip(x - 0.6, -50.0 / steep, 50.0 / steep)))
    elif shape == 1:
        up = np.clip(x, 0.0, 1.0) ** rng.uniform(0.5, 3.0)
    elif shape == 2:
        k = rng.uniform(0.7, 4.0)
        x1 = np.clip(x, 1e-9, None)
        up, fall = x1**k * np.exp(k * (1.0 - x1)), np.ones_like(hours)
    elif shape == 3:
        up, fall = (x >= 0.0).astype(np.float64), np.exp(-np.maximum(x, 0.0))
    else:
        up = np.floor(np.clip(x, 0.0, 1.0) * rng.integers(2, 6)) + 0.2
    out = np.where(x >= 0.0, up * fall, 0.0)
    total = float(out.sum())
    return out / total if total > 0.0 else out
