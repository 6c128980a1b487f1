"""goldendog on a real broker, as an operator runs it: its commands, its workers, what it wrote."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from itertools import islice
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from kafka.admin import KafkaAdminClient

from schemas.decode import encode_record
from schemas.records import Heartbeat, Record
from schemas.topics import ALERTS, TOPICS
from streams.cli.main import exit_code
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from streams.scenario.rednote import rednote
from streams.sources.places import Place, key_of, places_of

ROOT = Path(__file__).parents[2]
FROM_MS = 1_736_830_800_000  # 14 January 2025, 05:00 UTC: the wave of RedNote begins
HOURS = 12
PATIENCE_S = 120.0
CLEAR_TIMEOUT_S = 30.0


def scenario(hours: float = HOURS) -> list[Record]:
    """Some hours of the wave, as a log of its own."""
    end = FROM_MS + round(hours * 3_600_000)
    middle = [r for r in rednote() if FROM_MS <= (r.ts_log_ms or 0) < end]
    return [
        Heartbeat("begin", FROM_MS, log_start_ms=FROM_MS, ts_log_ms=FROM_MS),
        *middle,
        Heartbeat("end", end, ts_log_ms=end),
    ]


def goldendog(*args: str) -> list[str]:
    """The command line of ``goldendog`` with these arguments; run it with ``cwd=ROOT``."""
    return [sys.executable, "-m", "streams.cli.main", *args]


def command(*args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run ``goldendog`` to its end, which must be exit ``code``."""
    done = subprocess.run(goldendog(*args), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


async def asked(*args: str, code: int = 0) -> Any:
    """What ``goldendog ... --json`` prints, without a process of its own; it must be exit ``code``."""

    def run() -> str:
        with redirect_stdout(io.StringIO()) as out:
            assert exit_code([*args, "--json"]) == code
        return out.getvalue()

    return json.loads(await asyncio.to_thread(run))


@contextmanager
def worker(bootstrap: str, folder: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """A ``goldendog run`` process, killed at the end; what it logs is in ``folder/worker.log``."""
    args = ("--bootstrap", bootstrap, "--data-dir", str(folder), *more)
    with (folder / "worker.log").open("a") as log:
        process = subprocess.Popen(
            goldendog("run", *args, "--json"),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"GOLDENDOG_CONFIG": ""},
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def ready(port: int) -> dict[str, Any]:
    """What a worker's ``/readyz`` tells, once it is ready."""
    until = monotonic() + PATIENCE_S
    told: dict[str, Any] = {}
    while not told.get("ready"):
        assert monotonic() < until, told
        sleep(0.2)
        with suppress(OSError, http.client.HTTPException):
            door = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            door.request("GET", "/readyz")
            told = json.loads(door.getresponse().read())
            door.close()
    return told


async def produce(log: KafkaLog, records: Sequence[Record]) -> None:
    """Each record its own message, in order, a batch of every partition at a time."""
    counts = {spec.name: await log.partitions(spec.name) for spec in TOPICS if spec.raw_input}
    source = iter(records)
    while chunk := list(islice(source, 4_000)):
        piles: dict[Place, list[Item]] = defaultdict(list)
        for record in chunk:
            item = Item(key_of(record), encode_record(record), record.ts_log_ms)
            for place in places_of(record, counts):
                piles[place].append(item)
        await asyncio.gather(*(log.append(*place, items) for place, items in piles.items()))


async def alerts_in(log: KafkaLog, partitions: int) -> list[bytes]:
    """Every alert of the topic, one partition after the other."""
    found: list[bytes] = []
    for p in range(partitions):
        offset = await log.start_offset(ALERTS, p)
        while records := await log.read(ALERTS, p, offset):
            found += [record.value or b"" for record in records]
            offset = records[-1].offset + 1
    return found


def clear(bootstrap: str) -> None:
    """Delete goldendog's topics, and wait until they are gone."""
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        ours = {spec.name for spec in TOPICS}
        if there := ours & set(admin.list_topics()):
            admin.delete_topics(sorted(there))
        until = monotonic() + CLEAR_TIMEOUT_S
        while ours & set(admin.list_topics()):
            assert monotonic() < until
    finally:
        admin.close()
