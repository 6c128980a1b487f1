"""How well fingerprints tell copies with a word changed from posts that happen to be alike.

``python -m benchmarks.near_copies``: posts of the scenario's coins and of the training waves are altered by a
seeded paraphraser, once and twice; the same posts are held against the eight before them. It prints, for each
number of bits in which copies may differ, the shares that are told as copies.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np

from detectors.hashing import text_fingerprint
from detectors.layout import TEXTS
from detectors.simhash import LONG, NEAR, WIDE
from streams.scenario.coins import ALL
from streams.scenario.grammar import pool_of_texts
from streams.scenario.talk import coin_texts

N: Final = 800
WITHIN: Final = (0, 3, 6, 8, 9, 10, 11, 12, 13, 14, 16)
WORDS: Final = (
    "today", "soon", "guys", "now", "really", "again", "maybe", "moon", "huge", "early", "big", "nice", "strong",
)  # fmt: skip
HAN_WORDS: Final = (
    "今天", "马上", "真的", "现在", "又", "可能", "起飞", "很大", "很早", "不错", "厉害", "快看", "稳了",
)  # fmt: skip
TAILS: Final = ("🚀", "🔥🔥", "💎", "lfg", "gm", "冲", "!!!", "🐶 send it")


class Shares(NamedTuple):
    """Of all posts: altered once and twice that are told as copies, and new ones that are.

    ``alike`` counts posts near one of the eight before them.
    """

    within: int
    once: float
    twice: float
    alike: float


def altered(rng: random.Random, text: str) -> str:
    """The text with a word swapped, a word dropped, a letter mistyped, or something appended.

    >>> altered(random.Random(1), "volume is picking up fast")
    'volume is picking up'
    """
    how = rng.choice((_swapped, _dropped, _mistyped, _appended))
    return how(rng, text)


def _swapped(rng: random.Random, text: str) -> str:
    return _changed(rng, text, lambda _: rng.choice(WORDS), lambda _: rng.choice(HAN_WORDS))


def _dropped(rng: random.Random, text: str) -> str:
    return _changed(rng, text, lambda _: "", lambda _: "")


def _mistyped(rng: random.Random, text: str) -> str:
    def slip(word: str) -> str:
        at = rng.randrange(len(word))
        return (
            word[:at] + rng.choice(("", rng.choice("abcdefghijklmnopqrstuvwxyz"))) + word[at + 1 :]
        )

    return _changed(rng, text, slip, lambda pair: pair[0] + chr(0x4E00 + rng.randrange(5_000)))


def _appended(rng: random.Random, text: str) -> str:
    return f"{text} {rng.choice(TAILS)}"


def _changed(
    rng: random.Random, text: str, word: Callable[[str], str], pair: Callable[[str], str]
) -> str:
    """One word of letters changed, or two neighbouring characters of a Chinese text."""
    han = [i for i in range(len(text) - 1) if min(map(ord, text[i : i + 2])) >= WIDE]
    if len(han) > len(text) // 4:
        at = rng.choice(han)
        return text[:at] + pair(text[at : at + 2]) + text[at + 2 :]
    words = text.split()
    at = rng.choice([i for i, w in enumerate(words) if w.isascii() and w.isalpha()] or [0])
    words[at] = word(words[at])
    return " ".join(filter(None, words))


def pools() -> dict[str, list[str]]:
    """Posts about each coin of the scenario, and of the training waves, the same every time."""
    rng = np.random.default_rng(17)
    found = {coin.symbol: coin_texts(rng, coin, N) for coin in ALL[:4]}
    return found | {"training waves": pool_of_texts(17, N)}


def measure(posts: Sequence[str], rng: random.Random) -> list[Shares]:
    """Shares of one pool of posts, a row for each of ``WITHIN``."""
    prints = [text_fingerprint(post) for post in posts]
    once = [altered(rng, post) for post in posts]
    twice = [altered(rng, post) for post in once]
    moved = [list(map(_distance, prints, map(text_fingerprint, each))) for each in (once, twice)]
    alike = [
        min((d for k in range(i - TEXTS, i) if (d := _distance(prints[k], prints[i]))), default=99)
        for i in range(TEXTS, len(posts))
    ]

    def share(distances: list[int], within: int) -> float:
        return sum(d <= within for d in distances) / len(distances)

    return [Shares(k, *(share(each, k) for each in (*moved, alike))) for k in WITHIN]


def _distance(a: int, b: int) -> int:
    """Bits in which two fingerprints differ; 99 where only equal ones would be copies."""
    return (a ^ b).bit_count() if a == b or a & b & LONG else 99


def main() -> None:
    """Print a table for each pool, and one of all."""
    rng = random.Random(3)
    tables = {name: measure(posts, rng) for name, posts in pools().items()}
    tables["all"] = [
        Shares(rows[0].within, *(float(np.mean(x)) for x in list(zip(*rows, strict=True))[1:]))
        for rows in zip(*tables.values(), strict=True)
    ]
    for name, rows in tables.items():
        print(f"{name}: bits, altered once, altered twice, new but told as copies")
        for row in rows:
            mark = " *" if row.within == NEAR else ""
            print(f"  {row.within:3} {row.once:6.1%} {row.twice:6.1%} {row.alike:7.2%}{mark}")


if __name__ == "__main__":
    main()
