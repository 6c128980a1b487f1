"""Words that say a post is about coins, in the languages mentions come in."""

from __future__ import annotations

from typing import Final

from detectors.resolve.normalise import normalise

COIN_WORDS: Final = frozenset(
    normalise(word)
    for words in (
        "coin coins token tokens memecoin memecoins altcoin shitcoin crypto pump pumps pumping",
        "pumped pump.fun pumpfun solana dex dexscreener raydium airdrop presale mcap marketcap ca: ca/",
        "hodl ape aped degen rug rugged liquidity holders ath",
        "合约 土狗 金狗 打狗 冲 发币 代币 币圈 币价 这币 个币 市值 链上 上车 梭哈 暴涨 百倍 翻倍 山寨币 土狗币 空投",
        "コイン 仮想通貨 ミームコイン 코인 밈코인 토큰",
        "монета монету монеты токен токены мемкоин памп",
        "عملة العملة توكن ميمكوين سولانا",
        "criptomoneda memecoins moneda token criptomoeda moeda kripto coini",
    )
    for word in words.split()
) | {"market cap", "contract address", "just launched", "on chain"}
"""Default context, in matching form: an ambiguous alias near one of these means the coin."""
