"""Live traffic: posts and trades at a steady rate, as they happen, with waves that raise alerts."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from contextlib import suppress
from typing import Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaProducer

from benchmarks import resolve
from benchmarks.kafka import feeds
from schemas.tokens import SOLANA_MAINNET
from schemas.topics import MENTIONS, TICKS
from streams.log.partition import partition_of

MENTION_SHARE: Final = 0.7
TURN_S: Final = 0.02
WAVE_S: Final = 40.0
WAVE_RATE: Final = 4
"""Posts a second, and trades a second, of one wave."""
_POOL: Final = 60_000
_SEED: Final = 11


class Sent(NamedTuple):
    """A record of a wave: its token, when it happened, and when the broker had acknowledged it."""

    token: str
    ts_event_ms: int
    acked_at: float


class Traffic:
    """Produces until the block ends.

    Parameters
    ----------
    bootstrap, partitions : where, and of each topic.
    per_second : records, 70 % of them posts.
    wave_every_s : seconds between the starts of waves; None for none.
    tokens : that trade.
    """

    def __init__(
        self,
        bootstrap: str,
        partitions: int,
        per_second: float,
        *,
        wave_every_s: float | None = None,
        tokens: int = 5_000,
    ) -> None:
        self._bootstrap = bootstrap
        self._partitions = partitions
        self._per_second = per_second
        self._wave_every_s = wave_every_s
        self._tokens = tokens
        self.produced = 0
        self.sent: list[Sent] = []
        self._waves: dict[str, float] = {}
        self._n = 0

    async def __aenter__(self) -> Self:
        self._ticks = _without_times(feeds.ticks(_POOL, self._tokens))
        self._mentions = _without_times(feeds.mentions(_POOL))
        self._producer: Any = AIOKafkaProducer(bootstrap_servers=self._bootstrap, linger_ms=5)
        await self._producer.start()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self._producer.stop()

    async def _run(self) -> None:
        rng = random.Random(_SEED)
        began = turn = time.monotonic()
        wave_at = began
        while True:
            due = int((turn - began) * self._per_second) - self.produced
            if self._wave_every_s is not None and turn >= wave_at:
                wave_at += self._wave_every_s
                self._waves[f"{SOLANA_MAINNET}/token:{resolve.mint(rng)}"] = turn
            due -= await self._say_waves(turn, rng)
            for _ in range(due):
                await self._one(rng)
            turn += TURN_S
            await asyncio.sleep(max(0.0, turn - time.monotonic()))

    async def _one(self, rng: random.Random) -> None:
        self._n += 1
        if rng.random() < MENTION_SHARE:
            _, (head, tail) = self._mentions[self._n % _POOL]
            await self._send(MENTIONS, b"m%d" % self._n, head, tail)
        else:
            key, (head, tail) = self._ticks[self._n % _POOL]
            await self._send(TICKS, key, head, tail)

    async def _send(self, topic: str, key: bytes, head: bytes, tail: bytes) -> tuple[Any, int]:
        now_ms = time.time_ns() // 1_000_000
        value = b'%s"id":"n%d","ts_event_ms":%d%s' % (head, self._n, now_ms, tail)
        self.produced += 1
        p = partition_of(key, self._partitions)
        return await self._producer.send(topic, value, key=key, partition=p), now_ms

    async def _say_waves(self, turn: float, rng: random.Random) -> int:
        """Send this turn's share of every wave that is under way; how many records."""
        n = 0
        for token, began in list(self._waves.items()):
            if turn - began > WAVE_S:
                del self._waves[token]
                continue
            for topic in (MENTIONS, TICKS):
                if rng.random() >= WAVE_RATE * TURN_S:
                    continue
                n += 1
                self._n += 1
                head, tail = _of_wave(topic, token, turn - began, rng)
                key = token.encode() if topic == TICKS else b"w%d" % self._n
                future, ts_ms = await self._send(topic, key, head, tail)
                future.add_done_callback(
                    lambda _, token=token, ts_ms=ts_ms: self.sent.append(
                        Sent(token, ts_ms, time.monotonic())
                    )
                )
        return n

    def by_token(self) -> dict[str, list[Sent]]:
        """What waves sent."""
        found: dict[str, list[Sent]] = defaultdict(list)
        for each in self.sent:
            found[each.token].append(each)
        return found


def _of_wave(topic: str, token: str, at_s: float, rng: random.Random) -> tuple[bytes, bytes]:
    who = rng.getrandbits(40)
    if topic == MENTIONS:
        words = (f"{rng.getrandbits(30):x}" for _ in range(10))  # no copy of another post
        text = f"{' '.join(words)} ca {token.rsplit(':', 1)[1]}"
        reach = rng.randrange(50_000)
        tail = f',"platform":"x","author_id":"w{who}","text":"{text}","reach":{reach}}}'
        return b'{"type":"mention",', tail.encode()
    price, value = 0.001 * 1.02**at_s, rng.lognormvariate(5, 1)
    tail = (
        f',"token":"{token}","price_usd":{price:.9g},"value_usd":{value:.2f},"side":"buy",'
        f'"trader_id":"t{who}"}}'
    )
    return b'{"type":"tick",', tail.encode()


def _without_times(feed: feeds.Feed) -> list[tuple[bytes, tuple[bytes, bytes]]]:
    """Keys, and values around id and event time, which are new each time a value is sent."""
    return list(zip(feed.keys, map(_around, feed.values), strict=True))


def _around(value: bytes) -> tuple[bytes, bytes]:
    start = value.index(b'"id":')
    end = value.index(b",", value.index(b'"ts_event_ms":'))
    return value[:start], value[end:]
