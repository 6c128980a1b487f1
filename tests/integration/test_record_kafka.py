"""A log that was lived on a real broker: recorded under kills, replayed, put back into topics."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from aiokafka import AIOKafkaProducer

from schemas.errors import StateError
from schemas.records import Control, Heartbeat, Record, Tick
from schemas.topics import ALERTS, TICKS, TOPICS
from streams import fingerprint
from streams.cli.main import exit_code
from streams.files.write import write_records
from streams.kafka.admin import topics_create
from streams.kafka.log import KafkaLog
from streams.log.base import Item
from streams.recording.layout import parts_of
from streams.replay.api import replay
from streams.run.report import utc
from streams.scenario.coins import lexicon_text
from streams.sources.places import Place
from tests.helpers.pump import in_order
from tests.kafka.broker import KafkaBroker
from tests.kafka.live import (
    FROM_MS,
    PATIENCE_S,
    ROOT,
    alerts_in,
    clear,
    goldendog,
    produce,
    scenario,
    worker,
)

PARTITIONS, MENTION_PARTITIONS = 2, 2
HOUR_MS = 3_600_000
RAW = [spec.name for spec in TOPICS if spec.raw_input]

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def with_a_change(records: list[Record]) -> list[Record]:
    """The records, and among them one that lowers a threshold, and one that nobody can use."""
    at = FROM_MS + 6 * HOUR_MS
    setting = "engine.candidate_logit_micro"
    changes = [
        Control("lower", at, at + HOUR_MS, setting, "-700000", ts_log_ms=at),
        Control("nonsense", at, at, "engine.nothing", "1", ts_log_ms=at),
    ]
    i = next(i for i, r in enumerate(records) if (r.ts_log_ms or 0) >= at)
    return [*records[:i], *changes, *records[i:]]


@dataclass(frozen=True)
class Lived:
    """What the fixture left: topics, a recording of them, and the alerts of the workers."""

    bootstrap: str
    folder: Path
    alerts: list[bytes]

    @property
    def recording(self) -> Path:
        return self.folder / "recording"

    @property
    def lexicon(self) -> Path:
        return self.folder / "lexicon.json"


@pytest.fixture(scope="module")
def lived(kafka_broker: KafkaBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("lived")
    clear(kafka_broker.bootstrap)
    alerts = asyncio.run(_live(kafka_broker.bootstrap, folder))
    yield Lived(kafka_broker.bootstrap, folder, alerts)
    clear(kafka_broker.bootstrap)


async def _live(bootstrap: str, folder: Path) -> list[bytes]:
    where = ("--bootstrap", bootstrap)
    await asyncio.to_thread(
        topics_create,
        bootstrap,
        PARTITIONS,
        MENTION_PARTITIONS,
        recorded=True,
        log_start_ms=FROM_MS,
    )
    (folder / "lexicon.json").write_text(lexicon_text())
    records = with_a_change(scenario())
    write_records(records, folder / "records.ndjson")
    expected = replay(folder / "records.ndjson", lexicon=folder / "lexicon.json").alerts.num_rows
    following = ("record", "--out", str(folder / "recording"), "--follow", "--roll", "200ms")
    async with KafkaLog(bootstrap) as log:
        for first in range(0, len(records), 15_000):
            with killed_at_the_end(goldendog(*following, *where)):
                await produce(log, records[first : first + 15_000])
                await _in_transactions(bootstrap)
                await _until_files(folder / "recording", first // 15_000)
            if first == 0:  # a checkpoint, from before the rest
                assert len(await work(log, bootstrap, folder, 1)) < expected
        return await work(log, bootstrap, folder, expected)


async def work(log: KafkaLog, bootstrap: str, folder: Path, expected: int) -> list[bytes]:
    """What a worker alerts of, in order; it stops after so many."""
    with worker(bootstrap, folder, "--lexicon", str(folder / "lexicon.json")) as live:
        until = monotonic() + PATIENCE_S
        while len(alerts := await alerts_in(log, PARTITIONS)) < expected:
            assert monotonic() < until, (folder / "worker.log").read_text()
            await asyncio.sleep(0.2)
        live.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(live.wait, PATIENCE_S) == 0
    return in_order(alerts)


@contextlib.contextmanager
def killed_at_the_end(args: list[str]) -> Iterator[None]:
    process = subprocess.Popen(args, cwd=ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def _in_transactions(bootstrap: str) -> None:
    """Something that nobody may see, and something that does not decode."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="other")
    await producer.start()
    try:
        await producer.begin_transaction()
        await producer.send_and_wait(TICKS, b'{"type":"tick","aborted":1}', partition=0)
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send(TICKS, b"\xff\x00", partition=0, timestamp_ms=FROM_MS)
    finally:
        await producer.stop()


async def _until_files(recording: Path, more_than: int) -> None:
    until = monotonic() + PATIENCE_S
    while len(parts_of(recording, TICKS).get(0, ())) <= more_than:
        assert monotonic() < until
        await asyncio.sleep(0.05)


class Here:
    """The command line in this process, whose kernels are compiled by now."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *args: str, code: int = 0) -> str:
        """Run a command; what it says on standard output, or on standard error if it fails."""
        found = exit_code(args)
        out, err = self._capsys.readouterr()
        assert found == code, err + out
        return err if code else out

    def replayed(self, out: Path, lived: Lived, *args: str) -> tuple[list[bytes], dict[str, Any]]:
        """Alerts and summary of a replay."""
        self("replay", *args, "--out", str(out), "--lexicon", str(lived.lexicon))
        summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
        return (out / "alerts.ndjson").read_bytes().splitlines(), summary

    def record(self, lived: Lived, *more: str) -> dict[str, Any]:
        """Go on with the recording, to the end."""
        out = ("--out", str(lived.recording), "--bootstrap", lived.bootstrap)
        told: dict[str, Any] = json.loads(self("record", *out, *more, "--json"))
        return told


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setenv("GOLDENDOG_CONFIG", "")
    return Here(capsys)


async def in_topics(bootstrap: str) -> dict[Place, list[tuple[Any, ...]]]:
    """(offset, key, value, log time) of every record of the topics that are recorded."""
    found: dict[Place, list[tuple[Any, ...]]] = {}
    async with KafkaLog(bootstrap) as log:
        for topic in (*RAW, ALERTS):
            for p in range(await log.partitions(topic)):
                rows, offset = [], 0
                while records := await log.read(topic, p, offset):
                    rows += [(r.offset, r.key, r.value, r.timestamp) for r in records]
                    offset = records[-1].offset + 1
                found[topic, p] = rows
    return found


def test_each_record_is_kept_once_though_recorders_were_killed(lived: Lived, here: Here) -> None:
    told = here.record(lived)
    assert told["ended"] and told["lost"] == []
    again = here.record(lived, "--alerts")
    assert {topic: n for topic, n in again["records"].items() if n} == {ALERTS: len(lived.alerts)}
    for (topic, p), there in asyncio.run(in_topics(lived.bootstrap)).items():
        parts = parts_of(lived.recording, topic).get(p, ())
        kept = [row for part in parts for row in rows_of(part.path)]
        assert kept == [row[:3] for row in there], f"{topic}/{p}"
        assert not any(b"aborted" in (value or b"") for _, _, value in kept)
    assert len(parts_of(lived.recording, TICKS)[0]) >= 2


def rows_of(path: Path) -> list[tuple[Any, ...]]:
    table = pq.read_table(path, columns=["offset", "key", "value"], partitioning=None)
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def test_a_slice_of_time_and_what_cannot_be(lived: Lived, here: Here, tmp_path: Path) -> None:
    where = ("--bootstrap", lived.bootstrap)
    begin, end = FROM_MS + 9 * HOUR_MS, FROM_MS + 10 * HOUR_MS  # beyond what was aborted
    out = tmp_path / "slice"
    here("record", "--out", str(out), TICKS, "--from", str(begin), "--to", str(end), *where)
    times = [
        ms
        for parts in parts_of(out, TICKS).values()
        for part in parts
        for ms in pq.read_table(part.path, partitioning=None)["ts_log_ms"].to_pylist()
    ]
    assert times and begin <= min(times) <= max(times) < end
    expected = [r for r in scenario() if begin <= (r.ts_log_ms or 0) < end]
    ticks, beats = (sum(isinstance(r, kind) for r in expected) for kind in (Tick, Heartbeat))
    assert len(times) == ticks + PARTITIONS * beats
    for args, why in (
        (("nothing.v1",), "goldendog has no topic 'nothing.v1'"),
        (("--follow", "--to", "2025-01-15"), "both --follow and --to"),
    ):
        assert why in here("record", "--out", str(out), *args, *where, code=2)
    refused = here("record", "--out", str(ROOT), *where, code=2)
    assert "holds something that is no recording" in refused


def test_a_recording_replays_to_the_alerts_of_the_workers(
    lived: Lived, here: Here, tmp_path: Path
) -> None:
    here.record(lived)
    alerts, summary = here.replayed(tmp_path / "out", lived, str(lived.recording))
    assert alerts == lived.alerts
    assert len({json.loads(raw)["fingerprint"] for raw in alerts}) == 2, "before and after a change"
    assert [each["record"] for each in summary["control"]] == ["lower"]
    assert summary["records"]["rejected_by_code"]["not_utf8"] == 2
    assert summary["warnings"] == []


def test_the_topics_themselves_replay_to_them_too(lived: Lived, here: Here, tmp_path: Path) -> None:
    topics = ("--kafka", "--bootstrap", lived.bootstrap)
    alerts, _ = here.replayed(tmp_path / "all", lived, *topics)
    assert alerts == lived.alerts
    middle = FROM_MS + 7 * HOUR_MS
    window = ("--from", str(middle), "--warmup", "0")
    part, summary = here.replayed(tmp_path / "part", lived, *topics, *window)
    assert summary["records"]["skipped"] > 5_000
    assert all(json.loads(raw)["ts_bar_end_ms"] > middle for raw in part)
    of_recording, again = here.replayed(tmp_path / "same", lived, str(lived.recording), *window)
    assert of_recording == part
    assert again["records"]["skipped"] > 5_000
    spans = ("--offsets", f"{TICKS}/0=5:9", "--offsets", f"{TICKS}/1=:0")
    _, summary = here.replayed(tmp_path / "few", lived, *topics, *spans)
    assert 1 <= summary["records"]["ticks"] <= 4
    assert f"{TICKS}/0 is read from offset 5 on" in summary["warnings"][0]
    said = here("replay", "--out", str(tmp_path / "no"), code=2)
    assert "nothing to replay is named; name files, or a recording, or --kafka" in said


@pytest.mark.parametrize(
    ("stretch", "begins"),
    [
        (("--last", "3h"), "checkpoint"),
        (("--from", str(FROM_MS + HOUR_MS), "--to", str(FROM_MS + 10 * HOUR_MS)), "log"),
    ],
)
def test_an_incident_replays_from_its_file_alone(
    lived: Lived,
    here: Here,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stretch: Sequence[str],
    begins: str,
) -> None:
    file, elsewhere = tmp_path / "incident.zip", tmp_path / "elsewhere"
    capture = ("incident", "capture", *stretch, "--bootstrap", lived.bootstrap, "--out")
    told = json.loads(here(*capture, str(file), "--lexicon", str(lived.lexicon), "--json"))
    from_ms, to_ms = told["from_ms"], told["to_ms"] or 1 << 62
    expected = [raw for raw in lived.alerts if from_ms < json.loads(raw)["ts_bar_end_ms"] <= to_ms]
    assert 0 < len(expected) < len(lived.alerts)
    assert (told["alerts"], told["begins"]) == (len(expected), begins)
    assert len(told["stands"]) == (PARTITIONS if begins == "checkpoint" else 0)
    assert all(stand["closed_ms"] <= from_ms for stand in told["stands"])
    assert [each["record"] for each in told["changes"]] == ["lower"]
    assert told["behind"]["members"] == []
    assert f"bars that end after {utc(from_ms)}" in here("incident", "show", str(file))
    verdict = json.loads(here("incident", "replay", str(file), "--out", str(elsewhere), "--json"))
    assert (elsewhere / "alerts.ndjson").read_bytes().splitlines() == expected
    assert verdict["verdict"] == {
        "same": True, "alerts": len(expected), "not_written": 0, "later": 0, "parts": {},
        "difference": None,
    }  # fmt: skip
    assert (told["log_from_ms"] == FROM_MS) == (begins == "log"), "else behind the checkpoint"
    assert verdict["summary"]["log_through_ms"] <= told["log_through_ms"]
    monkeypatch.setattr(fingerprint, "sources_hash", lambda: "0" * 64)
    said = here("incident", "replay", str(file))
    assert "and is 0000000000000000 here: alerts may differ" in said
    assert (
        f"same: {len(expected)} alerts as the workers wrote them, but for the fingerprint" in said
    )
    assert "is there already" in here(*capture, str(file), code=2)
    refused = here(*capture, f"{file}2", code=2)
    assert "give it the --config and --lexicon they have" in refused


def test_a_recording_fed_into_topics_gives_the_alerts_again(lived: Lived, here: Here) -> None:
    """The last of this page: its topics go, and the recording comes back into new ones."""
    here.record(lived)
    where = ("--bootstrap", lived.bootstrap)
    before = asyncio.run(in_topics(lived.bootstrap))
    clear(lived.bootstrap)
    refused = here("feed", str(lived.recording), *where, code=2)
    assert (
        "the broker has no topic social.mentions.v1; add --create, or: goldendog topics" in refused
    )
    feed = ("feed", str(lived.recording), "--create", *where)
    with killed_at_the_end(goldendog(*feed)):
        fed = asyncio.run(until_records(lived.bootstrap, TICKS, 500))
    told = json.loads(here(*feed, "--json"))
    assert told["before"][TICKS] >= fed
    assert sum(told["sent"].values()) + sum(told["before"].values()) == sum(
        len(rows) for (topic, _), rows in before.items() if topic in RAW
    )
    after = asyncio.run(in_topics(lived.bootstrap))
    for place, rows in before.items():
        if place[0] in RAW:
            assert [row[1:3] for row in after[place]] == [row[1:3] for row in rows]
            times = np.maximum.accumulate([row[3] for row in rows])
            assert [row[3] for row in after[place]] == times.tolist()
    assert json.loads(here(*feed, "--json"))["sent"] == dict.fromkeys(RAW, 0)

    async def work_again() -> list[bytes]:
        async with KafkaLog(lived.bootstrap) as log:
            await log.append(TICKS, 0, [Item(None, b"new", FROM_MS)])
            return await work(log, lived.bootstrap, lived.folder, len(lived.alerts))

    assert asyncio.run(work_again()) == lived.alerts
    refused = here(*feed, code=2)
    assert f"{TICKS}/0 holds something else than the recording, at offset" in refused


async def until_records(bootstrap: str, topic: str, n: int) -> int:
    """Wait for a topic and records in it: how many it has by then."""
    until = monotonic() + PATIENCE_S
    while True:
        async with KafkaLog(bootstrap) as log:
            with contextlib.suppress(StateError):
                while True:
                    there = sum([await log.end_offset(topic, p) for p in range(PARTITIONS)])
                    if there >= n:
                        return there
                    assert monotonic() < until
                    await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
