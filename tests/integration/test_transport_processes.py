"""Workers as processes: killed, joined by others, asked to stop, poisoned."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.log.base import Item
from tests.kafka.broker import KafkaBroker
from tests.kafka.rig import EmbeddedRig, KafkaRig, Rig, eventually, fill

PARTITIONS = 4


class Worker:
    """One worker process, and what it handled."""

    def __init__(self, rig: Rig, topic: str, folder: Path, name: str) -> None:
        self._rig, self._topic = rig, topic
        self.notes = folder / f"{name}.notes"
        self.notes.touch()
        self._process: subprocess.Popen[str] | None = None
        self._handled: list[tuple[int, int]] = []
        self._read = 0

    def start(self, delay_s: float = 0.0, poison: str = "") -> None:
        if isinstance(self._rig, KafkaRig):
            where = f"kafka:{self._rig.bootstrap}"
        else:
            assert isinstance(self._rig, EmbeddedRig)
            self._rig.log.close()  # the worker's from here on
            where = str(self._rig.log.path.parent)
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "tests.kafka.worker",
                where,
                self._topic,
                self._rig.app_id,
                str(self.notes),
                str(delay_s),
            ],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"POISON": poison},
        )

    async def line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        return await asyncio.to_thread(self._process.stdout.readline)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        assert self._process is not None
        out, _ = await asyncio.to_thread(self._process.communicate, timeout=90)
        self.said = out
        return self._process.returncode

    def handled(self) -> list[tuple[int, int]]:
        """Every (partition, offset) in the order of handling."""
        with self.notes.open("rb") as notes:
            notes.seek(self._read)
            new = notes.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        pairs = (line.split() for line in whole.splitlines())
        self._handled += [(int(p), int(o)) for p, o in pairs]
        return self._handled

    def close(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    running: list[Worker] = []
    yield running
    for worker in running:
        worker.close()


def every(count: int) -> set[tuple[int, int]]:
    return {(p, o) for p in range(PARTITIONS) for o in range(count)}


async def test_kill_nine_misses_nothing(rig: Rig, tmp_path: Path, workers: list[Worker]) -> None:
    topic = await rig.create(PARTITIONS)
    for start in range(0, 6000, 100):
        await fill(rig.log, topic, PARTITIONS, 100, start)
    worker = Worker(rig, topic, tmp_path, "w")
    workers.append(worker)
    handled = 0
    for _ in range(2):
        worker.start(delay_s=0.05)
        await eventually(lambda seen=handled: len(worker.handled()) > seen)
        await asyncio.sleep(0.2)
        worker.signal(signal.SIGKILL)
        assert await worker.ended() == -signal.SIGKILL
        handled = len(worker.handled())
        worker.close()
    worker.start()
    assert await worker.line() == "started\n"  # even where nothing was left to handle
    await eventually(lambda: set(worker.handled()) == every(6000))
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert "SIGTERM: finishing what is under way" in worker.said


async def test_a_clean_stop_doubles_nothing(
    rig: Rig, tmp_path: Path, workers: list[Worker]
) -> None:
    topic = await rig.create(PARTITIONS)
    for start in range(0, 6000, 100):
        await fill(rig.log, topic, PARTITIONS, 100, start)
    worker = Worker(rig, topic, tmp_path, "w")
    workers.append(worker)
    worker.start(delay_s=0.05)
    await eventually(worker.handled)
    worker.signal(signal.SIGINT)
    assert await worker.ended() == 0
    assert set(worker.handled()) < every(6000)
    worker.close()
    worker.start()
    await eventually(lambda: set(worker.handled()) >= every(6000))
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert max(Counter(worker.handled()).values()) == 1


async def test_a_crash_exits_with_one_and_says_why(
    rig: Rig, tmp_path: Path, workers: list[Worker]
) -> None:
    topic = await rig.create(1)
    await rig.log.append(topic, 0, [Item(None, b"fine")])
    await rig.log.append(topic, 0, [Item(None, b"bad")])
    worker = Worker(rig, topic, tmp_path, "w")
    workers.append(worker)
    worker.start(poison="bad")
    assert await worker.ended() == 1
    assert "the worker crashed: ValueError('poisoned')" in worker.said


@pytest.mark.broker
async def test_workers_join_and_leave_without_loss_or_doubling(
    kafka_rig: KafkaRig, tmp_path: Path, workers: list[Worker]
) -> None:
    topic, done = await kafka_rig.create(PARTITIONS), asyncio.Event()
    first, second = (Worker(kafka_rig, topic, tmp_path, name) for name in "ab")
    workers += [first, second]

    async def produce() -> int:
        count = 0
        while not done.is_set():
            await fill(kafka_rig.log, topic, PARTITIONS, 20, count)
            count += 20
            await asyncio.sleep(0.02)
        return count

    producing = asyncio.create_task(produce())
    first.start(delay_s=0.002)
    await eventually(first.handled)
    second.start(delay_s=0.002)
    await eventually(second.handled)  # some partitions moved
    moved = len(first.handled())
    await eventually(lambda: len(first.handled()) > moved)  # and some stayed
    second.signal(signal.SIGTERM)
    assert await second.ended() == 0
    left = dict(sorted(second.handled()))  # the last offset it handled of each partition
    await eventually(lambda: all(dict(sorted(first.handled()))[p] > o for p, o in left.items()))
    done.set()
    count = await producing
    await eventually(lambda: set(first.handled()) | set(second.handled()) == every(count))
    first.signal(signal.SIGTERM)
    assert await first.ended() == 0
    assert max(Counter(first.handled() + second.handled()).values()) == 1


@pytest.mark.broker
async def test_a_frozen_worker_leaves_instead_of_acting_for_others(
    kafka_rig: KafkaRig, tmp_path: Path, workers: list[Worker]
) -> None:
    topic = await kafka_rig.create(PARTITIONS)
    await fill(kafka_rig.log, topic, PARTITIONS, 50)
    worker = Worker(kafka_rig, topic, tmp_path, "w")
    workers.append(worker)
    worker.start()
    await eventually(lambda: set(worker.handled()) == every(50))
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(8)  # Kafka's session timeout is 6 s here
    worker.signal(signal.SIGCONT)
    assert await worker.ended() == 1
    assert "frozen for" in worker.said


@pytest.mark.broker
async def test_a_busy_worker_stays_as_long_as_its_heartbeats_go(
    kafka_rig: KafkaRig, tmp_path: Path, workers: list[Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUSY_S", "8")  # Kafka's session timeout is 6 s here
    topic = await kafka_rig.create(PARTITIONS)
    await fill(kafka_rig.log, topic, PARTITIONS, 50)
    worker = Worker(kafka_rig, topic, tmp_path, "w")
    workers.append(worker)
    worker.start()
    await eventually(lambda: set(worker.handled()) == every(50))
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert max(Counter(worker.handled()).values()) == 1


@pytest.mark.broker
async def test_a_killed_broker_is_waited_for(
    kafka_rig: KafkaRig, kafka_broker: KafkaBroker, tmp_path: Path, workers: list[Worker]
) -> None:
    topic = await kafka_rig.create(PARTITIONS)
    worker, late = (Worker(kafka_rig, topic, tmp_path, name) for name in "ab")
    workers += [worker, late]
    worker.start()
    await fill(kafka_rig.log, topic, PARTITIONS, 100)
    await eventually(lambda: set(worker.handled()) == every(100))
    await asyncio.to_thread(kafka_broker.kill9)
    appending = asyncio.create_task(fill(kafka_rig.log, topic, PARTITIONS, 100, 100))
    late.start()
    while "trying again" not in await late.line():  # started without a broker: it says so
        pass
    assert not appending.done()
    await asyncio.to_thread(kafka_broker.restart)
    await asyncio.wait_for(appending, 120)
    await eventually(lambda: set(worker.handled()) | set(late.handled()) == every(200), 120)
    while "started" not in await late.line():
        pass
    for each in (worker, late):
        each.signal(signal.SIGTERM)
        assert await each.ended() == 0
