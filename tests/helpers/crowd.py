"""A crowd that posts about a coin and trades it, and settings with which that is an alert."""

from __future__ import annotations

import random

from schemas.records import Mention, Record, Tick
from tests.helpers.logs import TOKENS

EAGER = """
[engine]
candidate_logit_micro = -20_000_000
candidate_bars = 1
fading_bars = 3
min_authors_15m = 2
min_traders_15m = 2
"""

WORDS = [
    "moon",
    "dog",
    "gold",
    "pump",
    "chart",
    "wow",
    "rocket",
    "buy",
    "early",
    "gem",
    "launch",
    "hold",
    "send",
    "now",
    "whale",
]


def words(seed: int, n: int) -> str:
    """Text of its own for each seed: copies do not count as a crowd."""
    return " ".join(random.Random(seed).choices(WORDS, k=n))


def crowd(round_: int, now_ms: int, price_usd: str = "0.01") -> list[Record]:
    """Ten people post about a coin and trade it, now."""
    found: list[Record] = []
    for i in range(10):
        at = now_ms - 10 * i
        text = words(100 * round_ + i, 9)
        found.append(Mention(f"m{round_}-{i}", at, "x", f"a{i}", text, (TOKENS[0],)))
        found.append(Tick(f"t{round_}-{i}", at, TOKENS[0], price_usd, 500, "buy", f"w{i}"))
    return found
