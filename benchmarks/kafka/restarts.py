"""Workers and brokers that go and come back: how soon a worker has caught up, how long a receiver hears nothing."""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final
from urllib.request import urlopen

import numpy as np

from benchmarks.kafka import feeds
from benchmarks.kafka.backlog import Backlog
from benchmarks.kafka.backlog import Sizes as BacklogSizes
from benchmarks.kafka.cluster import Cluster, fill
from benchmarks.kafka.live import Live
from benchmarks.kafka.process import Process, slowed
from benchmarks.kafka.receiver import Receiver
from benchmarks.kafka.traffic import Traffic
from schemas.topics import MENTIONS, TICKS
from streams.local_kafka.broker import KafkaBroker, free_ports

_NEAR_S: Final = 2.0
"""A worker has caught up that has committed what was there so long ago: it commits once a second."""
_SETTLED_S: Final = 5.0
_FAST_BATCH: Final = 262_144
"""Bytes of a batch of a producer that must be faster than two workers."""
_SHARE: Final = 0.25
"""Of a core for each worker of a pair: two at full speed and a broker want more than two cores."""
_NEARLY_STOPPED: Final = 0.02
"""Enough to be taken for alive while a producer fills the topic."""
_PATIENCE_S: Final = 60.0
_RESTORED: Final = re.compile(r"^goldendog_checkpoint_restore_seconds\{.*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Parameters
    ----------
    per_second : records while a worker is killed.
    calm_per_second : while workers and the broker are restarted one after the other.
    seconds : of calm before, between and after.
    wave_every_s : between waves, which give the receiver something to hear.
    tokens : that are restored.
    pair : ticks that one worker reads, and two.
    pair_runs : of each.
    partitions : of every topic.
    """

    per_second: float = 10_000.0
    calm_per_second: float = 2_000.0
    seconds: float = 20.0
    wave_every_s: float = 1.0
    tokens: int = 100_000
    pair: int = 3_000_000
    pair_runs: int = 3
    partitions: int = 8


FULL: Final = Sizes()
QUICK: Final = Sizes(1_000.0, 500.0, 4.0, 2.0, 2_000, 10_000, 1, 2)


async def kill(
    bootstrap: str, sizes: Sizes, folder: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Kill a worker in mid-work, and start it again at once."""
    live = Live(bootstrap, sizes.partitions, folder)
    async with AsyncExitStack() as stack:
        await live.begin(stack)
        worker = await live.worker(stack, "a")
        traffic = await stack.enter_async_context(
            Traffic(bootstrap, sizes.partitions, sizes.per_second)
        )
        tell(f"{sizes.per_second:,.0f} records a second")
        cluster = Cluster(bootstrap)
        stack.callback(cluster.close)
        await asyncio.sleep(sizes.seconds)
        before_s = await _caught_up(cluster, live.group)
        if before_s is None:  # this machine has not the time for so many
            return {"records_per_s": sizes.per_second, "caught_up_s": None}
        tell("kill -9")
        began, produced = monotonic(), traffic.produced
        worker.kill9()
        again = asyncio.create_task(live.worker(stack, "a"))
        took_s = await _caught_up(cluster, live.group)
        await again
        return {
            "load_1min": round(os.getloadavg()[0], 1),
            "records_per_s": (traffic.produced - produced) / (monotonic() - began),
            "caught_up_s": took_s,
        }


async def _caught_up(cluster: Cluster, group: str) -> float | None:
    """Seconds until what there was a moment ago has been committed; None where it takes too long."""
    began = monotonic()
    ends: deque[tuple[float, int]] = deque()
    while True:
        committed, end = await asyncio.to_thread(_progress, cluster, group)
        now = monotonic()
        ends.append((now, end))
        while len(ends) > 1 and ends[1][0] <= now - _NEAR_S:
            ends.popleft()
        if ends[0][0] <= now - _NEAR_S and committed >= ends[0][1]:
            return max(0.0, now - began - _NEAR_S)
        if now - began > _PATIENCE_S:
            return None
        await asyncio.sleep(0.1)


def _progress(cluster: Cluster, group: str) -> tuple[int, int]:
    topics = (MENTIONS, TICKS)
    committed = sum(cluster.committed(group, topic) for topic in topics)
    return committed, sum(sum(cluster.ends(topic).values()) for topic in topics)


async def rolling(
    broker: KafkaBroker | None,
    bootstrap: str,
    sizes: Sizes,
    folder: Path,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Stop and start two workers, one after the other, and the broker, where it is ours."""
    live = Live(bootstrap, sizes.partitions, folder)
    async with AsyncExitStack() as stack:
        await live.begin(stack)
        workers = {name: await live.worker(stack, name) for name in "ab"}
        await stack.enter_async_context(
            Traffic(
                bootstrap, sizes.partitions, sizes.calm_per_second, wave_every_s=sizes.wave_every_s
            )
        )
        tell("a calm before")
        await asyncio.sleep(sizes.seconds)  # the first waves are not heard of yet
        began = monotonic()
        await asyncio.sleep(sizes.seconds)
        found: dict[str, Any] = {"calm_silence_s": _silence(live.receiver, began)}
        tell("restarting workers")
        began = monotonic()
        for name, worker in workers.items():
            await asyncio.to_thread(worker.stop)
            await live.worker(stack, name)
            await asyncio.sleep(sizes.seconds / 2)
        found["rolling_silence_s"] = _silence(live.receiver, began)
        if broker is not None:
            tell("restarting the broker")
            began = monotonic()
            await asyncio.to_thread(broker.stop)
            await asyncio.to_thread(broker.restart)
            found["broker_down_s"] = monotonic() - began
            await asyncio.sleep(2 * sizes.seconds)
            found["broker_silence_s"] = _silence(live.receiver, began)
        return found | {
            "alerts": len(live.receiver.received),
            "alerts_again": live.receiver.again,
            "load_1min": round(os.getloadavg()[0], 1),
        }


def _silence(receiver: Receiver, began: float) -> float:
    """The longest time without a new alert since then."""
    times = [began, *(each.at for each in receiver.received if each.at > began), monotonic()]
    return max(after - before for before, after in pairwise(times))


def restore(
    bootstrap: str, sizes: Sizes, folder: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Seconds to restore many tokens from the checkpoints of every partition."""
    n = 2 * sizes.tokens
    backlog = Backlog(
        bootstrap, BacklogSizes(n, 1, 0, sizes.partitions, 1), folder, tokens=sizes.tokens
    )
    try:
        tell(f"{sizes.tokens:,} tokens")
        backlog.fill()
        backlog.detect()
        tell("restoring")
        (port,) = free_ports(1)
        group = f"restore-{uuid.uuid4().hex[:8]}"
        with backlog.worker("detect", group, "--http-port", str(port)) as process:
            took = _restore_seconds(process, port, sizes.partitions)
            return {"tokens": sizes.tokens, "seconds": took, "memory_bytes": process.memory()}
    finally:
        backlog.close()


def _restore_seconds(process: Process, port: int, partitions: int) -> float:
    found: list[str] = []

    def told() -> bool:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            found[:] = _RESTORED.findall(answer.read().decode())
        return len(found) == partitions

    process.wait_for(told)
    return sum(map(float, found))


def pair(bootstrap: str, sizes: Sizes, folder: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """One worker, then two, in turn, that have joined before the ticks come: medians of all runs.

    Each has a share of a core of its own, so that the broker is not what limits them, and hardly runs
    before the producer is done; tokens are alike, since a worker takes whole partitions, and the busier
    ones would be what is measured. Rates are of the middle eight tenths, by what is committed.
    """
    ticks = feeds.ticks(sizes.pair, zipf=0.0)
    runs: dict[str, list[float]] = {}
    for number in range(sizes.pair_runs):
        for count, name in ((1, "one"), (2, "two")):
            tell(f"run {number + 1} of {sizes.pair_runs}: {name} of 2 workers")
            backlog = Backlog(bootstrap, BacklogSizes(0, 0, 0, sizes.partitions, 1), folder)
            cpu_s, rate = _together(backlog, count, ticks, sizes.partitions)
            runs.setdefault(f"{name}_cpu_us_per_event", []).append(1e6 * cpu_s)
            runs.setdefault(f"{name}_events_per_s", []).append(rate)
    medians = {name: statistics.median(each) for name, each in runs.items()}
    asked = {
        "ticks": sizes.pair,
        "share": _SHARE,
        "runs": sizes.pair_runs,
        "load_1min": round(os.getloadavg()[0], 1),
    }
    return medians | asked


def _together(
    backlog: Backlog, workers: int, ticks: feeds.Feed, partitions: int
) -> tuple[float, float]:
    """CPU seconds of so many workers for a tick, and ticks a second by the clock."""
    group = f"pair-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        stack.callback(backlog.close)
        backlog.begin(ticks.times[-1] + 1)
        backlog.say_nothing()
        team = [stack.enter_context(backlog.worker("detect", group)) for _ in range(workers)]
        backlog.read_to_end(team[0], group, TICKS)
        sleep(_SETTLED_S)  # the second has its partitions
        with slowed(team, _NEARLY_STOPPED):
            send = fill(backlog.bootstrap, TICKS, ticks, partitions, batch_bytes=_FAST_BATCH)
            asyncio.run(send)
            backlog.end()
        stack.enter_context(slowed(team, _SHARE))
        seen = stack.enter_context(backlog.watched(group, TICKS))
        cpu_s = sum(worker.cpu_s() for worker in team)
        backlog.read_to_end(team[0], group, TICKS)
        cpu_s = sum(worker.cpu_s() for worker in team) - cpu_s
    times, done = zip(*seen, strict=True)
    n = len(ticks.values) - done[0]
    begun, ended = np.interp([done[0] + n / 10, done[0] + 9 * n / 10], done, times).tolist()
    return cpu_s / n, 0.8 * n / (ended - begun)
