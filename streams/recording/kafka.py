"""Recording the topics of a broker, until their ends or a signal."""

from __future__ import annotations

import asyncio
import signal
from asyncio import to_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aiokafka.errors import KafkaError

from schemas.errors import StateError, UserError
from streams.kafka.admin import topic_ids
from streams.kafka.connection import Connection
from streams.kafka.log import KafkaLog
from streams.kafka.reach import BrokerDownError
from streams.operate.opened import opened
from streams.progress_line import progress_line
from streams.recording.layout import Recorded, recorded_to
from streams.recording.record import Recorder, Tale


@dataclass(frozen=True)
class Wanted:
    """What to record: topics, log times (``to_ms`` excluded), and how often files are written.

    ``roll_s`` is None where it goes to the topics' present ends, and no further.
    """

    topics: tuple[str, ...]
    from_ms: int | None = None
    to_ms: int | None = None
    roll_s: float | None = None


async def record_kafka(
    where: Connection, folder: Path, wanted: Wanted, say: Callable[[str], None]
) -> Tale:
    """Record into a folder; what was done. Raises UserError where that cannot be."""
    found = await to_thread(topic_ids, where, wanted.topics)
    if missing := [name for name in wanted.topics if name not in found]:
        raise UserError(
            f"the broker has no topic {', '.join(missing)}", "name others, or create them first"
        )
    topics = {name: Recorded(*found[name]) for name in wanted.topics}
    with recorded_to(folder), _until_signal(say) as stop:
        async with opened(where) as log:
            assert isinstance(log, KafkaLog)
            connect = partial(_connect, log)
            recorder = Recorder(log, folder, topics, say=say, stop=stop, connect=connect)
            from_ms = wanted.from_ms
            firsts = {} if from_ms is None else {
                place: await log.offset_at(*place, from_ms) for place in recorder.fresh
            }  # fmt: skip
            await recorder.begin(firsts)
            await _record(recorder, log, topics, wanted)
    return recorder.tale


async def _connect(log: KafkaLog) -> None:
    """Leave, and come again: a fresh client knows nothing of what went wrong."""
    try:
        await log.stop()
        await log.start()
    except (KafkaError, BrokerDownError) as error:
        raise StateError(f"no broker answers ({type(error).__name__})") from None


async def _record(
    recorder: Recorder, log: KafkaLog, topics: dict[str, Recorded], wanted: Wanted
) -> None:
    with progress_line("recording") as show:

        def on_progress(done: int, total: int) -> None:
            show("recording", done, total, f"{done:,} records", last=done >= total)

        if wanted.roll_s is not None:
            await recorder.follow(wanted.roll_s, on_progress)
            return
        ends = {}
        for topic, of in topics.items():
            for p in range(of.partitions):
                end = await log.end_offset(topic, p)
                if wanted.to_ms is not None:
                    end = min(end, await log.offset_at(topic, p, wanted.to_ms))
                ends[topic, p] = end
        await recorder.up_to(ends, on_progress)


@contextmanager
def _until_signal(say: Callable[[str], None]) -> Iterator[asyncio.Event]:
    """An event that SIGTERM and SIGINT set; a second one of either ends the process as ever."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    signals = (signal.SIGTERM, signal.SIGINT)

    def on_signal() -> None:
        say("stopping: what was read is being written")
        stop.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        yield stop
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
