"""kill -9 of the process that delivers, again and again: what was kept is sent, once by id."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from tests.helpers.door import SECRET, receiver

_CHILD = """
import asyncio, sys
import structlog
from pathlib import Path
from streams.sinks.webhook.dispatcher import Dispatcher, wall_clock_ms
from streams.sinks.webhook.outbox import Outbox
from streams.sinks.webhook.settings import EndpointSettings
from tests.helpers.door import alert

async def main(path, url, secret, first, count):
    desk = EndpointSettings.of({"name": "desk", "url": url, "secret": secret,
                                "allow_private": True, "max_per_day": 1_000_000})
    async with Dispatcher(Outbox(Path(path)), [desk], jitter=lambda: 0.0) as dispatcher:
        for i in range(first, first + count):
            # Offered twice, as a dispatcher that was killed before it noted its place would.
            for j in (max(i - 1, 0), i):
                await dispatcher.offer([alert(f"n{j}", wall_clock_ms(), 1.0)])
            print(i, flush=True)
        await dispatcher.settle()
        print("settled", flush=True)

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
path, url, secret, first, count = sys.argv[1:]
asyncio.run(main(path, url, secret, int(first), int(count)))
"""


async def test_nothing_kept_is_lost_and_ids_never_change(tmp_path: Path) -> None:
    rng = random.Random(7)
    kept: list[int] = []
    async with receiver() as r:

        async def child(first: int, count: int) -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _CHILD, str(tmp_path / "o.sqlite"), r.url, SECRET),
                *(str(first), str(count)),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            )

        for _ in range(6):
            r.script = [500 if rng.random() < 0.5 else 204 for _ in range(rng.randrange(30))]
            process = await child(len(kept), 10_000)
            assert process.stdout is not None
            lines = [await process.stdout.readline() for _ in range(rng.randrange(1, 12))]
            kept.extend(map(int, lines))
            await asyncio.sleep(rng.random() * 0.05)
            process.send_signal(signal.SIGKILL)
            rest = (await process.stdout.read()).split()  # what it kept before it died
            kept.extend(map(int, rest))
            assert await process.wait() == -signal.SIGKILL
        assert len(kept) >= 6
        r.script = []
        process = await child(len(kept), 1)
        assert process.stdout is not None
        said = (await process.stdout.read()).split()
        assert await process.wait() == 0
        assert said[-1] == b"settled"
        kept.append(int(said[0]))
        assert set(r.ids) >= {f"gd_n{i}" for i in kept}
        bodies = {(g.id, g.body) for g in r.got}
        assert len(bodies) == len(
            set(r.ids)
        )  # a retry after the kill sends the bytes that were kept
        for got in r.got:
            got.verify()
