"""The words of the RedNote scenario: talk of coins, talk of the narrative, talk of other things.

Posts name a coin by cashtag, by alias beside a word of the trade, or by contract address, in English
or Chinese. The rest must raise nothing: refugees from TikTok, people who ask who momo is, XRP,
Coinbase and wallets.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from streams.scenario.coins import Coin
from streams.scenario.grammar import pool_of_texts

_TRADE_EN: Final = (
    "chart", "coin", "token", "holders", "liquidity", "bag", "mcap", "on solana", "on the dex",
)  # fmt: skip
_TRADE_ZH: Final = ("市值", "合约", "链上", "土狗", "金狗", "打狗", "上车", "这个币")
_ZH_OPEN: Final = (
    "", "兄弟们", "刚看到", "说真的", "早上好", "半夜睡不着", "群里都在说", "有人注意到吗", "提醒一下", "我朋友说",
    "终于", "没想到", "真心觉得", "盯了一天", "刷到第三次了",
)  # fmt: skip
_ZH_MIDDLE: Final = (
    "成交量一下子起来了", "回调有人接", "老外也开始买了", "持有人一直在涨", "池子还很薄", "大户刚进场", "推特上全是这个",
    "感觉还很早", "已经翻了好几倍", "小心接盘", "我先出一半", "故事讲得通", "梗太好玩了", "拿住别被洗出去", "热度还在往上走",
    "开盘价太低了", "有点追高", "今晚看它表演", "项目方把权限丢了", "新高就在眼前",
)  # fmt: skip
_ZH_CLOSE: Final = (
    "", "你们怎么看", "自己判断", "慢慢来", "别上头", "冲", "等一个回踩", "仓位不大", "明天再说", "先睡了", "哈哈哈",
    "反正我信", "就这样", "不构成建议",
)  # fmt: skip

_REFUGEE: Final = (
    "#tiktokrefugee hello from {place}, my cat says hi",
    "day {n} as a #tiktokrefugee on RedNote and everyone is so kind",
    "how do i change the language on xiaohongshu #tiktokrefugee",
    "cat tax paid, i am a #tiktokrefugee from {place}",
    "learning {n} words of chinese a day because of rednote",
    "#TikTok难民 欢迎来到小红书, 交猫税",
    "小红书突然好多外国人, 从{place}来的都有",
    "帮{place}的网友改英语作业, 他们帮我听力 #TikTok难民",
    "little red book is what tiktok was {n} years ago",
    "if tiktok is banned on the 19th i stay on xiaohongshu, {n} followers already",
    "duolingo streak day {n}, ni hao from {place} #tiktokrefugee",
    "رحبوا بي في شياوهونغشو {n} مرة اليوم #tiktokrefugee",
    "what does everyone eat for breakfast in {place}? asking chinese friends on rednote",
    "someone from {place} explained rent prices to me on RedNote for {n} minutes",
)
_WHO_IS_MOMO: Final = (
    "who is momo? {n} people with that name liked my post",
    "why is everyone on here called momo and a pink dinosaur picture",
    "为什么评论区全是momo, 我数了{n}个",
    "momo大军又来了, 第{n}次看到同一个头像",
    "is momo one person or {n} people? from {place}, confused",
    "我也改名叫momo了, 这样谁都找不到我",
    "momo told me to drink water, thank you momo number {n}",
    "momo 是谁啊, {place}的朋友问我",
    "what does momo mean, is it a default name? {n} replies and no answer",
)
_OTHER_CRYPTO: Final = (
    "XRP at {n} dollars before the ruling or after?",
    "$XRP holders from {place}, what is your plan",
    "coinbase locked my account for {n} hours again",
    "which wallet do you use, {n} phrases lost already",
    "bitcoin went up {n} percent while i slept in {place}",
    "is it safe to keep a hardware wallet in {place}",
    "coinbase support took {n} days to answer",
    "xrp 又涨了, {place}的朋友都在问怎么买",
    "钱包助记词丢了怎么办, 急, 在线等{n}分钟了",
    "eth gas is {n} gwei, good time to move",
)
_PLACES: Final = (
    "ohio", "texas", "berlin", "leeds", "lagos", "manila", "toronto", "chengdu", "上海", "重庆", "mexico",
    "oslo", "perth", "cairo", "lima", "seoul", "naples", "kansas", "brazil", "maine", "广州", "杭州",
    "nairobi", "warsaw", "dallas",
)  # fmt: skip
_TAILS: Final = (
    "", "", "lol", "so much fun", "no idea", "哈哈哈", "谢谢", "please help", "good night", "first time here",
    "love it", "is that normal", "真的", "see you tomorrow", "what a week",
)  # fmt: skip
CHATTER: Final = {
    "refugees": _REFUGEE,
    "who is momo": _WHO_IS_MOMO,
    "other crypto": _OTHER_CRYPTO,
}
"""Talk that names no coin of the scenario, by subject."""


def coin_texts(rng: np.random.Generator, coin: Coin, n: int) -> list[str]:
    """``n`` posts that name the coin."""
    english = pool_of_texts(int(rng.integers(0, 1 << 31)), n)
    style = rng.random(n)
    chinese_share = 0.45 if any(not a.isascii() for a in coin.aliases) else 0.15
    return [
        _chinese(rng, coin, float(s)) if rng.random() < chinese_share else _english(rng, coin, t, s)
        for t, s in zip(english, style.tolist(), strict=True)
    ]


def chatter_texts(rng: np.random.Generator, subject: str, n: int) -> list[str]:
    """``n`` posts on one subject of ``CHATTER``."""
    out = []
    for _ in range(n):
        text = _pick(rng, CHATTER[subject]).format(n=rng.integers(2, 90), place=_pick(rng, _PLACES))
        out.append(f"{text} {_pick(rng, _TAILS)}".strip())
    return out


def _pick(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[int(rng.integers(0, len(options)))]


def _english(rng: np.random.Generator, coin: Coin, text: str, style: float) -> str:
    tag, trade = f"${coin.symbol}", _pick(rng, _TRADE_EN)
    ascii_names = tuple(a for a in (coin.name, *coin.aliases) if a.isascii())
    if style < 0.5:
        return f"{tag} {trade}: {text}"
    if style < 0.65:
        return f"{text} {tag}"
    if style < 0.85:
        return f"{_pick(rng, ascii_names)} {trade}, {text}"
    return f"{text}, ca {coin.mint}"


def _chinese(rng: np.random.Generator, coin: Coin, style: float) -> str:
    parts = (_pick(rng, _ZH_OPEN), _pick(rng, _ZH_MIDDLE), _pick(rng, _ZH_MIDDLE))
    body = ",".join(part for part in (*parts, _pick(rng, _ZH_CLOSE)) if part)
    trade = _pick(rng, _TRADE_ZH)
    if style < 0.4:
        return f"${coin.symbol} {trade} {body}"
    if style < 0.85:
        return f"{_pick(rng, coin.aliases)} {trade},{body}"
    return f"{body} 合约 {coin.mint}"
