"""A replay gives the alerts of the embedded run, byte for byte, from any file and any batch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from detectors.resolve.lexicon import Lexicon
from schemas.records import Alert, Record
from schemas.topics import ALERTS
from streams.embedded import run_embedded
from streams.files import order
from streams.files.write import write_records
from streams.log.sqlite_reader import open_readonly
from streams.replay import log_inputs
from streams.replay.api import ReplayResult, replay
from streams.replay.diff import compare
from streams.replay.inputs import LOG_FILE
from tests.helpers.embedded_child import options_of
from tests.helpers.logs import SETTINGS, alert_bytes
from tests.helpers.models import crowd_model
from tests.helpers.pump import in_order
from tests.helpers.wire import one_engine, random_records


def in_log_order(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda r: r.ts_log_ms or r.ts_event_ms)


def run(paths: Any, out: Path, **kwargs: Any) -> ReplayResult:
    return replay(paths, settings=SETTINGS, model=crowd_model(), out=out, **kwargs)


def lines(out: Path) -> list[bytes]:
    return (out / "alerts.ndjson").read_bytes().splitlines()


def expected_of(records: list[Record], result: ReplayResult) -> list[bytes]:
    alerts = one_engine(in_log_order(records), fingerprint=result.summary["fingerprint"])
    expected = alert_bytes(alerts)
    assert len(expected) > 10
    return expected


async def embed(
    folder: Path, records: list[Record], partitions: int, *, finish: bool
) -> list[bytes]:
    async with run_embedded(options_of(folder, partitions)) as embedded:
        await embedded.feed(records)
        if finish:
            await embedded.finish()
        await embedded.drain()
    with open_readonly(folder) as log:
        n = log.topics()[ALERTS]
        return in_order([r.value or b"" for p in range(n) for r in log.iter_topic(ALERTS, p)])


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("finish", [True, False], ids=["ended", "cut short"])
async def test_what_an_embedded_run_took_in_replays_to_its_alerts(
    tmp_path: Path, partitions: int, finish: bool
) -> None:
    """Also where the log just stops: then its inputs end at different times."""
    records = random_records(11)[: None if finish else -1]
    written = await embed(tmp_path / "data", records, partitions, finish=finish)
    assert len(written) > 10
    result = run(tmp_path / "data", tmp_path / "out", scores="all")
    assert lines(tmp_path / "out") == written
    assert result.summary["records"]["rejected"] == 0
    keys = result.scores.select(["ts_bar_end_ms", "token"]).to_pylist()
    assert [tuple(k.values()) for k in keys] == sorted({tuple(k.values()) for k in keys})


async def test_files_and_the_embedded_log_of_them_replay_alike(tmp_path: Path) -> None:
    records = in_log_order(random_records(5))
    written = await embed(tmp_path / "data", records, 2, finish=True)
    write_records(records, tmp_path / "records.parquet")
    result = run(tmp_path / "records.parquet", tmp_path / "out")
    assert lines(tmp_path / "out") == written == expected_of(records, result)


@pytest.mark.parametrize(
    "ending", [".ndjson", ".ndjson.gz", ".ndjson.zst", ".parquet", ".unsorted.parquet"]
)
@pytest.mark.parametrize("chunk", [37, 100_000])
def test_kind_of_file_and_size_of_batch_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, chunk: int
) -> None:
    monkeypatch.setattr(order, "CHUNK_ROWS", chunk)
    monkeypatch.setattr(order, "RUN_RECORDS", 400)
    records = random_records(3)
    if "unsorted" not in ending:
        records = in_log_order(records)
    write_records(records, tmp_path / f"records{ending}")
    result = run(tmp_path, tmp_path / "out", scores="gated")
    assert lines(tmp_path / "out") == expected_of(records, result)
    assert (result.summary["records"]["out_of_order"] > 0) == ("unsorted" in ending)


def test_how_records_are_dealt_over_files_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "OPEN_RECORDS", 300)
    records = random_records(8)
    rng = np.random.default_rng(8)
    owner = rng.integers(0, 4, len(records))
    folder = tmp_path / "in" / "deeper"
    for i, ending in enumerate((".ndjson", ".parquet", ".ndjson.gz", ".jsonl")):
        write_records(
            [r for r, o in zip(records, owner, strict=True) if o == i], folder / f"{i}{ending}"
        )
    result = run(tmp_path / "in", tmp_path / "out")
    assert lines(tmp_path / "out") == expected_of(records, result)
    assert sum(each["records"] for each in result.summary["inputs"]) == len(records)


async def test_the_size_of_a_logs_batch_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = await embed(tmp_path / "data", random_records(2), 2, finish=True)
    monkeypatch.setattr(log_inputs, "OPEN_RECORDS", 1)
    run(tmp_path / "data" / LOG_FILE, tmp_path / "out")
    assert lines(tmp_path / "out") == written


def test_a_record_without_a_log_time_has_its_event_time(tmp_path: Path) -> None:
    records = in_log_order(random_records(4))
    bare = [msgspec.structs.replace(r, ts_event_ms=r.ts_log_ms, ts_log_ms=None) for r in records]
    told = [msgspec.structs.replace(r, ts_event_ms=r.ts_log_ms) for r in records]
    write_records(bare, tmp_path / "bare.ndjson")
    write_records(told, tmp_path / "told.parquet")
    run(tmp_path / "bare.ndjson", tmp_path / "a")
    run(tmp_path / "told.parquet", tmp_path / "b")
    assert lines(tmp_path / "a") == lines(tmp_path / "b") != []


def test_bad_records_are_kept_and_change_nothing(tmp_path: Path) -> None:
    records = in_log_order(random_records(6))
    clean = tmp_path / "clean.ndjson"
    write_records(records, clean)
    good = clean.read_bytes().splitlines()
    dirty = [
        *good[:3],
        b'{"type":"mention","id":"m","ts_event_ms":17368128',
        b"\xff" * 40,
        b"x" * 1_000_000,
        b'{"type":"tick","id":"t","ts_event_ms":1736812800,"token":"T","price_usd":1}',
        *good[3:],
    ]
    (tmp_path / "dirty.ndjson").write_bytes(b"\n".join(dirty))
    run(clean, tmp_path / "a")
    result = run(tmp_path / "dirty.ndjson", tmp_path / "b")
    assert lines(tmp_path / "a") == lines(tmp_path / "b") != []
    kept = (tmp_path / "b" / "dead_letters.ndjson").read_bytes().splitlines()
    letters = [msgspec.json.decode(line) for line in kept]
    assert [x["place"] for x in letters] == [f"{tmp_path}/dirty.ndjson:{n}" for n in (4, 5, 6, 7)]
    assert result.summary["records"]["rejected"] == 4
    assert sum(result.summary["records"]["rejected_by_code"].values()) == 4


def test_bad_records_alone_do_not_begin_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "CHUNK_ROWS", 500)
    records = in_log_order(random_records(6))[1:]  # no heartbeat declares the log's start
    write_records(records, tmp_path / "clean.ndjson")
    clean = (tmp_path / "clean.ndjson").read_bytes()
    (tmp_path / "dirty.ndjson").write_bytes(b"nonsense\n" * 1_200 + clean)
    run(tmp_path / "clean.ndjson", tmp_path / "a", scores="all")
    result = run(tmp_path / "dirty.ndjson", tmp_path / "b", scores="all")
    assert result.summary["records"]["rejected"] == 1_200
    assert lines(tmp_path / "a") == lines(tmp_path / "b") != []
    assert compare(tmp_path / "a", tmp_path / "b").same


def test_mentions_go_through_the_resolver(tmp_path: Path) -> None:
    token = (
        "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:So11111111111111111111111111111111111111112"
    )
    text = {
        "versions": [
            {"version": 1, "effective_log_ms": 0, "tokens": [{"token": token, "symbol": "MOMO"}]}
        ]
    }
    lexicon = Lexicon.parse(msgspec.json.encode(text))
    mention = random_records(1)[1]
    for record in random_records(1):
        if type(record).__name__ == "Mention":
            mention = record
    said = msgspec.structs.replace(mention, text="$MOMO to the moon", tokens=())
    for name in ("a.ndjson", "a.parquet"):
        write_records([said, msgspec.structs.replace(said, id="n", text="hi")], tmp_path / name)
        with_words = replay(tmp_path / name, lexicon=lexicon, model=crowd_model()).summary[
            "records"
        ]
        without = replay(tmp_path / name, model=crowd_model()).summary["records"]
        assert (with_words["mentions"], with_words["mentions_unresolved"]) == (1, 1)
        assert (without["mentions"], without["mentions_unresolved"]) == (0, 2)


def test_tables_hold_what_the_files_hold(tmp_path: Path) -> None:
    records = in_log_order(random_records(9))
    write_records(records, tmp_path / "r.ndjson")
    on_disk = run([tmp_path / "r.ndjson"], tmp_path / "out", scores="all")
    in_memory = replay(tmp_path / "r.ndjson", settings=SETTINGS, model=crowd_model(), scores="all")
    for name in ("alerts", "scores", "universe"):
        assert getattr(on_disk, name).equals(getattr(in_memory, name))
    alerts = [msgspec.json.decode(line, type=Alert) for line in lines(tmp_path / "out")]
    rows = on_disk.alerts.to_pylist()
    assert [r["alert_id"] for r in rows] == [a.alert_id for a in alerts]
    for row, alert in zip(rows, alerts, strict=True):
        assert row["price_usd"] == (None if alert.price_usd is None else float(alert.price_usd))
        assert row["reason1_feature"] == (alert.reasons[0].feature if alert.reasons else None)
        assert [row[f"evidence{i}"] for i in (1, 2, 3) if row[f"evidence{i}"]] == list(
            alert.evidence
        )
    counts = on_disk.summary["records"]
    assert counts["late"] > 0 and counts["duplicates"] > 0 and counts["not_read"] > 0
    outcomes = (
        "mentions",
        "mentions_unresolved",
        "ticks",
        "token_infos",
        "progress",
        "not_read",
        "controls",
        "rejected",
    )
    assert sum(counts[name] for name in outcomes) == counts["read"] == len(records)
    tokens = {r["token"] for r in rows}
    universe = on_disk.universe.to_pylist()
    assert tokens <= {r["token"] for r in universe}
    assert all(r["first_seen_ms"] <= r["last_seen_ms"] and not r["evicted"] for r in universe)
    assert on_disk.scores.num_rows == on_disk.summary["scores"] > len(alerts)
    nan = np.isnan(np.asarray(on_disk.scores["z_mentions"].drop_null()))
    assert not nan.any()


def test_a_silent_token_is_evicted_and_says_when_it_was_seen(tmp_path: Path) -> None:
    records = in_log_order(random_records(9))
    last = records[-1]
    later = (last.ts_log_ms or 0) + 30 * 86_400_000
    write_records(
        [*records, msgspec.structs.replace(last, id="later", ts_event_ms=later, ts_log_ms=later)],
        tmp_path / "r.parquet",
    )
    result = run(tmp_path / "r.parquet", tmp_path / "out")
    universe = result.universe.to_pylist()
    assert universe and all(row["evicted"] for row in universe)
    assert result.summary["tokens"] == {
        "distinct": len({row["token"] for row in universe}),
        "live": 0,
        "evicted": len(universe),
    }


def test_the_settings_are_part_of_the_fingerprint(tmp_path: Path) -> None:
    write_records(random_records(1)[:1], tmp_path / "r.ndjson")
    a = replay(tmp_path / "r.ndjson", settings=SETTINGS, model=crowd_model())
    b = replay(
        tmp_path / "r.ndjson",
        settings=replace(SETTINGS, candidate_bars=5),
        model=crowd_model(),
    )
    assert a.summary["fingerprint"] != b.summary["fingerprint"]
