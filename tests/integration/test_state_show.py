"""``goldendog state show``: what a checkpoint holds of a token, held against a replay's answer."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from detectors.settings import EngineSettings
from schemas.records import Mention
from schemas.topics import TICKS
from streams.cli.main import exit_code
from streams.embedded import EmbeddedOptions, run_embedded
from streams.files.write import write_records
from streams.log.base import Item
from streams.log.sqlite import SqliteLog
from streams.log.sqlite_reader import open_readonly
from streams.operate.opened import Reading
from streams.operate.reach_back import reach_back
from streams.scenario.coins import WAVE, lexicon_text
from tests.kafka.live import FROM_MS, scenario

HOURS = 1.25
HISTORY_MS = EngineSettings().history_ms
MOMO = WAVE[0].token

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wave's first hours, the data folder of their run, and its lexicon."""
    folder = tmp_path_factory.mktemp("state")
    (folder / "lexicon.json").write_text(lexicon_text())
    records = scenario(HOURS)
    write_records(records, folder / "log.ndjson")
    options = EmbeddedOptions(
        folder / "data",
        recorded_time=True,
        partitions=2,
        mention_partitions=2,
        lexicon=lexicon_text().encode(),
    )

    async def fed() -> None:
        async with run_embedded(options) as run:
            await run.feed(records)
            await run.finish()

    asyncio.run(fed())
    return folder


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    code = exit_code([str(each) for each in args])
    out, err = capsys.readouterr()
    return code, out, err


def shown(place: Path, capsys: pytest.CaptureFixture[str], token: str, *more: str) -> Any:
    where = ("--data-dir", place / "data", "--lexicon", place / "lexicon.json", *more)
    code, out, err = run(capsys, "state", "show", token, *where, "--json")
    assert code == 0, err
    return json.loads(out)


def test_it_is_what_a_replay_says_of_the_same_bar(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = shown(place, capsys, "momo")
    assert (state["token"], state["symbol"]) == (MOMO, "MOMO")
    end_ms = FROM_MS + round(HOURS * 3_600_000)
    assert state["closed_ms"] == (end_ms - 2_000) // 5_000 * 5_000
    at = ("--at", state["closed_ms"], "--lexicon", place / "lexicon.json", "--json")
    code, out, err = run(capsys, "why", "MOMO", place / "log.ndjson", *at)
    assert code == 0, err
    why = json.loads(out)
    for name in ("price_usd", "ts_price_ms", "baseline_coverage", "features", "logit"):
        assert state[name] == why[name], name
    assert state["probability"] == why["probability"]
    assert state["episode"]["state"] == why["episode_after"] == "open"
    assert state["episode"]["ts_start_ms"] == why["ts_episode_start_ms"]
    values = {f["feature"]: f["value"] for f in state["features"]}
    assert state["mentions_60s"] == values["mentions_60s"]
    assert state["notes"] == []
    assert 0 <= state["age_s"] < 3_600


def test_a_coin_that_is_silent_has_its_windows_at_the_newest_bar(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for coin in WAVE[1:]:  # launched later: known by the lexicon, without a record yet
        args = ("state", "show", coin.symbol, "--data-dir", place / "data")
        code, _, err = run(capsys, *args, "--lexicon", place / "lexicon.json")
        assert code == 2
        assert f"{coin.symbol} ({coin.token}) has no state: no record of it in the 25 hours" in err
        assert err.count("\n") == 1
    text = (place / "log.ndjson").read_text()
    quiet = next(
        token
        for token in sorted({json.loads(line).get("token") or "" for line in text.splitlines()})
        if token
        and (at := shown(place, capsys, token))["last_record_ms"] < at["closed_ms"] - 60_000
    )
    state = shown(place, capsys, quiet)
    assert (state["mentions_60s"], state["trades_60s"]) == (0, 0)
    assert state["episode"]["state"] == "none"
    z = {f["feature"]: f for f in state["features"]}["z_trades"]
    assert z["baseline_n"] == 60
    assert z["value"] <= 0


def test_words_say_the_same(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--data-dir", place / "data", "--lexicon", place / "lexicon.json")
    code, out, err = run(capsys, "state", "show", MOMO.rpartition(":")[2], *where)
    assert (code, err) == (0, "")
    assert out.startswith(f"MOMO ({MOMO})\npartition ")
    assert "episode open since 2025-01-14T" in out
    assert "z_mentions" in out
    assert "(usually " in out


def test_what_cannot_be_found_is_said_with_what_is_near(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--lexicon", place / "lexicon.json")
    where = ("--data-dir", place / "data", *words)
    near = MOMO[:-1] + ("V" if MOMO[-1] != "V" else "W")
    for text, said in (
        (near, f"did you mean {MOMO} (MOMO)"),
        ("MOMOO", "did you mean MOMO"),
        ("solana:x/y", "write"),
    ):
        code, _, err = run(capsys, "state", "show", text, *where)
        assert code == 2
        assert said in err
        assert err.count("\n") == 1
    code, _, err = run(capsys, "state", "show", "MOMO", "--data-dir", tmp_path, *words)
    assert code == 2
    assert "there is no log in" in err


def test_other_settings_here_than_there_tell_no_score(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "other.toml"
    config.write_text("[engine]\ncandidate_bars = 3\n")
    state = shown(place, capsys, "MOMO", "--config", str(config))
    assert (state["logit"], state["probability"]) == (None, None)
    assert "no score is told" in state["notes"][0]
    assert state["price_usd"] == shown(place, capsys, "MOMO")["price_usd"]


def test_posts_alone_have_no_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As ``why`` says: the classifier is not asked where nothing trades."""
    posts = [r for r in scenario(0.25) if isinstance(r, Mention)]
    (tmp_path / "lexicon.json").write_text(lexicon_text())
    options = EmbeddedOptions(
        tmp_path / "data",
        recorded_time=True,
        lexicon=lexicon_text().encode(),
        settings=EngineSettings(ticks=False),
    )

    async def fed() -> None:
        async with run_embedded(options) as run:
            await run.feed(posts)
            await run.finish()

    asyncio.run(fed())
    config = tmp_path / "posts.toml"
    config.write_text("[engine]\nticks = false\n")
    state = shown(tmp_path, capsys, "MOMO", "--config", str(config))
    assert (state["logit"], state["probability"], state["notes"]) == (None, None, [])
    assert state["mentions_60s"] > 0
    assert {each["contribution_logit"] for each in state["features"]} == {0.0}


class Beheaded(Reading):
    """A log that has lost the first records of an input."""

    async def start_offset(self, topic: str, partition: int) -> int:
        return 5 if topic == TICKS else await super().start_offset(topic, partition)


async def test_what_a_rebuilt_state_would_lack_is_told(place: Path) -> None:
    with open_readonly(place / "data") as log:
        whole = await reach_back(Reading(log), HISTORY_MS)
        assert whole.reasons == ()
        assert whole.told_ms == (FROM_MS + round(HOURS * 3_600_000) - 2_000) // 5_000 * 5_000
        short, lost = (await reach_back(Beheaded(log), HISTORY_MS)).reasons
    assert short.startswith(f"{TICKS}/")
    assert "25 hours before 2025-01-14T06:14:55Z would be needed" in short
    assert "1 episodes opened before the log says how" in lost
    assert f"{MOMO} since 2025-01-14T" in lost


def test_lag_of_a_folder_is_nothing_until_something_waits(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = shutil.copytree(place / "data", tmp_path / "data")
    code, out, _ = run(capsys, "lag", "--data-dir", data, "--max-seconds", "0", "--json")
    told = json.loads(out)
    assert code == 0
    assert {each["records"] for each in told["inputs"]} == {0}
    assert {(each["topic"], each["partition"]) for each in told["inputs"]} >= {
        (TICKS, 0),
        (TICKS, 1),
    }
    last_ms = FROM_MS + round(HOURS * 3_600_000)
    with SqliteLog(data) as log:
        for late in (0, 7_500):
            log.append_now(TICKS, 1, [Item(None, b"{}", last_ms + late)])
    code, out, _ = run(capsys, "lag", "--data-dir", data, "--max-seconds", "7", "--json")
    behind = {f"{e['topic']}/{e['partition']}": e for e in json.loads(out)["inputs"]}
    assert code == 1
    assert (behind[f"{TICKS}/1"]["records"], behind[f"{TICKS}/1"]["seconds"]) == (2, 7.5)
    assert behind[f"{TICKS}/0"]["records"] == 0
    code, out, _ = run(capsys, "lag", "--data-dir", data)
    assert (code, out.splitlines()[0]) == (0, f"the run in {data}; at most 7.5 s behind")
    code, _, err = run(capsys, "lag", "--data-dir", tmp_path)
    assert (code, "there is no log in" in err) == (2, True)
    code, _, err = run(capsys, "lag", "--data-dir", data, "--group", "x")
    assert (code, "name one of them" in err) == (2, True)
