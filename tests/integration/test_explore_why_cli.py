"""``goldendog why`` as a person runs it, on files, on a replay's output and on a run's own folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from streams.cli.main import exit_code
from streams.files.write import write_records
from tests.helpers.days import COINS, LEXICON, SYMBOLS, days
from tests.helpers.records import T0

EAGER = """
[engine]
candidate_logit_micro = -2_000_000
candidate_bars = 1
fading_bars = 12
refractory_bars = 60
min_authors_15m = 5
min_traders_15m = 5
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("why")
    write_records(days(5, 3.0, bursts_a_day=30), folder / "log.parquet")
    (folder / "lexicon.json").write_text(json.dumps(LEXICON))
    (folder / "eager.toml").write_text(EAGER)
    args = ["replay", "log.parquet", "--out", "out", "--lexicon", "lexicon.json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert exit_code([*args, "--config", "eager.toml"]) == 0
    return folder


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = exit_code([str(a) for a in args])
    out, err = capsys.readouterr()
    return code, out, err


def alerts(place: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in (place / "out" / "alerts.ndjson").read_bytes().splitlines()
    ]


def test_every_alert_of_a_replay_is_explained_from_its_output_alone(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # paths and settings are those of the replay, wherever one stands
    found = alerts(place)
    assert {alert["kind"] for alert in found} >= {"candidate", "fading"}
    for alert in found[:4] + [a for a in found if a["kind"] == "fading"][:2]:
        args = ("why", alert["symbol"], "--at", alert["ts_bar_end_ms"], place / "out", "--json")
        code, out, err = run(capsys, *args)
        assert (code, err) == (0, "")
        why = json.loads(out)
        assert why["told"] == [alert["kind"]] and why["token"] == alert["token"]
        assert round(why["logit"] * 1_000_000) == alert["logit_micro"]
        assert why["probability"] == alert["probability"]
        assert why["baseline_coverage"] == alert["baseline_coverage"]
        assert why["ts_available_ms"] == alert["ts_available_ms"]
        reason = alert["reasons"][0]
        assert why["features"][0]["feature"] == reason["feature"]
        assert why["notes"] == []


def test_files_need_the_settings_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    alert = next(a for a in alerts(place) if a["kind"] == "candidate")
    args = ("why", alert["token"], "log.parquet", "--at", alert["ts_bar_end_ms"])
    code, out, _ = run(capsys, *args, "--config", "eager.toml")
    assert code == 0 and "told: candidate" in out
    code, out, _ = run(capsys, *args)  # with the defaults it is another answer
    assert code == 0 and "nothing told: stopped at" in out
    assert "missed  min_traders_15m" in out or "missed  candidate_bars" in out


def test_the_middle_of_a_bar_is_that_bar(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    end = alerts(place)[0]["ts_bar_end_ms"]
    found = [
        json.loads(
            run(capsys, "why", "$" + alerts(place)[0]["symbol"], "out", "--at", at, "--json")[1]
        )
        for at in (end - 4_999, end - 1, end)
    ]
    assert found[0] == found[1] == found[2]
    assert found[0]["ts_bar_start_ms"] == end - 5_000


def test_a_mistake_is_one_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    noon = "2025-01-14T01:00Z"
    stranger = COINS[0][:-2] + "ff"
    for args, words in (
        (["MOMOO", "out", "--at", noon], "did you mean MOMO"),
        ([stranger, "out", "--at", noon], f"did you mean {COINS[5]} ({SYMBOLS[5]})"),
        (
            [COINS[0], "log.parquet", "--at", "2025-01-13"],
            "is before the log, which begins 2025-01-14",
        ),
        ([COINS[0], "out", "--at", "2025-02-01"], "write an earlier --at"),
        ([COINS[0], "out", "--at", "yesterday"], "which is no time"),
        (["MOMO", "log.parquet", "--at", noon], "add --lexicon"),
        (["MOMO", "nowhere", "--at", noon, "--lexicon", "lexicon.json"], "no such file: nowhere"),
        (["MOMO", "out"], "--at"),
    ):
        code, out, err = run(capsys, "why", *args)
        assert (code, out) == (2, ""), args
        assert words in err and err.count("\n") == 1, err


def test_a_lexicon_that_was_changed_or_moved(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("log.parquet", "lexicon.json", "eager.toml"):
        shutil.copy(place / name, name)
    args = ["replay", "log.parquet", "--out", "out", "--lexicon", "lexicon.json"]
    assert run(capsys, *args, "--config", "eager.toml")[0] == 0
    Path("lexicon.json").rename("moved.json")
    why = ["why", "MOMO", "out", "--at", str(T0 + 3_600_000)]
    assert "is not the one that out was made with" in run(capsys, *why)[2]
    assert run(capsys, *why, "--lexicon", "moved.json")[0] == 0
    Path("lexicon.json").write_text(json.dumps(LEXICON).replace("MOMO", "MOMA"))
    code, _, err = run(capsys, *why)
    assert code == 2 and "the lexicon is not the one that out was made with" in err
    Path("log.parquet").unlink()
    code, _, err = run(capsys, *why)
    assert code == 2 and "log.parquet, which out was made from, is gone" in err
