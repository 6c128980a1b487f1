"""What ``append`` called durable outlives kill -9, whole."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import textwrap
from collections import defaultdict
from pathlib import Path

from streams.log.sqlite import SqliteLog
from streams.log.sqlite_reader import open_readonly

WRITER = textwrap.dedent(
    """
    import asyncio, sys
    from streams.log.base import Item
    from streams.log.sqlite import SqliteLog

    async def produce(log, partition):
        batch = log.end_of("t", partition) // 7
        while True:
            value = b"%d" % batch
            offsets = await log.append("t", partition, [Item(b"k", value)] * 7)
            await log.append("c", 0, [Item(b"%d" % partition, value)])
            print(partition, offsets[-1], flush=True)
            batch += 1

    async def main():
        with SqliteLog(sys.argv[1]) as log:
            log.create_topic("t", 4)
            log.create_topic("c", 1, compacted=True)
            print("ready", flush=True)
            await asyncio.gather(*(produce(log, p) for p in range(4)))

    asyncio.run(main())
    """
)


def test_kill_nine(tmp_path: Path) -> None:
    rng = random.Random(7)
    confirmed: dict[int, int] = defaultdict(lambda: -1)
    for _ in range(8):
        lines = rng.randrange(5, 120)
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", WRITER, tmp_path],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(lines):
            partition, offset = map(int, process.stdout.readline().split())
            confirmed[partition] = offset
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:  # what it confirmed before the signal reached it
            partition, offset = map(int, line.split())
            confirmed[partition] = offset
        process.wait()
        process.stdout.close()
        check(tmp_path, confirmed)
    SqliteLog(tmp_path).close()
    check(tmp_path, confirmed)


def check(folder: Path, confirmed: dict[int, int]) -> None:
    with open_readonly(folder) as log:
        stamps = []
        for partition in range(4):
            records = list(log.iter_topic("t", partition))
            assert len(records) > confirmed[partition]
            assert len(records) % 7 == 0  # a batch is there whole or not at all
            assert [r.offset for r in records] == list(range(len(records)))
            assert [r.value for r in records] == [b"%d" % (n // 7) for n in range(len(records))]
            times = [r.timestamp for r in records]
            assert times == sorted(times)
            stamps += times
        keys = [r.key for r in log.iter_topic("c", 0)]
        assert len(keys) == len(set(keys)) == 4
        assert min(stamps) >= log.log_start_ms
