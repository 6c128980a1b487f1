"""A backlog on a real broker, read to its end: goldendog's workers and their peers on the same topics."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic, sleep
from typing import Any, Final

import numpy as np

from benchmarks.kafka import feeds, quix
from benchmarks.kafka.cluster import Cluster, fill, tell_silence
from benchmarks.kafka.process import ROOT, Process, goldendog, running
from benchmarks.workload import T0_MS
from detectors.resolved import pack_columns
from schemas.topics import ALERTS, CONTROL, MENTIONS, RESOLVED, TICKS, TOKEN_INFO
from streams.kafka.log import KafkaLog
from streams.log.base import Item

PER_SECOND: Final = 2_000.0
_TAIL_MS: Final = 60_000
_POLL_S: Final = 0.05
_PEER: Final = "benchmarks.kafka.peers"


@dataclass(frozen=True)
class Sizes:
    """How much is read.

    Parameters
    ----------
    ticks, mentions : of the backlog.
    faust : of the ticks, what a stock agent gets: a record costs it the same, first or last.
    partitions : of every topic.
    runs : of each row, interleaved.
    """

    ticks: int = 600_000
    mentions: int = 300_000
    faust: int = 60_000
    partitions: int = 8
    runs: int = 3


FULL: Final = Sizes()
QUICK: Final = Sizes(20_000, 10_000, 2_000, 2, 1)


def measure(
    bootstrap: str, sizes: Sizes, folder: Path, tell: Callable[[str], None], *, with_quix: bool
) -> dict[str, Any]:
    """Fill the topics, run each row in turn, ``runs`` times; rates in records a CPU second."""
    backlog = Backlog(bootstrap, sizes, folder)
    python, about_quix = None, "left out: not asked for"
    if with_quix:
        tell("installing quixstreams")
        python, about_quix = quix.install(folder / "quix")
    try:
        tell("filling topics")
        bytes_each = backlog.fill()
        rows: dict[str, Callable[[], dict[str, float]]] = {
            "detect": backlog.detect,
            "resolve": backlog.resolve,
            "faust_decode": lambda: backlog.peer("faust_agent", "decode", sizes.faust),
            "faust_scores": lambda: backlog.peer("faust_agent", "scores", sizes.faust),
        }
        if python is not None:
            # to the end of the topic: its library fetches far ahead, in threads of its own
            rows["quix_decode"] = lambda: backlog.peer("quix_app", "decode", sizes.ticks, python)
            rows["quix_scores"] = lambda: backlog.peer("quix_app", "scores", sizes.ticks, python)
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in rows}
        for number in range(sizes.runs):
            for name, run in rows.items():
                tell(f"run {number + 1} of {sizes.runs}: {name}")
                runs[name].append(run())
    finally:
        backlog.close()
    return summary(runs, about_quix) | bytes_each


def summary(runs: dict[str, list[dict[str, float]]], about_quix: str) -> dict[str, Any]:
    """Rates of each row, and detect's by those of the peers."""
    rows = {}
    for name, each in runs.items():
        rates = [run["records"] / run["cpu_s"] for run in each]
        rows[name] = {
            "records": each[0]["records"],
            "records_per_cpu_s": statistics.median(rates),
            "least": min(rates),
            "most": max(rates),
            "cores": statistics.median(run["cpu_s"] / run["wall_s"] for run in each),
        }
    detect = rows["detect"]["records_per_cpu_s"]
    ratios = {
        f"detect_to_{name}": detect / row["records_per_cpu_s"]
        for name, row in rows.items()
        if name.startswith(("faust", "quix"))
    }
    return {"rows": rows, "ratios": ratios, "quixstreams": about_quix}


class Backlog:
    """Topics full of ticks and mentions of recorded time, and who reads them.

    Parameters
    ----------
    bootstrap : broker.
    sizes : how much.
    folder : for files of ours and of the processes.
    tokens : that trade.
    """

    def __init__(self, bootstrap: str, sizes: Sizes, folder: Path, *, tokens: int = 5_000) -> None:
        self._cluster = Cluster(bootstrap)
        self._tokens = tokens
        self.bootstrap = bootstrap
        self._sizes = sizes
        self._folder = folder
        self._lexicon = folder / "lexicon.json"

    def close(self) -> None:
        """End the connection."""
        self._cluster.close()

    def fill(self) -> dict[str, float]:
        """Make the topics and fill them; mean bytes of a record of each."""
        sizes = self._sizes
        ticks = feeds.ticks(sizes.ticks, self._tokens, PER_SECOND)
        mentions = feeds.mentions(sizes.mentions, per_second=PER_SECOND)
        self.begin(max(ticks.times[-1], mentions.times[-1]) + _TAIL_MS)
        asyncio.run(fill(self.bootstrap, TICKS, ticks, sizes.partitions))
        asyncio.run(fill(self.bootstrap, MENTIONS, mentions, sizes.partitions))
        self.end()
        return {
            "bytes_per_tick": sum(map(len, ticks.values)) / sizes.ticks,
            "bytes_per_mention": sum(map(len, mentions.values)) / sizes.mentions,
        }

    def begin(self, end_ms: int) -> None:
        """Make the topics of a log that lasts until then."""
        self._end_ms = end_ms
        self._lexicon.write_text(feeds.lexicon_text(), "utf-8")
        self._cluster.create(self._sizes.partitions, log_start_ms=T0_MS)

    def end(self) -> None:
        """Say in every input that the log lasts until its end."""
        inputs = (MENTIONS, TICKS, TOKEN_INFO, CONTROL)
        asyncio.run(tell_silence(self.bootstrap, inputs, self._end_ms))

    def detect(self) -> dict[str, float]:
        """Ticks to alerts, with the mentions silent; checkpoints as by default."""
        self._cluster.forget_state()
        self._cluster.drop(ALERTS)
        self._cluster.drop(RESOLVED)
        self.say_nothing()
        return self._worker("detect", TICKS, self._sizes.ticks)

    def resolve(self) -> dict[str, float]:
        """Raw mentions to resolved batches."""
        self._cluster.drop(RESOLVED)
        return self._worker("resolve", MENTIONS, self._sizes.mentions)

    def peer(
        self, module: str, what: str, n: int, python: str = sys.executable
    ) -> dict[str, float]:
        """One of the peers over the first so many ticks of the topic."""
        group = f"peer-{uuid.uuid4().hex[:8]}"
        args = [self.bootstrap, TICKS, group, str(n), what]
        done = subprocess.run(
            [python, "-m", f"{_PEER}.{module}", *args],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=600,
            env=os.environ | {"FAUST_DATADIR": str(self._folder / group)},
        )  # fmt: skip
        for line in done.stdout.splitlines():
            if line.startswith("{"):
                told: dict[str, float] = json.loads(line)
                return told
        raise RuntimeError(f"{module} {what} told nothing: {done.stderr[-1_000:]}")

    def say_nothing(self) -> None:
        """Resolved topic: every partition of mentions is read to its end, and named no token."""
        asyncio.run(self._say_nothing())

    async def _say_nothing(self) -> None:
        async with KafkaLog(self.bootstrap) as log:
            for u in range(self._sizes.partitions):
                value = pack_columns(
                    None, np.empty(0, np.int64),
                    topic=MENTIONS, partition=u, from_offset=0,
                    through_offset=await log.end_offset(MENTIONS, u) - 1,
                    through_log_ms=self._end_ms, log_start_ms=T0_MS,
                    lexicon=feeds.lexicon().sha256,
                )  # fmt: skip
                for p in range(self._sizes.partitions):
                    await log.append(RESOLVED, p, [Item(None, value)])

    @contextmanager
    def worker(self, role: str, group: str, *more: str) -> Iterator[Process]:
        """A worker of one role; it works when the block begins."""
        folder = self._folder / f"{group}-{uuid.uuid4().hex[:8]}"
        command = goldendog(
            "run", "--bootstrap", self.bootstrap, "--data-dir", str(folder), "--role", role,
            "--lexicon", str(self._lexicon), "--json", *more,
        )  # fmt: skip
        with running(command, folder, {"GOLDENDOG_KAFKA__GROUP": group}) as process:
            process.wait_for(lambda: process.said("working on"))
            yield process

    def _worker(self, role: str, topic: str, n: int) -> dict[str, float]:
        """From the worker's start, its imports and kernels loaded, to the last record committed.

        What restoring, joining and the wait for the last commit cost is in it.
        """
        group = f"{role}-{uuid.uuid4().hex[:8]}"
        with self.worker(role, group) as process:
            cpu_s, began = process.cpu_s(), monotonic()
            self.read_to_end(process, group, topic)
            told = {
                "records": n,
                "cpu_s": process.cpu_s() - cpu_s,
                "wall_s": monotonic() - began,
            }
            process.stop()
        return told

    @contextmanager
    def watched(self, group: str, topic: str) -> Iterator[list[tuple[float, int]]]:
        """When a group had committed how much of a topic: a list that grows while the block runs.

        It has what was committed when the block began, and when it ended.
        """
        cluster = Cluster(self.bootstrap)
        seen = [(monotonic(), cluster.committed(group, topic))]
        over = Event()

        def look() -> None:
            ended = False
            while not ended:
                ended = over.wait(_POLL_S)
                done = cluster.committed(group, topic)
                if done > seen[-1][1]:
                    seen.append((monotonic(), done))
            cluster.close()

        watch = Thread(target=look)
        watch.start()
        try:
            yield seen
        finally:
            over.set()
            watch.join()

    def read_to_end(self, process: Process, group: str, topic: str) -> None:
        """Wait until a group has committed all that there is of a topic."""
        end = sum(self._cluster.ends(topic).values())
        process.wait_for(lambda: self._at_end(group, topic, end))

    def _at_end(self, group: str, topic: str, end: int) -> bool:
        sleep(_POLL_S)
        return self._cluster.committed(group, topic) >= end
