"""The control topic on a real broker: few heartbeats, and a start that reads its end alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from detectors.model import blank_model
from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from schemas.records import Heartbeat
from schemas.topics import CONTROL, TICKS
from streams.control.decisions import Decisions
from streams.control.files import ControlFiles
from streams.control.send import new_control, send
from streams.detection import Detection
from streams.kafka.admin import topics_check, topics_create
from streams.kafka.log import KafkaLog
from streams.log.base import LogRecord
from streams.sources.places import DETECTOR_INPUTS
from streams.worker import control
from streams.worker.control import ControlReader
from streams.worker.telling import CONTROL_EVERY_MS, Telling

pytestmark = pytest.mark.broker
T = 1_736_812_800_000


class Watched(KafkaLog):
    """Counts the control records that are read."""

    seen = 0

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        records = await super().read(topic, partition, offset, limit)
        self.seen += len(records)
        return records


def new_reader(log: KafkaLog) -> ControlReader:
    lexicon = Lexicon.parse('{"versions":[{"version":1,"effective_log_ms":0,"tokens":[]}]}')
    base = Detection(EngineSettings(), blank_model(), lexicon)
    return ControlReader(log, Decisions(base, ControlFiles(Path("nowhere"))))


async def test_a_start_reads_the_end_of_a_long_topic(
    bare_broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "EVERY", 20)
    monkeypatch.setattr(control, "LOOK_BACK", 60)
    await asyncio.to_thread(topics_create, bare_broker, 2)
    files = ControlFiles(tmp_path)
    async with KafkaLog(bare_broker) as log, Watched(bare_broker) as watched:
        partitions = {topic: await log.partitions(topic) for topic in DETECTOR_INPUTS}
        first = new_reader(log)
        tell = Telling(log, partitions, first.vouch)
        for n in range(300):
            if n % 70 == 50:
                bars = str(n // 70 + 3)
                await send(log, new_control("engine.candidate_bars", bars, None, files, T))
            await first.read()
            await tell(Heartbeat(f"b{n}", T + n * CONTROL_EVERY_MS // 2))
        await first.read()
        assert await log.end_offset(CONTROL, 0) == 1 + 150 + 4
        assert await log.end_offset(TICKS, 0) == 1 + 300
        second = new_reader(watched)
        await second.read()
        assert second.decisions.steps == first.decisions.steps
        assert [step.value for step in second.decisions.steps] == ["3", "4", "5", "6"]
        assert second.known_ms == first.known_ms
        assert watched.seen < 60 + 1 + 60
    assert await asyncio.to_thread(topics_check, bare_broker, 2) == []
