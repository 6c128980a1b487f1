"""Sentences put together from parts, so that posts differ as people's posts do."""

from __future__ import annotations

from typing import Final

import numpy as np

_OPEN: Final = (
    "", "ok so", "ngl", "guys", "wait", "lol", "honestly", "just saw", "my friend says", "not gonna lie",
    "i swear", "hmm", "anyone else", "been watching", "good morning,", "late night thought:", "so",
    "told you", "finally", "update:", "careful,", "yo", "damn", "reminder:", "serious question,",
)  # fmt: skip
_MIDDLE: Final = (
    "this chart looks alive again", "volume is picking up fast", "i am in for a small bag",
    "holders keep climbing", "dev renounced and the pool is locked", "someone big just bought",
    "the community is growing every hour", "we are so early on this coin", "that dip got eaten",
    "my whole feed talks about it", "this could be the next big runner", "liquidity looks thin",
    "top wallets are selling into it", "not sure it holds above here", "new high incoming",
    "took some profit and kept the rest", "sending it to the moon", "it is only a meme but funny",
    "the ticker is everywhere today", "looks like a slow bleed to me", "market cap is still tiny",
    "they listed it on another dex", "the telegram just doubled in size", "i missed the first leg",
    "rotating into this one", "watching the five minute candles", "entry was better an hour ago",
    "this meme writes itself", "buyers outnumber sellers", "it already ran a lot",
)  # fmt: skip
_CLOSE: Final = (
    "", "what do you think", "nfa", "dyor", "let us see", "stay safe", "before the weekend",
    "while everyone sleeps", "and nobody talks about it", "again", "today", "imo", "for real",
    "no joke", "as always", "if btc behaves", "tell your friends", "with size", "patiently",
    "and i am not even mad", "right now", "probably", "or am i wrong", "in this market",
)  # fmt: skip
_FILL: Final = (
    "", "tbh", "bro", "fam", "anon", "everyone", "chat", "ser", "people", "folks", "legends",
    "my dudes", "all",
)  # fmt: skip


def pool_of_texts(seed: int, n: int) -> list[str]:
    """``n`` posts about some coin that they do not name, in English; few are twice the same.

    >>> texts = pool_of_texts(1, 500)
    >>> len(texts), len(set(texts)) > 480
    (500, True)
    """
    rng = np.random.default_rng(seed)

    def parts(options: tuple[str, ...]) -> list[str]:
        return [options[i] for i in rng.integers(0, len(options), n).tolist()]

    rows = zip(
        parts(_OPEN), parts(_MIDDLE), parts(_FILL), parts(_MIDDLE), parts(_CLOSE), strict=True
    )
    return [" ".join(part for part in row if part) for row in rows]
