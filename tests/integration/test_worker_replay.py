"""What an embedded run ingests, replayed: the very same alerts, byte for byte."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from time import monotonic

import msgspec
import pytest

from schemas.decode import encode_record
from schemas.records import DeadLetter
from schemas.topics import ALERTS, CONTROL, DEAD_LETTERS, MENTIONS, TICKS, TOKEN_INFO
from streams.embedded import run_embedded
from streams.files.write import write_records
from streams.log.base import Item
from streams.log.sqlite_reader import open_readonly
from streams.operate.opened import opened
from streams.recording.layout import Recorded, recorded_to
from streams.recording.record import Recorder
from streams.replay.api import replay
from streams.run.warm import warm_up
from streams.sources.files import records_of_files
from tests.helpers.embedded_child import options_of
from tests.helpers.logs import SETTINGS, T0
from tests.helpers.models import crowd_model
from tests.helpers.pump import in_order
from tests.helpers.wire import random_records


def replayed(path: Path, out: Path) -> list[bytes]:
    replay(path, settings=SETTINGS, model=crowd_model(), out=out)
    return (out / "alerts.ndjson").read_bytes().splitlines()


def in_log(folder: Path, topic: str) -> list[bytes]:
    with open_readonly(folder) as log:
        n = log.topics()[topic]
        return [r.value or b"" for p in range(n) for r in log.iter_topic(topic, p)]


@pytest.mark.parametrize(
    ("partitions", "suffix"), [(1, "ndjson"), (3, "parquet"), (8, "ndjson.gz")]
)
async def test_a_file_fed_and_replayed(tmp_path: Path, partitions: int, suffix: str) -> None:
    file = tmp_path / f"records.{suffix}"
    write_records(random_records(11), file)
    folder = tmp_path / "data"
    async with run_embedded(options_of(folder, partitions)) as run:
        await run.feed(records_of_files([file]), "file")
        await run.finish()
    alerts = in_order(in_log(folder, ALERTS))
    assert len(alerts) > 10
    assert alerts == replayed(file, tmp_path / "of-file")
    assert alerts == replayed(folder, tmp_path / "of-folder")
    await recorded(folder, tmp_path / "recording", partitions)
    assert alerts == replayed(tmp_path / "recording", tmp_path / "of-recording")


async def recorded(folder: Path, recording: Path, partitions: int) -> None:
    """The raw topics of a log as a recording."""
    raw = (MENTIONS, TICKS, TOKEN_INFO, CONTROL)
    topics = {topic: Recorded(1 if topic == CONTROL else partitions) for topic in raw}
    async with opened(folder) as log:
        with recorded_to(recording):
            recorder = Recorder(log, recording, topics, say=print, stop=asyncio.Event())
            await recorder.begin({})
            ends = {(t, p): await log.end_offset(t, p) for t, p in recorder.places}
            await recorder.up_to(ends, lambda _done, _total: None)


class FastClock:
    """Sixty seconds pass in one."""

    def __init__(self) -> None:
        self._began = monotonic()

    def __call__(self) -> int:
        return T0 + int((monotonic() - self._began) * 60_000)


async def test_a_live_log_replayed(tmp_path: Path) -> None:
    """Stamped as it comes, with heartbeats, records that are early or late, and rejects."""
    folder = tmp_path / "data"
    warm_up(options_of(folder, 2).detection(), print)  # compiling would take hours of this clock
    clock = FastClock()
    options = replace(options_of(folder, 2), recorded_time=False, clock_ms=clock)
    records = random_records(12)[1:-1]
    async with run_embedded(options) as run:
        for first in range(0, len(records), 60):
            now_ms = clock()
            await run.append([
                msgspec.structs.replace(record, ts_event_ms=now_ms - (50 * (i % 30 - 5) if i % 9 else 20_000))
                for i, record in enumerate(records[first : first + 60])
            ])  # fmt: skip
            await asyncio.sleep(0.02)
        for topic in (TICKS, MENTIONS, TOKEN_INFO):
            await run.log.append(topic, 0, [Item(None, b"nonsense"), Item(None, b"\xff")])
            await run.log.append(topic, 1, [Item(None, b'{"type":"control","id":"c"}')])
        end_ms = clock() + 30_000
        while run.progress().closed_ms < end_ms:  # heartbeats bring it about
            await run.watch(asyncio.sleep(0.05))
        await run.drain()
    letters = [msgspec.json.decode(raw, type=DeadLetter) for raw in in_log(folder, DEAD_LETTERS)]
    assert sorted({letter.code for letter in letters}) == ["not_json", "not_utf8", "unknown_type"]
    assert len(letters) == 9
    alerts = in_order(in_log(folder, ALERTS))
    assert len(alerts) > 3
    assert alerts == replayed(folder, tmp_path / "out")


async def test_bad_lines_of_a_file_are_kept_aside_once(tmp_path: Path) -> None:
    records = random_records(13)
    lines = [encode_record(record) for record in records]
    for at, bad in ((5, b'{"type":"tick"'), (400, b"\xff\xfe"), (900, b'{"type":"tick","id":"x"}')):
        lines.insert(at, bad)
    file = tmp_path / "records.ndjson"
    file.write_bytes(b"\n".join(lines))
    clean = tmp_path / "clean.ndjson"
    write_records(records, clean)
    folder = tmp_path / "data"
    for expected in ((len(records), 3, 0), (0, 0, len(records) + 3)):
        async with run_embedded(options_of(folder, 2)) as run:
            report = await run.feed(records_of_files([file]), "file")
            await run.finish()
            assert (report.appended, report.rejected, report.passed_over) == expected
    assert len(in_log(folder, DEAD_LETTERS)) == 3
    assert in_order(in_log(folder, ALERTS)) == replayed(clean, tmp_path / "out")
