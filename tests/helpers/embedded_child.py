"""A program that runs the embedded run and is killed: forks, so that each start costs no imports.

Reads a plan from its arguments, prints one JSON object: what the kills hit, and the alerts that
stand in the log after the last, undisturbed run.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()

from detectors.columns import columns_of  # noqa: E402 the cache folder comes first
from schemas.records import Tick  # noqa: E402
from streams.embedded import EmbeddedOptions, run_embedded  # noqa: E402
from streams.log.sqlite import SqliteLog  # noqa: E402
from streams.sources import feed  # noqa: E402
from streams.sources.files import records_of_files  # noqa: E402
from streams.transport import embedded  # noqa: E402
from streams.worker.detect import Cadence  # noqa: E402
from tests.helpers.logs import SETTINGS, T0, TOKENS  # noqa: E402
from tests.helpers.models import crowd_model  # noqa: E402
from tests.helpers.pump import make_engine  # noqa: E402


def options_of(folder: Path, partitions: int) -> EmbeddedOptions:
    return EmbeddedOptions(
        folder,
        recorded_time=True,
        partitions=partitions,
        mention_partitions=partitions,
        model=crowd_model(),
        settings=SETTINGS,
        cadence=Cadence(records=150, seconds=1e9),
    )


async def run_to_end(options: EmbeddedOptions, file: Path) -> None:
    async with run_embedded(options) as run:
        await run.feed(records_of_files([file]), str(file))
        await run.finish()


def die_at_write(n: int, *, after: bool) -> None:
    """Have this process killed at its n-th write to the log, before or after it is durable."""
    left = n
    submit = SqliteLog._submit

    async def mortal(self: SqliteLog, *args: object) -> object:
        nonlocal left
        left -= 1
        if left == 0 and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = await submit(self, *args)
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    SqliteLog._submit = mortal


def child(options: EmbeddedOptions, file: Path, writes: int | None, *, after: bool) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        feed.BATCH, embedded.MAX_BATCH = 60, 90  # many small steps to die between
        if writes is not None:
            die_at_write(writes, after=after)
        asyncio.run(run_to_end(options, file))
    except BaseException as error:  # noqa: BLE001 the parent must hear of it
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def main() -> None:
    folder, file, seed, kills, partitions = (
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        *map(int, sys.argv[3:6]),
    )
    rng = np.random.default_rng(seed)
    warm = make_engine(["warm"])
    tick = Tick("t", T0, TOKENS[0], 1, 1, "buy", "w")
    warm.push("warm", columns_of([tick], [T0]), 0, T0, T0)
    warm.push("warm", None, 1, T0 + 60_000)
    options = options_of(folder, partitions)
    hit, done = 0, False
    while hit < kills and not done:
        by_clock = hit % 2 == 1
        writes = None if by_clock else int(rng.integers(1, 25))
        pid = child(options, file, writes, after=bool(rng.integers(2)))
        if by_clock:
            time.sleep(float(rng.uniform(0.02, 0.4)))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        hit += os.WIFSIGNALED(status)
        done = not os.WIFSIGNALED(status)
        if done and os.waitstatus_to_exitcode(status):
            sys.exit("a run failed by itself")
    status = os.waitpid(child(options, file, None, after=False), 0)[1]
    if os.waitstatus_to_exitcode(status):
        sys.exit("the last run failed by itself")
    print(json.dumps({"killed": hit}))


if __name__ == "__main__":
    main()
