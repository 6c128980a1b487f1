"""Settings and words that change while a log runs: the same alerts live, replayed, and killed."""

from __future__ import annotations

import json
import os
import sys
from asyncio import create_subprocess_exec
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from schemas.errors import UserError
from schemas.records import Alert, Control, DeadLetter, Record
from schemas.topics import ALERTS, CONTROL, DEAD_LETTERS, TICKS
from streams.control.files import ControlFiles
from streams.embedded import run_embedded
from streams.files.write import write_records
from streams.replay.api import replay
from streams.sources.files import records_of_files
from tests.helpers.embedded_child import options_of
from tests.helpers.logs import SETTINGS, T0, TOKENS
from tests.helpers.models import crowd_model
from tests.helpers.pump import in_order
from tests.helpers.wire import random_records
from tests.integration.test_worker_replay import in_log

MINUTE = 60_000
ROOT = Path(__file__).parents[2]
STRICT_FROM = T0 + 5 * MINUTE
LENIENT_FROM = T0 + 9 * MINUTE + 2_500  # in the middle of a bar: from the next one on


def with_controls(records: Sequence[Record], controls: Sequence[Control]) -> list[Record]:
    """Controls at their own log times among the records."""
    rest = list(controls)
    out: list[Record] = []
    for record in records:
        while rest and (rest[0].ts_log_ms or 0) <= (record.ts_log_ms or 0):
            out.append(rest.pop(0))
        out.append(record)
    return [*out, *rest]


def control(at_ms: int, from_ms: int, setting: str, value: str) -> Control:
    return Control(f"{setting}-{at_ms}", at_ms, from_ms, setting, value, ts_log_ms=at_ms)


def the_log(tmp_path: Path) -> tuple[list[Record], ControlFiles]:
    words = tmp_path / "words.json"
    token = {"token": TOKENS[4], "symbol": "MOON", "aliases": ["moon"]}
    document = {"versions": [{"version": 1, "effective_log_ms": 0, "tokens": [token]}]}
    words.write_text(json.dumps(document))
    files = ControlFiles(tmp_path / "control")
    lexicon = files.keep_lexicon(words)
    strict, lenient = "engine.candidate_logit_micro", "engine.fading_bars"
    controls = [
        control(T0 + 2 * MINUTE, STRICT_FROM, strict, "30000000"),
        control(T0 + 2 * MINUTE + 1, STRICT_FROM, "engine.no_such_thing", "1"),
        control(
            T0 + 3 * MINUTE, STRICT_FROM, strict, "40000000"
        ),  # at the same time: the later wins
        control(T0 + 8 * MINUTE, LENIENT_FROM, strict, "100000"),
        control(T0 + 8 * MINUTE + 1, T0, "lexicon", lexicon),  # at once: a minute after it was said
        control(T0 + 10 * MINUTE, T0, lenient, "2"),
    ]
    return with_controls(random_records(11), controls), files


def replayed(path: Path, out: Path, files: ControlFiles) -> list[bytes]:
    replay(path, settings=SETTINGS, model=crowd_model(), out=out, control_files=files.folder)
    return (out / "alerts.ndjson").read_bytes().splitlines()


@pytest.mark.parametrize(("partitions", "suffix"), [(1, "ndjson"), (3, "parquet")])
async def test_live_and_replayed_alike(tmp_path: Path, partitions: int, suffix: str) -> None:
    records, files = the_log(tmp_path)
    file, folder = tmp_path / f"records.{suffix}", tmp_path / "data"
    write_records(records, file)
    options = replace(options_of(folder, partitions), control_files=files.folder)
    async with run_embedded(options) as run:
        await run.feed(records_of_files([file]), "file")
        await run.finish()
    lines = in_order(in_log(folder, ALERTS))
    assert lines == replayed(file, tmp_path / "of-file", files)
    assert lines == replayed(folder, tmp_path / "of-folder", files)
    alerts = [msgspec.json.decode(line, type=Alert) for line in lines]
    opened = [a.ts_bar_end_ms - 5_000 for a in alerts if a.kind == "candidate"]
    assert any(at < STRICT_FROM for at in opened)
    assert not any(STRICT_FROM <= at < LENIENT_FROM for at in opened)
    assert any(at >= LENIENT_FROM for at in opened)
    assert len({a.fingerprint for a in alerts}) >= 3
    assert {a.symbol for a in alerts if a.token == TOKENS[4]} >= {"MOON"}
    (letter,) = in_log(folder, DEAD_LETTERS)
    found = msgspec.json.decode(letter, type=DeadLetter)
    assert (found.place[: len(CONTROL)], found.field) == (CONTROL, "setting")
    summary = json.loads((tmp_path / "of-file" / "summary.json").read_text())
    assert [each["setting"] for each in summary["control"]].count("lexicon") == 1
    assert (summary["records"]["controls"], summary["records"]["rejected"]) == (5, 1)


def test_without_the_controls_there_are_other_alerts(tmp_path: Path) -> None:
    records, files = the_log(tmp_path)
    with_, without = tmp_path / "with.ndjson", tmp_path / "without.ndjson"
    write_records(records, with_)
    write_records([r for r in records if not isinstance(r, Control)], without)
    a, b = (replayed(p, tmp_path / p.stem, files) for p in (with_, without))
    before = [
        line for line in a if msgspec.json.decode(line, type=Alert).ts_bar_end_ms <= STRICT_FROM
    ]
    assert before
    assert b[: len(before)] == before
    assert a != b


async def test_kill_9_among_changes(tmp_path: Path) -> None:
    records, files = the_log(tmp_path)
    file, folder = tmp_path / "records.ndjson", tmp_path / "data"
    write_records(records, file)
    expected = replayed(file, tmp_path / "out", files)
    folder.mkdir()
    (folder / "control").symlink_to(files.folder)
    child = await create_subprocess_exec(
        sys.executable, "-m", "tests.helpers.embedded_child",
        str(folder), str(file), "7", "4", "2", cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert await child.wait() == 0
    assert in_order(in_log(folder, ALERTS)) == expected
    assert in_log(folder, TICKS)


async def test_a_file_that_is_not_here_stops_the_run_with_a_remedy(tmp_path: Path) -> None:
    records, _ = the_log(tmp_path)
    file = tmp_path / "records.ndjson"
    write_records(records, file)
    with pytest.raises(
        UserError, match=r"puts the lexicon sha256:.* in force, and .* is not there"
    ):
        replayed(file, tmp_path / "out", ControlFiles(tmp_path / "elsewhere"))
    options = replace(options_of(tmp_path / "data", 1), control_files=tmp_path / "elsewhere")

    async def fed() -> None:
        async with run_embedded(options) as run:
            await run.feed(records_of_files([file]), "file")
            await run.finish()

    with pytest.raises(UserError, match="name that folder with control_files"):
        await fed()
