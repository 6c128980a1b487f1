"""`goldendog replay` and `goldendog diff` as a person runs them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from schemas.errors import UserError
from schemas.records import Control, Heartbeat, Mention, Record, Tick
from streams.cli.main import exit_code
from streams.files.write import write_records
from streams.interrupts import InterruptError
from streams.replay.api import replay
from streams.replay.output import whole_folder
from tests.helpers.records import T0, TOKENS

FILES = {
    "alerts.ndjson",
    "alerts.parquet",
    "scores.parquet",
    "universe.parquet",
    "summary.json",
    "dead_letters.ndjson",
}


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def records(n: int = 300) -> list[Record]:
    found: list[Record] = [Heartbeat("begin", T0, log_start_ms=T0)]
    for i in range(n):
        at = T0 + 1_000 * i
        found.append(Tick(f"t{i}", at, TOKENS[i % 2], 0.5 + i / 1e6, 10.0 + i, "buy", f"w{i % 9}"))
        found.append(Mention(f"m{i}", at, "x", f"a{i % 7}", "hi", (TOKENS[0],)))
    return [*found, Heartbeat("end", T0 + 1_000_000)]


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = exit_code([str(a) for a in args])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_replay_writes_every_file_and_says_what_it_did(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records(records(), "in.ndjson")
    code, out, err = run(capsys, "replay", "in.ndjson", "--out", "deep/out", "--scores", "all")
    assert code == 0, err
    assert {p.name for p in Path("deep/out").iterdir()} == FILES
    assert [p.name for p in Path("deep").iterdir()] == ["out"]
    assert "602 records" in out and "written to deep/out" in out
    assert pq.read_metadata("deep/out/scores.parquet").num_rows > 0
    code, out, err = run(capsys, "replay", "in.ndjson", "--out", "b", "--json")
    found = json.loads(out)
    assert (code, found["records"]["read"], found["records"]["ticks"]) == (0, 602, 300)
    assert found["peak_memory_bytes"] > 10_000_000
    assert found["log_from_ms"] == T0 and found["closed_through_ms"] == T0 + 995_000
    assert {k: v for k, v in found.items() if k != "out"} == json.loads(
        Path("b/summary.json").read_text()
    )


def test_a_token_that_comes_back_is_one_token_of_two_lives(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file of 267 coins, many of them silent for days, was said to hold 1,965 tokens."""
    days = (0, 0, 9, 30)
    lives = [TOKENS[0], TOKENS[1], TOKENS[0], TOKENS[0]]
    write_records(
        [
            *(
                Tick(f"t{i}", T0 + day * 86_400_000 + i, token, 1.0, 10.0, "buy", "w")
                for i, (day, token) in enumerate(zip(days, lives, strict=True))
            ),
            Heartbeat("end", T0 + 30 * 86_400_000 + 60_000),
        ],
        "in.ndjson",
    )
    code, out, _ = run(capsys, "replay", "in.ndjson", "--out", "o")
    assert code == 0 and "0 alerts; 2 tokens\n" in out
    told = json.loads(Path("o/summary.json").read_text())["tokens"]
    assert told == {"distinct": 2, "live": 1, "evicted": 3}
    rows = pq.read_table("o/universe.parquet").to_pylist()
    assert sorted(row["token"] for row in rows) == sorted(lives)


@pytest.mark.parametrize(
    ("kept", "mentions", "said"),
    [
        (Tick, "true", "mentions = false under [engine]"),
        (Tick, "false", ""),
        (Mention, "true", "an alert needs a price"),
        ((Tick, Mention), "true", ""),
    ],
)
def test_a_kind_of_record_that_is_missing_altogether_is_told(
    capsys: pytest.CaptureFixture[str], kept: type, mentions: str, said: str
) -> None:
    write_records([r for r in records(20) if isinstance(r, (kept, Heartbeat))], "in.ndjson")
    Path("own.toml").write_text(f"[engine]\nmentions = {mentions}\n")
    code, out, err = run(capsys, "replay", "in.ndjson", "--out", "o", "--config", "own.toml")
    assert code == 0, err
    notes = [line for line in out.splitlines() if line.startswith("note: ")]
    assert len(notes) == bool(said)
    assert not said or said in notes[0]


def test_an_earlier_replay_is_replaced_only_when_asked_and_anything_else_never(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_records(records(5), "in.ndjson")
    Path("out").mkdir()
    assert run(capsys, "replay", "in.ndjson", "--out", "out")[0] == 0
    code, _, err = run(capsys, "replay", "in.ndjson", "--out", "out")
    assert code == 2 and "add --overwrite" in err
    Path("out/alerts.ndjson").write_text("old")
    assert run(capsys, "replay", "in.ndjson", "--out", "out", "--overwrite")[0] == 0
    assert Path("out/alerts.ndjson").read_text() == ""
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("precious")
    for out in ("mine", "in.ndjson"):
        code, _, err = run(capsys, "replay", "in.ndjson", "--out", out, "--overwrite")
        assert code == 2 and "name another" in err
    assert Path("mine/thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["replay", "none.ndjson", "--out", "o"], "no such file: none.ndjson; check the path"),
        (["replay", "in.ndjson", "--out", "in.ndjson/x"], "in.ndjson/x cannot be written"),
        (["replay", "in.ndjson", "--out", "o", "--scores", "some"], "write alerts, gated or all"),
        (["replay", "in.ndjson", "--out", "o", "--lexicon", "no.json"], "no.json cannot be read"),
        (["replay", "in.ndjson", "--out", "o", "--lexicon", "in.ndjson"], "lexicon"),
        (["replay", "wrong.parquet", "--out", "o"], "holds text"),
        (["replay", "in.ndjson"], "--out"),
        (["replay", "--out", "o"], "nothing to replay is named"),
        (["diff", "nowhere", "in.ndjson"], "nowhere is no output of a replay"),
        (["diff", "nowhere"], "DIR_B"),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], args: list[str], words: str
) -> None:
    write_records(records(2), "in.ndjson")
    shutil.copy("in.ndjson", "wrong.parquet")
    before = sorted(Path().iterdir())
    code, out, err = run(capsys, *args)
    assert (code, out) == (2, "")
    assert words in err and err.count("\n") == 1 and "Traceback" not in err
    assert sorted(Path().iterdir()) == before


def test_an_empty_file_gives_an_empty_run_and_a_note(capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.ndjson").touch()
    code, out, err = run(capsys, "replay", "in.ndjson", "--out", "o")
    assert (code, err) == (0, "")
    assert "note: in.ndjson holds no records" in out
    assert {p.name for p in Path("o").iterdir()} == FILES
    assert pq.read_table("o/alerts.parquet").num_rows == 0


def test_a_run_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    write_records(records(5), "in.ndjson")

    def stop(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        replay("in.ndjson", out="o", progress=stop)
    assert str(InterruptError(caught.value)) == "interrupted; nothing was written"
    assert [p.name for p in Path().iterdir()] == ["in.ndjson"]


def test_a_folder_that_cannot_take_the_old_ones_place_gives_it_back(tmp_path: Path) -> None:
    write_records(records(1), "in.ndjson")
    replay("in.ndjson", out="o")
    before = Path("o/summary.json").read_bytes()

    def fail() -> None:
        with whole_folder(Path("o"), overwrite=True) as part:
            shutil.rmtree(part)

    with pytest.raises(UserError, match="cannot be written"):
        fail()
    assert Path("o/summary.json").read_bytes() == before


def test_progress_tells_records_event_time_and_alerts() -> None:
    write_records(records(50), "in.ndjson")
    seen = []
    replay("in.ndjson", progress=seen.append)
    assert [p.stage for p in seen] == ["scan", "replay"]
    last = seen[-1]
    assert (last.records, last.total, last.log_ms) == (102, 102, T0 + 1_000_000)


def test_a_data_folder_is_replayed_alone(capsys: pytest.CaptureFixture[str]) -> None:
    from streams.sources.embedded_log import open_embedded_log

    write_records(records(1), "in.ndjson")
    open_embedded_log(Path("data"), stamp="recorded", log_start_ms=T0).close()
    code, _, err = run(capsys, "replay", "data", "in.ndjson", "--out", "o")
    assert code == 2 and "replayed alone" in err
    code, out, _ = run(capsys, "replay", "data", "--out", "o")
    assert code == 0 and "0 records" in out


class TestDiff:
    @pytest.fixture(autouse=True)
    def _two_runs(self) -> None:
        write_records(records(), "in.ndjson")
        for out in ("a", "b"):
            replay("in.ndjson", out=out, scores="all")

    def test_two_runs_of_one_log_are_the_same(self, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, _ = run(capsys, "diff", "a", "b")
        assert (code, out) == (0, "same: alerts and scores, byte for byte\n")
        code, out, _ = run(capsys, "diff", "a", "b", "--json")
        assert code == 0 and json.loads(out)["same"]

    def test_the_first_score_that_differs_is_named(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        table = pq.read_table("b/scores.parquet")
        rows = table.to_pylist()
        at = len(rows) // 2
        rows[at]["mentions_60s"] += 1
        rows[-1]["z_mentions"] = 99.0
        pq.write_table(type(table).from_pylist(rows, table.schema), "b/scores.parquet")
        code, out, _ = run(capsys, "diff", "a", "b", "--json")
        score = json.loads(out)["score"]
        assert code == 1
        assert (score["what"], score["number"], score["token"], score["ts_bar_end_ms"]) == (
            "mentions_60s",
            at + 1,
            rows[at]["token"],
            rows[at]["ts_bar_end_ms"],
        )
        assert score["b"] == score["a"] + 1
        code, out, _ = run(capsys, "diff", "a", "b")
        assert "mentions_60s" in out and "2025-01-14" in out

    def test_a_missing_score_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        table = pq.read_table("b/scores.parquet")
        pq.write_table(table.slice(1), "b/scores.parquet")
        first = table.slice(0, 1).to_pylist()[0]
        code, out, _ = run(capsys, "diff", "a", "b", "--json")
        score = json.loads(out)["score"]
        assert code == 1
        assert (score["what"], score["token"]) == ("missing in B", first["token"])
        pq.write_table(table.slice(0, table.num_rows - 1), "b/scores.parquet")
        code, out, _ = run(capsys, "diff", "b", "a", "--json")
        assert code == 1 and json.loads(out)["score"]["what"] == "missing in A"

    def test_a_column_that_one_has_alone_is_named(self, capsys: pytest.CaptureFixture[str]) -> None:
        table = pq.read_table("b/scores.parquet")
        pq.write_table(table.drop_columns("z_mentions_week"), "b/scores.parquet")
        code, out, _ = run(capsys, "diff", "a", "b")
        assert code == 1
        told = "first score that differs: column z_mentions_week of the tables"
        assert out.splitlines()[-1] == told

    def test_row_groups_are_no_difference(self, capsys: pytest.CaptureFixture[str]) -> None:
        table = pq.read_table("b/scores.parquet")
        pq.write_table(table, "b/scores.parquet", row_group_size=7)
        assert run(capsys, "diff", "a", "b")[0] == 0


def alert(token: str = "T", bar: int = 5_000, **fields: object) -> dict[str, object]:
    reasons = [{"feature": "z_mentions", "value": 3.0, "contribution_logit": 1.0}]
    return {
        "token": token, "ts_bar_end_ms": bar, "sequence": 0, "kind": "candidate",
        "logit_micro": 7, "reasons": reasons, "fingerprint": "f",
    } | fields  # fmt: skip


def output(name: str, alerts: list[dict[str, object]], **summary: object) -> None:
    Path(name).mkdir()
    body = b"".join(msgspec.json.encode(a) + b"\n" for a in alerts)
    Path(name, "alerts.ndjson").write_bytes(body)
    Path(name, "summary.json").write_bytes(msgspec.json.encode({"fingerprint": "f"} | summary))


@pytest.mark.parametrize(
    ("other", "what", "number"),
    [
        ([alert(), alert("U", logit_micro=8)], "logit_micro", 2),
        ([alert()], "missing in B", 2),
        ([alert(), alert("A0", bar=6_000)], "missing in B", 2),
        ([alert(), alert("S"), alert("U")], "missing in A", 2),
        ([alert(), alert("U", reasons=[{"feature": "z_mentions", "value": 4.0}])], "reason z_mentions: value", 2),
        ([alert(), alert("U", reasons=[])], "reason z_mentions", 2),
        ([alert(), alert("U", kind="fading")], "kind", 2),
    ],
)  # fmt: skip
def test_the_first_alert_that_differs_is_named(
    capsys: pytest.CaptureFixture[str], other: list[dict[str, object]], what: str, number: int
) -> None:
    output("a", [alert(), alert("U")])
    output("b", other)
    code, out, _ = run(capsys, "diff", "a", "b", "--json")
    found = json.loads(out)["alert"]
    assert (code, found["what"], found["number"]) == (1, what, number)
    code, out, _ = run(capsys, "diff", "a", "b")
    assert code == 1 and what in out and "bar that ends 1970-01-01 00:00:0" in out


def test_another_fingerprint_says_which_part_and_which_setting(
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts = {"model": "m1", "code": "c"}
    output("a", [alert()], fingerprint_parts=parts, settings={"candidate_bars": 2})
    output(
        "b",
        [alert(fingerprint="g")],
        fingerprint="g",
        fingerprint_parts=parts | {"model": "m2"},
        settings={"candidate_bars": 3},
    )
    code, out, _ = run(capsys, "diff", "a", "b")
    assert code == 1
    assert out.splitlines() == [
        "fingerprint differs: f and g",
        "model differs: m1 and m2",
        "settings.candidate_bars differs: 2 and 3",
        "alerts are the same, but for the fingerprint they carry",
    ]


def test_a_file_of_alerts_that_was_cut_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    output("a", [alert()])
    output("b", [alert()])
    Path("b/alerts.ndjson").write_bytes(b'{"token":"T","ts_b')
    code, _, err = run(capsys, "diff", "a", "b")
    assert code == 2 and "b/alerts.ndjson:1 is no alert" in err


@pytest.mark.parametrize("missing", ["ticks", "mentions"])
def test_what_a_log_lacks_is_no_riddle_once_a_control_record_said_so(missing: str) -> None:
    kind = {"ticks": Tick, "mentions": Mention}[missing]
    some = [r for r in records(9) if not isinstance(r, kind)]
    some[1:1] = [Control("c", T0, T0, "engine.candidate_bars", "3")]
    write_records(some, "in.ndjson")
    (note,) = replay("in.ndjson").summary["warnings"]
    assert f"{missing} = false under [engine]" in note
    some[1] = Control("c", T0, T0, f"engine.{missing}", "false")
    write_records(some, "told.ndjson")
    assert replay("told.ndjson").summary["warnings"] == []
