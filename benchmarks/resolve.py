"""How fast mentions become tokens: 5,000 aliases, 30 % Chinese posts, one core.

Run from the root of the repository: ``python benchmarks/resolve.py [--json]``. It prints microseconds
of CPU a post, the best of five rounds, for each kind of post and for the mix.
"""

from __future__ import annotations

import json
import random
import sys
import time

from detectors.resolve.lexicon import Lexicon
from detectors.resolve.resolver import Resolver
from schemas.records import Mention
from schemas.tokens import SOLANA_MAINNET, is_solana_address

N_TOKENS = 2_500
N_POSTS = 20_000
ROUNDS = 5
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_HAN = "小大红粉龙狗猫金土薯队长书马鸟熊鱼花月星火山水云风雷电天地人王子公主"
_ENGLISH = (
    "just saw this on the timeline and honestly it looks like everyone is early again, "
    "chart is insane but volume dries up after the first hour so be careful out there"
)
_CHINESE = (
    "成交量一下子起来了 回调有人接 老外也开始买了 持有人一直在涨 感觉还很早 已经翻了好几倍 小心接盘 故事讲得通 "
    "今晚看它表演 新高就在眼前 你们怎么看 自己判断 明天再说 群里都在说"
)


def main() -> None:
    aliases = _aliases()
    resolver = Resolver(Lexicon.parse(lexicon_text()))
    kinds = posts(N_POSTS)
    mix = [("english", 0.5), ("chinese", 0.3), ("cashtag", 0.15), ("address", 0.05)]
    kinds["mix"] = [kinds[k][i] for k, share in mix for i in range(int(share * N_POSTS))]
    report = {kind: _measure(resolver, texts) for kind, texts in kinds.items()}
    if "--json" in sys.argv:
        print(json.dumps({"aliases": len(aliases), "kinds": report}))
        return
    print(f"{len(aliases):,} aliases, {N_TOKENS:,} tokens, posts of about 110 characters")
    for kind, row in report.items():
        print(
            f"{kind:8} {row['us_per_post']:6.2f} us a post {row['posts_per_s']:9,.0f} posts/s "
            f"{row['named_share']:5.0%} name a token"
        )


def lexicon_text() -> str:
    """The lexicon as JSON, the same every time."""
    return _lexicon(_mints(), _aliases())


def posts(n: int) -> dict[str, list[str]]:
    """``n`` texts of each kind, the same every time."""
    rng = random.Random(11)
    aliases, mints = _aliases(), _mints()
    return {
        "english": [_english(rng, aliases) for _ in range(n)],
        "chinese": [_chinese(rng, aliases) for _ in range(n)],
        "cashtag": [f"{_english(rng, aliases)} $SYM{rng.randrange(N_TOKENS)}" for _ in range(n)],
        "address": [f"{_english(rng, aliases)} ca {rng.choice(mints)}" for _ in range(n)],
    }


def _mints() -> list[str]:
    rng = random.Random(7)
    return [mint(rng) for _ in range(N_TOKENS)]


def _aliases() -> list[str]:
    rng = random.Random(8)
    return sorted({_alias(rng, i) for i in range(2 * N_TOKENS)})


def _measure(resolver: Resolver, texts: list[str]) -> dict[str, float]:
    posts = [Mention(str(i), 0, "x", "ann", text) for i, text in enumerate(texts)]
    best, named = float("inf"), 0
    for _ in range(ROUNDS):
        begin = time.process_time()
        named = sum(1 for post in posts if resolver.resolve(post, 0))
        best = min(best, time.process_time() - begin)
    return {
        "us_per_post": round(best / len(posts) * 1e6, 2),
        "posts_per_s": round(len(posts) / best),
        "named_share": round(named / len(posts), 3),
    }


def mint(rng: random.Random) -> str:
    while True:
        text = "".join(rng.choices(_BASE58, k=44))
        if is_solana_address(text):
            return text


def _alias(rng: random.Random, i: int) -> str:
    if i % 10 < 3:
        return "".join(rng.choices(_HAN, k=rng.randrange(2, 5)))
    return "".join(rng.choices("abcdefghiklmnoprstuvwyz", k=rng.randrange(4, 10)))


def _lexicon(mints: list[str], aliases: list[str]) -> str:
    tokens = [
        {
            "token": f"{SOLANA_MAINNET}/token:{mint}",
            "symbol": f"SYM{i}",
            "aliases": aliases[2 * i : 2 * i + 2],
            "ambiguous": i % 4 == 0,
        }
        for i, mint in enumerate(mints)
    ]
    return json.dumps({"versions": [{"version": 1, "effective_log_ms": 0, "tokens": tokens}]})


def _english(rng: random.Random, aliases: list[str]) -> str:
    words = rng.choices(_ENGLISH.split(), k=20)
    if rng.random() < 0.5:
        words[rng.randrange(20)] = rng.choice(aliases)
    return " ".join(words)


def _chinese(rng: random.Random, aliases: list[str]) -> str:
    parts = rng.choices(_CHINESE.split(), k=8)
    if rng.random() < 0.5:
        parts[rng.randrange(8)] = rng.choice(aliases) + "土狗"
    return " ".join(parts)


if __name__ == "__main__":
    main()
