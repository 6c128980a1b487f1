"""Every feature in words: what it means, its unit, and how a person says a value of it.

The one place: the demo, webhooks and the documentation read it. Their order, and which there are, is
``detectors.layout.FEATURES``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

DEVIATIONS: Final = "deviations"
DOUBLINGS: Final = "doublings (log2)"
SHARE: Final = "0 to 1"
STABILISED: Final = "2 sqrt(n + 3/8)"


def duration(seconds: float) -> str:
    """A span in hours and minutes.

    >>> duration(3_900), duration(-60), duration(95)
    ('1 h 05 min', '-1 min', '2 min')
    """
    minutes = round(abs(seconds) / 60)
    sign = "-" if seconds < 0 and minutes else ""
    return (
        f"{sign}{minutes // 60} h {minutes % 60:02d} min"
        if minutes >= 60
        else f"{sign}{minutes} min"
    )


def dollars(value: float) -> str:
    """Money, short.

    >>> dollars(15_500_000), dollars(58_000), dollars(0.015), dollars(0.0000584)
    ('$15.5 M', '$58 k', '$0.015', '$0.0000584')
    """
    if value >= 1e6:
        return f"${value / 1e6:.3g} M"
    if value >= 1e3:
        return f"${value / 1e3:.3g} k"
    if value >= 1:
        return f"${value:.3g}"
    digits = f"{value:.2e}"
    places = 2 + int(digits.split("-")[1]) if "-" in digits else 2
    return f"${value:.{places}f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Feature:
    """A feature in words.

    Parameters
    ----------
    label : its name in a sentence, such as "authors in 1 min".
    meaning : what is measured, in one sentence.
    unit : of the number.
    phrase : a value as a person says it.
    """

    label: str
    meaning: str
    unit: str
    phrase: Callable[[float], str]


def _z(what: str, meaning: str) -> Feature:
    return Feature(what, meaning, DEVIATIONS, lambda v: f"{what} z {v:.3g}")


def _hour(what: str, of: str) -> Feature:
    return _z(what, f"{of} in the last minute, against the minutes of the trailing hour before it")


def _day(what: str, of: str) -> Feature:
    text = (
        f"{of} in the last quarter of an hour, against the quarters of the trailing day before it"
    )
    return _z(what, text)


def _count(what: str, meaning: str) -> Feature:
    return Feature(what, meaning, "count", lambda v: f"{v:.0f} {what}")


def _share(what: str, meaning: str) -> Feature:
    return Feature(what, meaning, SHARE, lambda v: f"{v:.0%} {what}")


def _price(span: str, meaning: str) -> Feature:
    return Feature(f"price in {span}", meaning, DOUBLINGS, lambda v: f"price {2**v:.2f}x in {span}")


def _usually(what: str) -> Feature:
    def phrase(value: float) -> str:
        n = (value / 2) ** 2 - 0.375
        return f"usually {n:.1f} {what} a minute" if n >= 0.05 else f"usually no {what}"

    meaning = f"mean over the trailing hour of a minute's {what}, stabilised: the usual level"
    return Feature(f"usual {what} a minute", meaning, STABILISED, phrase)


def _age(minutes: float) -> str:
    return f"{duration(minutes * 60)} old" if minutes < 1_440 else "older than a day"


def _accel(value: float) -> str:
    return f"posts {'speeding up' if value >= 0 else 'slowing down'} z {abs(value):.2g}"


FEATURE_WORDS: Final[dict[str, Feature]] = {
    "z_mentions": _hour("posts", "posts"),
    "z_authors": _hour("authors", "different authors"),
    "z_trades": _hour("trades", "trades"),
    "z_traders": _hour("traders", "different traders"),
    "z_volume": _hour("volume", "value traded (50 US dollars count as one event)"),
    "z_net_buying": _hour("net buying", "value bought less value sold"),
    "z_return": _hour("return", "change of the price"),
    "z_mentions_day": _day("posts of a day", "posts"),
    "z_trades_day": _day("trades of a day", "trades"),
    "z_volume_day": _day("volume of a day", "value traded"),
    "mentions_60s": _count("posts in 1 min", "posts in the last minute"),
    "authors_60s": _count("authors in 1 min", "different authors in the last minute, estimated"),
    "trades_60s": _count("trades in 1 min", "trades in the last minute"),
    "traders_60s": _count("traders in 1 min", "different traders in the last minute, estimated"),
    "log2_volume_60s": Feature(
        "volume in 1 min",
        "value traded in the last minute",
        "log2(1 + US dollars)",
        lambda v: f"{dollars(max(2**v - 1, 0))} traded in 1 min",
    ),
    "authors_per_mention": Feature(
        "authors a post",
        "different authors over posts of the last minute: low where few say much",
        "ratio",
        lambda v: f"{v:.2f} authors a post",
    ),
    "copy_share": _share(
        "copies",
        "posts of the last minute that repeat a text of the last hour, or all of it but a word or two, of all",
    ),
    "platforms": Feature(
        "platforms",
        "platforms with a post in the last minute",
        "count",
        lambda v: f"{v:.0f} platform{'' if round(v) == 1 else 's'}",
    ),
    "top_platform_share": _share(
        "of posts on one platform", "posts of the last minute on the platform that has most, of all"
    ),
    "reach_per_mention_log2": Feature(
        "reach a post",
        "followers or members who may see a post of the last minute, on average",
        "log2(1 + people)",
        lambda v: f"reach {max(2**v - 1, 0):,.0f} a post",
    ),
    "buy_share": _share("buys", "value bought in the last minute, of the value traded"),
    "rush_share": _share(
        "rush orders",
        "trades of the last minute that are one of several fills of a buyer in a millisecond, of all",
    ),
    "turnover": Feature(
        "turnover",
        "value traded in the last minute over the pool's liquidity",
        "ratio",
        lambda v: f"{v:.2g}x the liquidity traded in 1 min",
    ),
    "trades_per_trader": Feature(
        "trades a trader",
        "trades over different traders of the last minute: high where few trade much",
        "ratio",
        lambda v: f"{v:.1f} trades a trader",
    ),
    "return_5m": _price("5 min", "price now over the price five minutes ago"),
    "return_1h": _price("1 h", "price now over the price an hour ago"),
    "mentions_15m": _count("posts in 15 min", "posts in the last quarter of an hour"),
    "traders_15m": _count(
        "traders in 15 min",
        "different traders of each minute of the last quarter of an hour, summed",
    ),
    "age_min": Feature(
        "age", "time since the token was created, a day at most", "minutes, 0 to 1,440", _age
    ),
    "mention_accel": Feature(
        "pace of posts",
        "posts of the last half minute less those of the half before, over the root of their sum",
        DEVIATIONS,
        _accel,
    ),
    "late_share": _share("came late", "records of the last minute that came late, of all"),
    "authors_15m": _count(
        "authors in 15 min",
        "different authors of each minute of the last quarter of an hour, summed",
    ),
    "mentions_mean_1h": _usually("posts"),
    "traders_mean_1h": _usually("traders"),
    "z_mentions_week": _z(
        "posts of a week",
        "posts in the last hour, to a quarter of it, against the hours of the trailing week before it",
    ),
}


def phrase(feature: str, value: float | None) -> str:
    """A feature's value as a person says it; a name that is not known speaks for itself.

    >>> phrase("log2_volume_60s", 10.5), phrase("copy_share", None), phrase("platforms", 1)
    ('$1.45 k traded in 1 min', 'copies unknown', '1 platform')
    >>> phrase("mentions_mean_1h", 2.1), phrase("mention_accel", -1.5)
    ('usually 0.7 posts a minute', 'posts slowing down z 1.5')
    """
    known = FEATURE_WORDS.get(feature)
    if value is None:
        return f"{known.label if known else feature.replace('_', ' ')} unknown"
    return known.phrase(value) if known else f"{feature.replace('_', ' ')} {value:.3g}"
