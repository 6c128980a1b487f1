"""A worker process for kill tests: notes every record it has handled in a file.

``python -m tests.kafka.worker WHERE TOPIC APP_ID NOTES DELAY_S``; WHERE is a data folder or
``kafka:HOST:PORT``. With POISON in the environment, the handler raises on that value; with BUSY_S it
keeps the main thread busy for so many seconds, once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

import faust
from faust.types import TP

from streams.log.sqlite import SqliteLog
from streams.transport import embedded, kafka
from streams.transport.agents import batch_agent
from streams.transport.app import new_app
from streams.transport.run import run_process

MAX_BATCH = 100  # small, so that a kill falls between batches


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    where, topic, app_id, notes_path, delay_s = sys.argv[1:]
    logging.basicConfig(level=logging.ERROR)
    poison = os.environ.get("POISON", "").encode()
    busy_s = [float(seconds) for seconds in os.environ.get("BUSY_S", "").split()]
    embedded.MAX_BATCH = MAX_BATCH
    log = None if where.startswith("kafka:") else SqliteLog(where)
    notes = os.open(notes_path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

    async def handler(tp: TP, records: Sequence[Any]) -> None:
        if busy_s:
            time.sleep(busy_s.pop())  # noqa: ASYNC251 that is the point
        if poison and any(r.value == poison for r in records):
            raise ValueError("poisoned")
        await asyncio.sleep(float(delay_s))
        lines = b"".join(b"%d %d\n" % (tp.partition, r.offset) for r in records)
        assert os.write(notes, lines) == len(lines)

    def make() -> faust.App:
        if log is None:
            app = new_app(
                app_id,
                where.removeprefix("kafka:"),
                commit_interval_s=0.2,
                session_timeout_s=6.0,
                broker_max_poll_records=MAX_BATCH,
            )
            kafka.install(app)
        else:
            app = new_app(app_id, commit_interval_s=0.2)
            embedded.install(app, log)
        batch_agent(app, topic, handler)
        return app

    async def started(_app: faust.App) -> None:
        say("started")

    try:
        return run_process(make, started=started, say=say)
    finally:
        if log is not None:
            log.close()


if __name__ == "__main__":
    sys.exit(main())
