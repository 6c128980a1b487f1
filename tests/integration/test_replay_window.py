"""A part of a log, warmed up, gives the alerts that the whole gives for it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from schemas.decode import encode_record
from schemas.errors import UserError
from schemas.records import Heartbeat, Mention, Tick, TokenInfo
from schemas.topics import MENTIONS, TICKS, TOKEN_INFO
from streams.cli.main import exit_code
from streams.files.write import write_records
from streams.log.base import Item
from streams.replay.api import ReplayResult, replay
from streams.replay.window import WHOLE, Window
from streams.sources.embedded_log import open_embedded_log
from streams.sources.places import token_partition
from tests.helpers.days import HOUR_MS, LIVELY, days
from tests.helpers.models import crowd_model
from tests.helpers.records import T0, TOKENS

HOURS = 34.0
FROM = T0 + 27 * HOUR_MS + 123_456
DAY_MS = 24 * HOUR_MS
WEEK = "z_mentions_week"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    records = days(3, HOURS)
    write_records(records[: len(records) // 2], folder / "a.parquet")
    write_records(records[len(records) // 2 :], folder / "b.ndjson")
    return folder


def play(log: Path, window: Window = WHOLE, scores: Any = "alerts") -> ReplayResult:
    return replay(log, settings=LIVELY, model=crowd_model(), window=window, scores=scores)


@pytest.fixture(scope="module")
def whole(log: Path) -> ReplayResult:
    return play(log, scores="all")


def open_at(result: ReplayResult, ms: int) -> set[tuple[str, int]]:
    """Episodes that were open at an instant, or had closed so short before that it matters."""
    alerts = [a for a in result.alerts.to_pylist() if a["ts_bar_end_ms"] <= ms]
    last = {(a["token"], a["ts_episode_start_ms"]): a["kind"] for a in alerts}
    return {key for key, kind in last.items() if kind != "closed"}


def test_after_a_long_warmup_the_alerts_are_those_of_the_whole(
    log: Path, whole: ReplayResult
) -> None:
    part = play(log, Window(from_ms=FROM, warmup_ms=25 * HOUR_MS), scores="all")
    before = open_at(whole, FROM - 25 * HOUR_MS)
    assert {key for key in open_at(whole, FROM) if key in before} == set()  # none spans the warm-up
    expected = [a for a in whole.alerts.to_pylist() if a["ts_bar_end_ms"] > FROM]
    assert len([a for a in expected if a["kind"] == "candidate"]) > 10
    assert part.alerts.to_pylist() == expected
    assert {a["baseline_coverage"] for a in expected} == {1.0}
    told, rows = (each.scores.drop_columns(WEEK).to_pylist() for each in (part, whole))
    assert told == [r for r in rows if r["ts_bar_end_ms"] > FROM]
    assert part.scores[WEEK].null_count < len(told)  # it looks back a week, and no alert does
    window = part.summary["window"]
    assert window["warmup_missing_ms"] == 0 and window["alerts_withheld"] > 10
    assert part.summary["records"]["skipped"] > 100
    assert part.summary["alerts"]["total"] == len(expected)


def test_a_short_warmup_says_how_much_baseline_there_was(log: Path, whole: ReplayResult) -> None:
    part = play(log, Window(from_ms=FROM, warmup_ms=3 * HOUR_MS)).alerts.to_pylist()
    assert part
    for alert in part:
        hours = (alert["ts_bar_end_ms"] - (FROM - 3 * HOUR_MS)) / HOUR_MS
        # an hour of minutes, and of a day's quarters those since the warm-up began
        expected = (60 + 15 * 4 * min(hours, 24)) / 1500
        assert alert["baseline_coverage"] == pytest.approx(expected, abs=0.03)
    known = {a["alert_id"]: a for a in whole.alerts.to_pylist()}
    assert [a for a in part if known.get(a["alert_id"]) not in (None, a)]  # and that it matters


def test_full_coverage_is_the_whole_logs_score_even_of_a_warmup_that_begins_mid_quarter(
    log: Path, whole: ReplayResult
) -> None:
    """A bucket that is half read must not count as one: it would look like silence."""
    names = ("z_mentions_day", "z_trades_day", "z_volume_day", "z_mentions", "z_trades")
    window = Window(from_ms=FROM, warmup_ms=DAY_MS + 7 * 60_000)
    known = {(r["token"], r["ts_bar_end_ms"]): r for r in whole.scores.to_pylist()}
    full_from = FROM - window.warmup_ms + DAY_MS + 46 * 60_000
    rows = [
        r for r in play(log, window, "all").scores.to_pylist() if r["ts_bar_end_ms"] > full_from
    ]
    assert len(rows) > 500
    for row in rows:
        same = known[row["token"], row["ts_bar_end_ms"]]
        assert [row[n] for n in names] == [same[n] for n in names]


def test_windows_side_by_side_make_the_whole(log: Path, whole: ReplayResult) -> None:
    cuts = [None, T0 + 4 * HOUR_MS, T0 + 9 * HOUR_MS + 5_000, None]
    found = []
    for start, stop in pairwise(cuts):
        warmup = None if start is None else 25 * HOUR_MS  # the whole log before
        found += play(log, Window(start, stop, warmup)).alerts.to_pylist()
    assert found == whole.alerts.to_pylist()


def test_what_was_open_before_keeps_its_sequence(log: Path, whole: ReplayResult) -> None:
    episode = next(
        a for a in whole.alerts.to_pylist() if a["kind"] == "fading" and a["sequence"] > 0
    )
    start = episode["ts_bar_end_ms"] - 5_000
    part = play(log, Window(start, episode["ts_bar_end_ms"], 25 * HOUR_MS)).alerts.to_pylist()
    assert episode in part and all(a["ts_bar_end_ms"] == start + 5_000 for a in part)


def test_a_data_folder_has_windows_too(tmp_path: Path, whole: ReplayResult) -> None:
    records = days(3, HOURS)
    with open_embedded_log(tmp_path / "d", stamp="recorded", log_start_ms=T0) as log:
        parts = {topic: log.topics()[topic] for topic in (MENTIONS, TICKS, TOKEN_INFO)}
        end = records[-1].ts_event_ms
        beat = encode_record(Heartbeat("begin", T0, log_start_ms=T0))
        places: dict[tuple[str, int], list[Item]] = {
            (topic, p): [Item(None, beat, T0)] for topic, n in parts.items() for p in range(n)
        }
        for record in records[1:-1]:
            ms = record.ts_log_ms or record.ts_event_ms
            raw = encode_record(record)
            if isinstance(record, Mention):
                places[MENTIONS, 0].append(Item(None, raw, ms))
            elif isinstance(record, Tick | TokenInfo):
                topic = TICKS if isinstance(record, Tick) else TOKEN_INFO
                p = token_partition(record.token, parts[topic])
                places[topic, p].append(Item(None, raw, ms))
        for (topic, p), items in places.items():
            items.append(Item(None, encode_record(Heartbeat("end", end)), end))
            log.append_now(topic, p, items)
    full = play(tmp_path / "d").alerts.to_pylist()
    assert full == whole.alerts.to_pylist()
    window = Window(FROM, FROM + 3 * HOUR_MS, 25 * HOUR_MS)
    part = play(tmp_path / "d", window)
    ends = (FROM, FROM + 3 * HOUR_MS)
    expected = [a for a in full if ends[0] < a["ts_bar_end_ms"] <= ends[1]]
    assert expected and part.alerts.to_pylist() == expected
    assert part.summary["records"]["skipped"] > 100


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = exit_code([str(a) for a in args])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_middle_of_a_log_is_refused_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ticks = [Tick(f"t{i}", T0 + 60_000 * i, TOKENS[0], 1.0, 1.0, "buy", "w") for i in range(120)]
    write_records([*ticks, Heartbeat("end", T0 + 7_300_000)], "in.ndjson")
    mid = "2025-01-14T01:00:00Z"
    code, _, err = run(capsys, "replay", "in.ndjson", "--out", "o", "--from", mid)
    assert code == 2 and "add --warmup 25h" in err and not Path("o").exists()
    Path("posts.toml").write_text("[engine]\nticks = false\n")
    code, _, err = run(
        capsys, "replay", "in.ndjson", "--out", "o", "--from", mid, "--config", "posts.toml"
    )
    assert code == 2 and "add --warmup 170h" in err and not Path("o").exists()
    code, out, err = run(
        capsys, "replay", "in.ndjson", "--out", "o", "--from", mid, "--warmup", "24h"
    )
    assert (code, err) == (0, "") and "note: the log begins 23.0 h later than the warm-up" in out
    code, out, _ = run(
        capsys, "replay", "in.ndjson", "--out", "p", "--from", mid, "--warmup", "0", "--json"
    )
    found = json.loads(out)
    assert code == 0 and found["records"]["skipped"] == 60 and found["log_from_ms"] == T0 + HOUR_MS
    for args, words in (
        (["--from", "2025-01-15", "--warmup", "1h"], "the log ends before --from"),
        (["--to", "2025-01-13"], "the log begins after --to"),
        (["--from", mid, "--to", mid], "--to is not after --from"),
        (["--warmup", "1h"], "add --from"),
        (["--from", mid, "--warmup", "soon"], "write a number and its unit"),
        (["--from", "noon"], "--from is 'noon', which is no time"),
        (["--from", "1736816400"], "these look like seconds"),
    ):
        code, _, err = run(capsys, "replay", "in.ndjson", "--out", "q", *args)
        assert code == 2 and words in err and err.count("\n") == 1
        assert not Path("q").exists()


def test_a_window_from_before_the_log_needs_no_warmup(log: Path, whole: ReplayResult) -> None:
    part = play(log, Window(from_ms=T0 - DAY_MS))
    assert part.alerts == whole.alerts
    with pytest.raises(UserError, match="add --from"):
        Window(warmup_ms=5)
