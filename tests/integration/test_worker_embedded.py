"""The embedded run: same alerts as a replay, whatever the partitions, and through kill -9."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.layout import FEATURES
from detectors.outputs import ScoreRows
from schemas.errors import BusyError, GapError, InputFileError, UserError
from schemas.records import Alert, Record, Score
from schemas.topics import ALERTS, RESOLVED, SCORES
from streams.embedded import EmbeddedOptions, run_embedded
from streams.files.write import write_records
from streams.log.sqlite_file import LOG_FILE, OFFSET_BITS
from streams.log.sqlite_reader import open_readonly
from streams.sources.feed import Feeder
from streams.sources.ingest import Ingest
from streams.worker.handler import Team
from tests.helpers.embedded_child import options_of
from tests.helpers.logs import alert_bytes
from tests.helpers.pump import Pump, in_order, make_team, open_log
from tests.helpers.wire import one_engine, random_records


def alerts_of(folder: Path) -> list[bytes]:
    with open_readonly(folder) as log:
        n = log.topics()[ALERTS]
        return [r.value or b"" for p in range(n) for r in log.iter_topic(ALERTS, p)]


def expected_of(records: list[Record], options: EmbeddedOptions) -> list[bytes]:
    expected = alert_bytes(one_engine(records, fingerprint=options.detection().fingerprint))
    assert len(expected) > 10
    return expected


@pytest.mark.parametrize("partitions", [1, 2, 8])
async def test_partitions_change_nothing(tmp_path: Path, partitions: int) -> None:
    records = random_records(7)
    options = options_of(tmp_path, partitions)
    told: list[Alert] = []
    async with run_embedded(options, on_alert=told.append) as run:
        report = await run.feed(records)
        await run.finish()
        assert run.progress().fed == report.appended == len(records)
    expected = expected_of(records, options)
    assert in_order(alerts_of(tmp_path)) == expected
    assert alert_bytes(told) == expected


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "partitions"), [(2, 3)])
def test_kill_9_loses_and_doubles_nothing(tmp_path: Path, seed: int, partitions: int) -> None:
    records = random_records(seed, n=12_000, span_ms=3_600_000)
    file = tmp_path / "records.ndjson"
    write_records(records, file)
    folder = tmp_path / "data"
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.embedded_child"]
        + [str(a) for a in (folder, file, seed, 24, partitions)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["killed"] >= 20, found
    options = options_of(folder, partitions)
    in_log_order = sorted(records[:-1], key=lambda r: r.ts_log_ms or 0)
    assert in_order(alerts_of(folder)) == expected_of([*in_log_order, records[-1]], options)


async def test_a_file_is_fed_once(tmp_path: Path) -> None:
    records = random_records(3, n=300)
    options = options_of(tmp_path, 1)
    for expected in ((100, 0), (len(records) - 100, 100), (0, len(records))):
        async with run_embedded(options) as run:
            upto = 100 if expected == (100, 0) else len(records)
            report = await run.feed(records[:upto], "a file")
            assert (report.appended, report.passed_over) == expected
    async with run_embedded(options) as run:
        with pytest.raises(InputFileError, match="not what was fed"):
            await run.feed(records[1:], "a file")


async def test_a_folder_in_use_or_made_otherwise_is_refused(tmp_path: Path) -> None:
    async with run_embedded(options_of(tmp_path, 2)) as run:
        with pytest.raises(BusyError):
            async with run_embedded(options_of(tmp_path, 2)):
                pass
        await run.feed(random_records(3, n=50))
        await run.finish()
    with pytest.raises(UserError, match="made with 2 partitions, not 3"):
        async with run_embedded(options_of(tmp_path, 3)):
            pass


async def test_another_fingerprint_is_refused_unless_forced(tmp_path: Path) -> None:
    records = random_records(5)
    options = options_of(tmp_path, 1)
    async with run_embedded(options) as run:
        await run.feed(records[:700])
        await run.drain()
    other = replace(options, settings=replace(options.settings, fading_bars=4))
    with pytest.raises(UserError, match="--force-new-fingerprint"):
        async with run_embedded(other) as run:
            await run.drain()
    told: list[Alert] = []
    forced = replace(other, force_new_fingerprint=True)
    async with run_embedded(forced, on_alert=told.append) as run:
        await run.feed(records[700:])
        await run.finish()
    assert {alert.fingerprint for alert in told} == {other.detection().fingerprint}


async def test_a_hole_in_the_resolved_topic_stops_the_worker(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        await Feeder(await Ingest.open(log)).feed(random_records(5))
        team, _ = make_team(log)
        pump = Pump(log, Team(team.handlers[:1]), np.random.default_rng(1), most=50)
        await pump.start()
        await pump.run()
    with closing(sqlite3.connect(tmp_path / LOG_FILE)) as db, db:
        (number,) = db.execute("SELECT id FROM partitions WHERE topic = ?", (RESOLVED,)).fetchone()
        db.execute("DELETE FROM records WHERE id = ?", ((number << OFFSET_BITS) + 3,))
    with open_log(tmp_path) as log:
        team, _ = make_team(log)
        pump = Pump(log, team, np.random.default_rng(1))
        await pump.start()
        with pytest.raises(GapError, match="was read through"):
            await pump.run()


async def test_scores_are_kept_when_asked_for(tmp_path: Path) -> None:
    options = replace(options_of(tmp_path, 2), scores="gated", keep_scores=True)
    rows = 0

    def scored(given: ScoreRows) -> None:
        nonlocal rows
        rows += len(given.token)

    async with run_embedded(options, on_scores=scored) as run:
        await run.feed(random_records(7))
        await run.finish()
    with open_readonly(tmp_path) as log:
        kept = [
            msgspec.json.decode(r.value or b"", type=Score)
            for p in range(2)
            for r in log.iter_topic(SCORES, p)
        ]
    assert len(kept) == rows > 100
    assert {score.fingerprint for score in kept} == {options.detection().fingerprint}
    assert all(list(score.features) == list(FEATURES) for score in kept)
    assert any(None in score.features.values() for score in kept)
