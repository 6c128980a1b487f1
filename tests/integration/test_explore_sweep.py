"""A sweep gives each setting the very alerts of a replay with it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from detectors.labels import UNKNOWN, barrier_labels
from detectors.model import Model
from detectors.settings import EngineSettings
from schemas.errors import UserError
from schemas.records import Heartbeat, Record, Tick, TokenInfo
from streams.cli.main import exit_code
from streams.explore import sweep as module
from streams.explore.grid import grid
from streams.explore.many import ManyEngine
from streams.explore.material import Material, material
from streams.explore.sweep import sweep
from streams.explore.worth import Worth, record
from streams.files.write import write_records
from streams.replay.api import replay
from streams.replay.run import Progress
from streams.replay.window import Window
from tests.helpers.days import HOUR_MS, LIVELY, days
from tests.helpers.models import crowd_model, stumps
from tests.helpers.records import T0

SEEDS = (11, 12)


@pytest.fixture(scope="module", params=SEEDS)
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / f"{request.param}.parquet"
    write_records(records_of(request.param), path)
    return path


def tries(seed: int, n: int) -> list[EngineSettings]:
    rng = random.Random(seed)
    return [
        replace(
            LIVELY,
            lateness_ms=rng.choice([2_000, 2_000, 4_000]),
            backfill_limit_ms=rng.choice([600_000, 3_600_000]),
            candidate_logit_micro=rng.choice([-500_000, 500_000, 1_000_000, 2_000_000, 4_000_000]),
            candidate_bars=rng.choice([1, 2, 4]),
            update_step_logit_micro=rng.choice([300_000, 1_000_000]),
            update_rise_x=rng.choice([1.1, 2.0]),
            fading_bars=rng.choice([1, 12, 60]),
            fading_patience=rng.choice([0.0, 0.2]),
            fading_attention_share=rng.choice([0.3, 0.6, 1.0]),
            fading_drawdown=rng.choice([0.0, 0.05, 0.3]),
            closed_attention_share=rng.choice([0.0, 0.1, 0.5]),
            closed_bars=rng.choice([6, 120, 720]),
            refractory_bars=rng.choice([0, 60, 720]),
            min_authors_15m=rng.choice([1, 5, 25]),
            min_traders_15m=rng.choice([1, 5, 25]),
        )
        for _ in range(n)
    ]


def run(of: Material, settings: list[EngineSettings]) -> module.Sweep:
    return sweep(of, ["candidate_bars"], settings)


@pytest.mark.parametrize("kept", [0, 400_000], ids=["read again", "kept"])
def test_the_alerts_are_those_of_replays(
    log: Path, tmp_path: Path, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_ROWS", kept)
    monkeypatch.setattr(module, "FLUSH_ROWS", 700)  # several pushes, or nothing is tested
    model = crowd_model()
    settings = tries(int(log.stat().st_size), 12)
    found = run(material([log], model=model), settings)
    numbers = set()
    for i, each in enumerate(found.tried):
        out = tmp_path / str(i)
        summary = replay(log, settings=settings[i], model=model, out=out).summary
        lines = (out / "alerts.ndjson").read_bytes().splitlines()
        assert [msgspec.json.encode(alert) for alert in each.alerts] == lines
        assert each.fingerprint == summary["fingerprint"]
        numbers.add(len(lines))
    assert max(numbers) > 20 and len(numbers) > 5  # the settings do differ


def later(record: Record, ms: int) -> Record:
    log_ms = record.ts_log_ms or record.ts_event_ms
    return msgspec.structs.replace(
        record,
        id=f"{record.id}+",
        ts_event_ms=record.ts_event_ms + ms,
        ts_log_ms=log_ms + ms,
    )


def test_a_token_that_one_setting_forgot_while_another_followed_it(tmp_path: Path) -> None:
    """After 25 h of silence a token starts anew, unless an episode of it is open."""
    once = [r for r in days(31, 1.5) if not isinstance(r, Heartbeat)]
    gap = 27 * HOUR_MS
    # its facts are told at the beginning alone: whoever forgot them does not know its age
    again = [later(r, gap) for r in once if not isinstance(r, TokenInfo)]
    known = [
        msgspec.structs.replace(r, ts_created_ms=T0 - HOUR_MS) if isinstance(r, TokenInfo) else r
        for r in once
    ]
    end = Heartbeat("end", T0 + gap + 4 * HOUR_MS)
    write_records(
        [Heartbeat("begin", T0, log_start_ms=T0), *known, *again, end], tmp_path / "l.parquet"
    )
    # none fades while nothing trades
    lasting = replace(LIVELY, fading_drawdown=1.0, rug_drawdown=1.0)
    settings = [
        replace(lasting, candidate_logit_micro=logit, min_traders_15m=traders)
        for logit in (0, 1_000_000, 2_500_000, 9_000_000)
        for traders in (1, 18, 30)
    ]
    # the score knows the age
    model = stumps(
        ("mentions_60s", 6.0, -1.0, 1.5),
        ("trades_60s", 6.0, -0.5, 1.5),
        ("age_min", 90.0, 0.5, 1.1),
    )
    apart: list[set[str]] = []
    played = module._Run._try_apart

    def watch(self: module._Run, tokens: set[str]) -> None:
        apart.append(tokens)
        played(self, tokens)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._Run, "_try_apart", watch)
        found = run(material([tmp_path / "l.parquet"], model=model), settings)
    assert apart and apart[0]
    after = 0
    for each in found.tried:
        alone = replay(tmp_path / "l.parquet", settings=each.settings, model=model)
        assert [(a.alert_id, a.ts_bar_end_ms, a.logit_micro) for a in each.alerts] == [
            (a["alert_id"], a["ts_bar_end_ms"], a["logit_micro"]) for a in alone.alerts.to_pylist()
        ]
        after += sum(a.token in apart[0] and a.ts_bar_end_ms > T0 + gap for a in each.alerts)
    assert after > 5


def test_a_window_holds_for_every_setting(log: Path) -> None:
    model = crowd_model()
    window = Window(T0 + 2 * HOUR_MS, T0 + 4 * HOUR_MS, 3 * HOUR_MS)
    settings = tries(5, 4)
    found = run(replace(material([log], model=model), window=window), settings)
    assert found.days == pytest.approx(2 / 24)
    some = 0
    for each in found.tried:
        alone = replay(log, settings=each.settings, model=model, window=window)
        assert [a.alert_id for a in each.alerts] == alone.alerts["alert_id"].to_pylist()
        some += len(each.alerts)
    assert some > 10


def test_tokens_that_no_setting_tells_of_are_left_out(log: Path) -> None:
    found = run(material([log], model=crowd_model(50, 50)), [LIVELY])
    assert (found.tokens, found.rows, len(found.tried[0].alerts)) == (0, 0, 0)
    few = run(material([log], model=crowd_model(14, 14)), [replace(LIVELY, candidate_bars=1)])
    assert 0 < few.tokens < 6 or few.rows


def test_outcomes_are_those_of_the_prices_in_the_log(log: Path) -> None:
    found = run(material([log], model=crowd_model()), [LIVELY])
    (tried,) = found.tried
    candidates = [alert for alert in tried.alerts if alert.kind == "candidate"]
    assert len(candidates) == tried.candidates == len(tried.outcomes) > 10
    for alert, outcome in zip(candidates, tried.outcomes, strict=True):
        ticks = sorted(prices_of(log, alert.token))
        after = [price for ts, price in ticks if alert.ts_available_ms < ts]
        times, prices = map(np.array, zip(*ticks, strict=True))
        end_ms = T0 + 6 * HOUR_MS
        at = np.array([alert.ts_available_ms])
        assert outcome.label == barrier_labels(at, times, prices, end_ms=end_ms)[0]
        assert outcome.multiple_ahead == (max(after) / after[0] if after else None)
    assert {outcome.label for outcome in tried.outcomes} > {UNKNOWN} or len(candidates) < 3


@cache
def records_of(seed: int) -> list[Record]:
    return days(seed, 5.0, bursts_a_day=24)


def prices_of(log: Path, token: str) -> list[tuple[int, float]]:
    return [
        (r.ts_event_ms, float(r.price_usd))
        for r in records_of(int(log.stem))
        if isinstance(r, Tick) and r.token == token
    ]


def test_progress_counts_both_readings(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_ROWS", 0)
    seen: list[Progress] = []
    sweep(material([log], model=crowd_model()), [], [LIVELY], seen.append)
    assert seen[-1].records == seen[-1].total == 2 * pq.read_metadata(log).num_rows


def test_a_record_of_outcomes() -> None:
    found = record([Worth(1, 5.0), Worth(0, 1.0), Worth(0, 2.0), Worth(-1, None)])
    assert (found.hits, found.known, found.unknown, found.precision) == (1, 3, 1, 0.3333)
    assert found.median_multiple_ahead == 2.0
    # Wilson's interval for 1 of 3
    assert found.low == pytest.approx(0.0615, abs=2e-4) and found.high == pytest.approx(
        0.7923, abs=2e-4
    )
    nothing = record([])
    assert nothing.precision is None and nothing.low is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "add --set"),
        (["candidate_barz=1"], "did you mean candidate_bars; settings are lateness_ms, "),
        (["zzz=1"], "use one of lateness_ms, backfill_limit_ms, candidate_logit_micro"),
        (["candidate_bars=1,x"], "candidate_bars cannot be 'x'; write a whole number"),
        (["candidate_bars=1.5"], "write a whole number"),
        (["fading_drawdown=a"], "write a number"),
        (["candidate_bars"], "write name=a,b,c"),
        (["candidate_bars=0"], "engine.candidate_bars is 0; write a value from 1 to 720"),
        (["candidate_bars=1,1"], "written twice"),
        (["candidate_bars=1", "engine.candidate_bars=2"], "is set twice"),
        ([f"{n}={','.join(map(str, range(1, 12)))}" for n in ("candidate_bars", "closed_bars")],
         "these are 121 settings; write 100"),
    ],
)  # fmt: skip
def test_what_cannot_be_swept(options: list[str], words: str) -> None:
    with pytest.raises(UserError) as error:
        grid(EngineSettings(), options)
    assert words in str(error.value)


def test_numbers_may_be_negative_and_grouped() -> None:
    names, found = grid(EngineSettings(), ["candidate_logit_micro=-1_000_000, 5"])
    assert names == ["candidate_logit_micro"]
    assert [each.candidate_logit_micro for each in found] == [-1_000_000, 5]


def test_the_command(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("eager.toml").write_text("[engine]\nmin_authors_15m = 5\nmin_traders_15m = 5\n")
    args = ["sweep", str(log), "--config", "eager.toml"]
    args += [
        "--set",
        "candidate_logit_micro=-2000000,-1000000,50000000",
        "--set",
        "candidate_bars=1,2",
    ]
    assert exit_code([*args, "--out", "o"]) == 0
    out, err = capsys.readouterr()
    table = out.splitlines()
    assert err == "" and table[0].split()[:3] == [
        "candidate_logit_micro",
        "candidate_bars",
        "candidates",
    ]
    assert table[1].split()[:2] == ["-2000000", "1"] and table[6].split()[:3] == [
        "50000000",
        "2",
        "0",
    ]
    assert "6 settings were tried on one log: the best of them looks better than it is" in out
    assert {p.name for p in Path("o").iterdir()} == {
        "sweep.json",
        "settings.parquet",
        "alerts.parquet",
    }
    told = json.loads(Path("o/sweep.json").read_text())
    rows = pq.read_table("o/settings.parquet").to_pylist()
    alerts = pq.read_table("o/alerts.parquet").to_pylist()
    assert told["tried"] == len(told["settings"]) == len(rows) == 6
    for i, (row, setting) in enumerate(zip(rows, told["settings"], strict=True)):
        own = [a for a in alerts if a["setting"] == i]
        assert row["candidate_bars"] == setting["set"]["candidate_bars"]
        assert row["min_authors_15m"] == 5
        assert setting["candidates"] == row["alerts_candidate"]
        assert setting["candidates"] == sum(a["kind"] == "candidate" for a in own)
        assert {a["fingerprint"] for a in own} <= {setting["fingerprint"]}
    assert told["settings"][0]["candidates"] > 0
    assert exit_code([*args, "--json"]) == 0
    again = json.loads(capsys.readouterr()[0])
    assert again["settings"] == told["settings"]
    assert exit_code([*args, "--out", "o"]) == 2
    assert "name another" in capsys.readouterr()[1]


def test_settings_that_fill_other_bars_share_no_walk() -> None:
    settings = [LIVELY, replace(LIVELY, lateness_ms=3_000)]
    with pytest.raises(ValueError, match="same lateness"):
        ManyEngine(settings, crowd_model(), ["log"], fingerprints=["a", "b"], symbols={})


def test_models_are_shared(log: Path) -> None:
    of = material([log], model=crowd_model())
    assert isinstance(of.detection.model, Model)
    assert of.with_settings(LIVELY).detection.model is of.detection.model
