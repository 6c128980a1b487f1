"""Putting a recording back: into topics that keep it, each record once, and nothing mixed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from schemas.errors import StateError, UserError
from schemas.topics import DEAD_LETTERS, TICKS
from streams.kafka.topic_state import TopicState
from streams.log.base import Item, Log
from streams.log.topics import first_heartbeat
from streams.recording.feed import Feeder, Shape, refuse_topics, shape_of
from streams.recording.layout import Recorded
from streams.recording.read import RecordingReader
from tests.helpers.logs import T0
from tests.helpers.memory_log import MemoryLog
from tests.unit.test_recording import MIDNIGHT, a_log, record, there, tick

GOOD = TopicState(TICKS, 2, 1, 1, (), "recorded", -1, compacted=False, records=0, spans=(),
                  log_start_ms=T0, size_bytes=None)  # fmt: skip


def silent(_done: int, _total: int) -> None:
    pass


async def feed(log: Log, folder: Path) -> Feeder:
    reader = RecordingReader(folder)
    feeder = Feeder(log, reader, shape_of(reader))
    await feeder.feed(silent)
    return feeder


async def begun(log_start_ms: int, topic: str = TICKS) -> MemoryLog:
    log = MemoryLog({TICKS: 2})
    for p in range(2):
        await log.append(topic, p, [first_heartbeat(topic, p, log_start_ms)])
    return log


async def from_its_beginning(tmp_path: Path) -> MemoryLog:
    source = await begun(T0)
    for p in range(2):
        await source.append(TICKS, p, [tick(i, MIDNIGHT + 10 * i) for i in range(2_500)])
    await record(source, tmp_path)
    return source


async def test_killed_between_any_two_appends_it_goes_on(tmp_path: Path) -> None:
    source = await from_its_beginning(tmp_path)

    class MortalLog(MemoryLog):
        left = 0

        async def append(self, topic: str, partition: int, items: list[Item]) -> list[int]:  # type: ignore[override]
            self.left -= 1
            if self.left < 0:
                raise StateError("killed")
            return await super().append(topic, partition, items)

    log = MortalLog({TICKS: 2})
    for p in range(2):
        log.left = 1
        await log.append(TICKS, p, [first_heartbeat(TICKS, p, T0)])
    runs = 0
    while there(log) != there(source):
        log.left, runs = 1, runs + 1
        try:
            await feed(log, tmp_path)
        except StateError:
            assert (
                there(log)[: len(log.records[TICKS, 0])]
                == there(source)[: len(log.records[TICKS, 0])]
            )
    assert runs >= 5
    feeder = await feed(log, tmp_path)
    assert (feeder.sent, feeder.before) == ({TICKS: 0}, {TICKS: 5_002})


async def test_a_recording_of_a_middle_follows_the_beginning_of_its_topics(tmp_path: Path) -> None:
    source = await a_log()
    await record(source, tmp_path, firsts={(TICKS, 0): 20, (TICKS, 1): 20})
    reader = RecordingReader(tmp_path)
    shape = shape_of(reader)
    assert not shape.declared
    log = await begun(shape.log_start_ms)
    await feed(log, tmp_path)
    assert (await feed(log, tmp_path)).sent == {TICKS: 0}
    assert [r.value for r in log.records[TICKS, 1][1:]] == [
        r.value for r in source.records[TICKS, 1][20:]
    ]
    with pytest.raises(UserError, match="something else than the recording, at offset 0"):
        await feed(await begun(shape.log_start_ms + 1), tmp_path)


async def test_what_is_not_the_recording_is_never_mixed_with_it(tmp_path: Path) -> None:
    await from_its_beginning(tmp_path)
    with pytest.raises(UserError, match="something else than the recording, at offset 0; feed emp"):
        await feed(await begun(T0 - 1), tmp_path)
    log = await begun(T0)
    await log.append(TICKS, 1, [tick(7, MIDNIGHT)])
    with pytest.raises(UserError, match=r"ticks.v1/1 holds something else .* at offset 1;"):
        await feed(log, tmp_path)


async def test_a_recording_without_raw_inputs_is_refused(tmp_path: Path) -> None:
    log = MemoryLog({DEAD_LETTERS: 1})
    await log.append(DEAD_LETTERS, 0, [Item(None, b"{}", T0)])
    await record(log, tmp_path, {DEAD_LETTERS: Recorded(1)})
    with pytest.raises(UserError, match="no record of a raw input"):
        shape_of(RecordingReader(tmp_path))


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (None, "no topic dex.ticks.v1; add --create"),
        (replace(GOOD, partitions=3), "has 3 partitions, and had 2 when it was recorded"),
        (replace(GOOD, stamp="append"), "stamp what comes into dex.ticks.v1"),
        (replace(GOOD, retention_ms=604_800_000), "would delete a recording at once"),
        (replace(GOOD, compacted=True), "does not keep all for ever"),
    ],
)
def test_topics_that_would_not_keep_it_are_refused(state: TopicState | None, why: str) -> None:
    shape = Shape({TICKS: 2}, T0, declared=True)
    refuse_topics([GOOD], shape)
    command = f"goldendog topics create --recorded --partitions 2 --mention-partitions 1 --log-start-ms {T0}"
    with pytest.raises(UserError, match=why) as refused:
        refuse_topics([] if state is None else [state], shape)
    assert refused.value.remedy.endswith(command)
