"""The scenario's coins: the four of the wave, copycats, and a market of others; and their lexicon.

Names of the wave are those that were reported; every address is invented (see ``mint``). The other
coins do not exist.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Literal

from streams.scenario.mint import synthetic_mint, synthetic_token

_OCT_2024_MS: Final = 1_729_166_400_000
"""17 October 2024, 12:00 UTC: MOMO was minted that month; the day is invented."""

COIN_CONTEXT: Final = (
    "coin", "token", "memecoin", "dex", "ca", "sol", "solana", "chart", "mcap", "market cap",
    "holders", "liquidity", "pump", "bag", "ticker", "发射", "合约", "土狗", "金狗", "链上", "币", "市值",
    "打狗", "上车",
)  # fmt: skip


@dataclass(frozen=True)
class Coin:
    """A coin as the directory knows it. ``created_ms`` None: it was there long before the log.

    ``key`` tells coins of one symbol apart.
    """

    symbol: str
    name: str
    aliases: tuple[str, ...] = ()
    ambiguous: bool = False
    liquidity_class: Literal["high", "low"] = "low"
    supply: float = 1e9
    created_ms: int | None = None
    key: str = ""

    @property
    def mint(self) -> str:
        """The invented Solana address."""
        return synthetic_mint(self.key or self.symbol)

    @property
    def token(self) -> str:
        """The CAIP-19 id."""
        return synthetic_token(self.key or self.symbol)


MOMO: Final = Coin(
    "MOMO",
    "momo",
    ("momo", "小粉龙", "粉色小恐龙", "pink dinosaur"),
    ambiguous=True,
    liquidity_class="high",
    supply=1_033_000_000,
    created_ms=_OCT_2024_MS,
)
CAPTAIN_TU: Final = Coin(
    "CAPTAINTU",
    "Captain Tu",
    ("薯队长", "Captain Tu", "Captain Toto", "Captain Potato"),
    ambiguous=True,
    liquidity_class="high",
)
REDNOTE: Final = Coin(
    "REDNOTE",
    "REDnote",
    ("rednote", "小红书", "xiaohongshu", "little red book"),
    ambiguous=True,
    liquidity_class="high",
)
XIAOYA: Final = Coin("XIAOYA", "xiaoya", ("xiaoya", "小雅"), ambiguous=True)
WAVE: Final = (MOMO, CAPTAIN_TU, REDNOTE, XIAOYA)
COPYCATS: Final = (
    Coin("BABYMOMO", "Baby Momo", ("babymomo",)),
    Coin("MOMOCAT", "momo the cat", ("momocat",)),
    Coin("LRB", "Little Red Book", ("lrb",), ambiguous=True),
    Coin("TTREFUGEE", "TikTok Refugee", ("tiktokrefugee", "tiktok refugee"), ambiguous=True),
    Coin("SHUDUI", "shu dui zhang", ("shudui",)),
)
_OTHER_SYMBOLS: Final = (
    "ZORBO PLINKO WUMPA GRUBBY FLOOFY SNORKZ BLIPPY QUAXX TOADIE MUNKZ DRIZZL PEBBLY YODELZ "
    "KRUMPET WOBBLR SPLOTZ GIZZO NIBBLR PUDGO FIZZLR CRONKY BEEPO LUMPKN SQUEEP DOOBLE TWIRPZ "
    "HOOTIE MOOBLE JIGGLR SCRUFF BONKEY ZAPPIE GLORPO FUDGIE RUMBLR WIGGZ PIPZO CLUNKR SMUDGY "
    "TRUNDL VOOMPY QUIBBL HICCUP OOZLE"
)
OTHERS: Final = tuple(Coin(s, s.title(), (s.lower(),)) for s in _OTHER_SYMBOLS.split())
ALL: Final = (*WAVE, *COPYCATS, *OTHERS)


def lexicon_text() -> str:
    """The scenario's lexicon as JSON text, as ``examples/lexicon.json`` holds it."""
    tokens = [
        {
            "token": coin.token,
            "symbol": coin.symbol,
            "name": coin.name,
            "aliases": list(coin.aliases),
            "context": list(COIN_CONTEXT),
            "ambiguous": coin.ambiguous,
            "liquidity_class": coin.liquidity_class,
        }
        for coin in ALL
    ]
    document = {"versions": [{"version": 1, "effective_log_ms": 0, "tokens": tokens}]}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"
