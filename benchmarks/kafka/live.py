"""Live workers on a real broker: what a trickle costs, and how soon a receiver hears of a wave."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time_ns
from typing import Any, Final

import numpy as np

from benchmarks.kafka import feeds
from benchmarks.kafka.cluster import Cluster
from benchmarks.kafka.process import Process, goldendog, running
from benchmarks.kafka.receiver import Received, Receiver
from benchmarks.kafka.traffic import Traffic

BAR_MS: Final = 5_000
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True)
class Sizes:
    """How much is measured.

    Parameters
    ----------
    per_second : records of the trickle.
    warm_s, seconds : before, and while it is measured.
    wave_every_s : between waves.
    partitions : of every topic.
    """

    per_second: float = 2_000.0
    warm_s: float = 20.0
    seconds: float = 60.0
    wave_every_s: float = 1.5
    partitions: int = 8


FULL: Final = Sizes()
QUICK: Final = Sizes(500.0, 3.0, 25.0, 4.0, 2)


class Live:
    """Topics of live traffic, workers with every role, and who receives their alerts.

    Parameters
    ----------
    bootstrap : broker.
    partitions : of every topic.
    folder : for files of ours and of the processes.
    """

    def __init__(self, bootstrap: str, partitions: int, folder: Path) -> None:
        self.bootstrap = bootstrap
        self.partitions = partitions
        self.group = f"live-{uuid.uuid4().hex[:8]}"
        self._folder = folder
        self._lexicon = folder / "live-lexicon.json"
        self._config = folder / f"{self.group}.toml"
        self.receiver = Receiver()

    async def begin(self, stack: AsyncExitStack) -> None:
        """Make the topics, whose log began two days ago in silence, and open the receiver."""
        await stack.enter_async_context(self.receiver)
        self._lexicon.write_text(feeds.lexicon_text(), "utf-8")
        self._config.write_text(self.receiver.config(), "utf-8")
        start_ms = time_ns() // 1_000_000 - 2 * _DAY_MS
        cluster = Cluster(self.bootstrap)
        await asyncio.to_thread(
            cluster.create, self.partitions, log_start_ms=start_ms, recorded=False
        )
        cluster.close()

    async def worker(self, stack: AsyncExitStack, name: str) -> Process:
        """Start a worker with every role; it works when this returns."""
        folder = self._folder / f"{self.group}-{name}"
        command = goldendog(
            "run", "--bootstrap", self.bootstrap, "--data-dir", str(folder),
            "--lexicon", str(self._lexicon), "--config", str(self._config), "--json",
        )  # fmt: skip
        process = stack.enter_context(
            running(
                command,
                folder,
                {
                    "GOLDENDOG_KAFKA__GROUP": self.group,
                    "GOLDENDOG_KAFKA__INSTANCE_ID": f"{self.group}-{name}",
                },
            )
        )
        await asyncio.to_thread(process.wait_for, lambda: process.said("working on"))
        return process


async def trickle(
    bootstrap: str, sizes: Sizes, folder: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """One worker's share of a core, and how long alerts are under way."""
    live = Live(bootstrap, sizes.partitions, folder)
    async with AsyncExitStack() as stack:
        await live.begin(stack)
        tell("starting a worker")
        worker = await live.worker(stack, "a")
        traffic = await stack.enter_async_context(
            Traffic(bootstrap, sizes.partitions, sizes.per_second, wave_every_s=sizes.wave_every_s)
        )
        tell(f"{sizes.per_second:,.0f} records a second")
        await asyncio.sleep(sizes.warm_s)
        cpu_s, produced, began = worker.cpu_s(), traffic.produced, monotonic()
        await asyncio.sleep(sizes.seconds)
        took = monotonic() - began
        used = worker.cpu_s() - cpu_s
        rate = (traffic.produced - produced) / took
        received = [each for each in live.receiver.received if each.at > began]
        waits = latencies(received, traffic)
        return {
            "load_1min": round(os.getloadavg()[0], 1),
            "records_per_s": rate,
            "cpu_share": used / took,
            "memory_bytes": worker.memory(),
            "alerts": len(received),
            "alerts_again": live.receiver.again,
            "latency_records": len(waits),
            "latency_s": {
                name: float(np.percentile(waits, share)) if len(waits) else None
                for name, share in (("p50", 50), ("p90", 90), ("p99", 99), ("most", 100))
            },
        }


def latencies(received: list[Received], traffic: Traffic) -> list[float]:
    """Seconds from the acknowledgement of each record to the alert that its bar raised."""
    sent = traffic.by_token()
    return [
        alert.at - each.acked_at
        for alert in received
        for each in sent.get(alert.token, ())
        if alert.bar_end_ms - BAR_MS <= each.ts_event_ms < alert.bar_end_ms
    ]
