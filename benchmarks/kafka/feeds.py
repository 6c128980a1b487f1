"""Records as producers send them, one JSON event a message: trades, and posts of the resolver's mix."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from benchmarks import resolve
from benchmarks.workload import T0_MS
from detectors.resolve.lexicon import Lexicon
from streams.log.base import LogRecord

MIX: Final = (("english", 0.5), ("chinese", 0.3), ("cashtag", 0.15), ("address", 0.05))
_SEED: Final = 7
_POOL: Final = 20_000


class Feed(NamedTuple):
    """N values of one topic in log order, with the token or id that keys each, and its log time."""

    keys: list[bytes]
    values: list[bytes]
    times: list[int]

    def records(self, topic: str, partition: int = 0) -> list[LogRecord]:
        """All of it as one partition, as a fetch brings it."""
        rows = zip(self.keys, self.values, self.times, strict=True)
        return [LogRecord(topic, partition, i, t, k, v) for i, (k, v, t) in enumerate(rows)]


def ticks(n: int, tokens: int = 5_000, per_second: float = 2_000.0, *, zipf: float = 1.1) -> Feed:
    """Trades of about 200 bytes, busy by Zipf's law (0: all alike), so many a second of log time."""
    rng = np.random.default_rng(_SEED)
    weights = 1.0 / np.arange(1, tokens + 1) ** zipf
    which = rng.choice(tokens, n, p=weights / weights.sum())
    which[: min(n, tokens)] = np.arange(min(n, tokens))  # each trades once, soon
    names = [
        f"eip155:1/erc20:0x{number * 0x9E3779B97F4A7C15:040x}"[:57] for number in range(tokens)
    ]
    price = (0.0001 * np.exp2(rng.normal(0, 0.01, n).cumsum() * 0.01 + which % 7)).tolist()
    value = np.round(rng.lognormal(3.5, 1.3, n), 2).tolist()
    sell = (rng.random(n) < 0.5).tolist()
    who = (rng.random(n) ** 2 * 9e7).astype(int).tolist()
    times = (T0_MS + np.arange(n) * 1000 / per_second).astype(np.int64).tolist()
    keys = [names[t].encode() for t in which.tolist()]
    values = [
        b'{"type":"tick","id":"t%011d","ts_event_ms":%d,"token":"%s","price_usd":%.9g,"value_usd":%.2f,'
        b'"side":"%s","trader_id":"w%08d"}'
        % (i, times[i], keys[i], price[i], value[i], b"sell" if sell[i] else b"buy", who[i])
        for i in range(n)
    ]
    return Feed(keys, values, times)


def lexicon_text() -> str:
    """5,000 aliases of 2,500 tokens, 30 % of them Chinese."""
    return resolve.lexicon_text()


def lexicon() -> Lexicon:
    """The same, parsed."""
    return Lexicon.parse(lexicon_text())


def mentions(n: int, per_second: float = 2_000.0) -> Feed:
    """Posts of the resolver benchmark's mix, 30 % Chinese, each its own message."""
    import msgspec

    encode = msgspec.json.Encoder().encode
    rng = random.Random(_SEED)
    texts = resolve.posts(_POOL)
    pool = [text for kind, share in MIX for text in texts[kind][: int(share * _POOL)]]
    rng.shuffle(pool)
    times = (T0_MS + np.arange(n) * 1000 / per_second).astype(np.int64).tolist()
    ids = [f"m{i:011d}".encode() for i in range(n)]
    values = [
        encode(
            {
                "type": "mention",
                "id": ids[i].decode(),
                "ts_event_ms": times[i],
                "platform": "x",
                "author_id": f"user{rng.randrange(500_000)}",
                "text": pool[i % _POOL],
                "reach": rng.randrange(10_000),
            }
        )
        for i in range(n)
    ]
    return Feed(ids, values, times)


def batches(records: list[LogRecord], size: int) -> Iterator[list[LogRecord]]:
    """Runs of so many records."""
    for start in range(0, len(records), size):
        yield records[start : start + size]
