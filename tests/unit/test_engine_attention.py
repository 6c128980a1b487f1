"""Posts alone: an hour that stands out from its week opens an episode in a log without trades."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.layout import (
    BAR_MS,
    EXPIRE_BARS,
    FEATURES,
    HOUR_MS,
    HOUR_QUARTERS,
    MODEL_FEATURES,
    TRADE_FEATURES,
    WEEK_RING,
)
from detectors.outputs import joined_scores
from detectors.settings import EngineSettings
from schemas.errors import ConfigError
from schemas.records import Alert
from streams.replay.tables import score_batch
from streams.run.report import alert_line
from streams.words import sentence
from streams.worker.alerts import encode_alert, scores_of
from tests.helpers.bench import Bench, kinds
from tests.helpers.logs import SETTINGS
from tests.helpers.models import stumps

POSTS = replace(
    SETTINGS, ticks=False, min_authors_15m=5, fading_bars=12, refractory_bars=0, closed_bars=720
)
HOUR_S = 3_600
SWELL_S = 30 * HOUR_S  # a day of baseline and some hours
EAGER = stumps(("mentions_60s", 0.0, -0.5, 9.0))  # whatever is scored passes


def quiet(bench: Bench, until_s: int = SWELL_S, every_s: int = 600) -> None:
    """Six posts an hour."""
    for at in range(0, until_s, every_s):
        bench.post(at, f"q{at}")


def swell(bench: Bench, n: int = 60, at_s: int = SWELL_S, gap_s: int = 20) -> None:
    """Posts 20 s apart: never three within a minute's bars beyond the usual three."""
    for k in range(n):
        bench.post(at_s + k * gap_s, f"s{at_s}-{k}")


def told(settings: EngineSettings = POSTS, *, n: int = 60, **more: Any) -> list[Alert]:
    bench = Bench(settings, **more)
    quiet(bench)
    swell(bench, n)
    return bench.run(SWELL_S + 2 * HOUR_S)


def test_an_hour_that_stands_out_from_the_week_opens_an_episode() -> None:
    alert = told()[0]
    assert alert.kind == "candidate"
    assert alert.trigger == "attention"
    (first,) = alert.reasons
    assert first.feature == "z_mentions_week"
    assert first.value is not None
    assert first.value >= 3.5
    assert first.baseline_mean == pytest.approx(6, abs=0.5)
    assert first.baseline_n == 29
    assert alert.price_usd is None
    had, there_is = 60 + 15 * 96 + 60 * 29, 60 + 15 * 96 + 60 * 168
    assert alert.baseline_coverage == round(had / there_is, 4)
    assert json.loads(encode_alert(alert))["trigger"] == "attention"
    assert " candidate: attention: posts of a week z " in sentence(alert)
    assert alert_line(alert).endswith(" because posts of a week z 3.56")
    assert " p=" not in alert_line(alert)


def test_it_fades_with_its_attention_and_closes_when_that_is_gone() -> None:
    alerts = told()
    assert kinds(alerts) == ["candidate", "fading", "closed"]
    faded = alerts[1]
    assert faded.reasons == ()
    assert [line for line in map(alert_line, alerts) if " p=" in line] == []
    assert faded.attention_share_of_peak is not None
    assert faded.attention_share_of_peak <= POSTS.fading_attention_share
    assert faded.ts_bar_end_ms > alerts[0].ts_bar_end_ms + 5_000 * POSTS.fading_bars


def test_a_crowd_that_still_grows_does_not_fade() -> None:
    bench = Bench(POSTS)
    quiet(bench)
    for k in range(240):  # ever closer
        bench.post(SWELL_S + HOUR_S * np.sqrt(k / 240), f"s{k}")
    alerts = bench.run(SWELL_S + HOUR_S)
    assert kinds(alerts) == ["candidate"]


@pytest.mark.parametrize(
    "less",
    [
        {"n": 4},
        {"settings": replace(POSTS, attention_z_week=50.0)},
        {"settings": replace(POSTS, min_authors_15m=500)},
        {"settings": replace(POSTS, ticks=True)},
        {"log_start_ms": Bench().log_start_ms + 12 * HOUR_S * 1000},
    ],
    ids=["few posts", "its limit", "no crowd", "trades are there", "half a day of baseline"],
)
def test_less_opens_nothing(less: dict[str, Any]) -> None:
    if "log_start_ms" in less:
        bench = Bench(POSTS)
        quiet(bench, 20 * HOUR_S)
        swell(bench, at_s=20 * HOUR_S)
        assert bench.run(22 * HOUR_S) == []
    else:
        assert told(**less) == []


def test_the_classifier_is_not_asked_without_trades() -> None:
    bench = Bench(replace(POSTS, attention_z_week=50.0), EAGER)
    quiet(bench)
    swell(bench, gap_s=2)
    assert bench.run(SWELL_S + HOUR_S) == []
    alerts = told(model=EAGER)
    assert [alert.trigger for alert in alerts] == ["attention", None, None]
    assert {(alert.probability, alert.logit_micro) for alert in alerts} == {(None, None)}
    assert json.loads(encode_alert(alerts[0]))["probability"] is None
    assert "P " not in sentence(alerts[0])


def test_scores_have_no_logit_without_trades_and_one_with_them() -> None:
    for ticks in (False, True):
        bench = Bench(replace(SETTINGS, ticks=ticks), EAGER, {"scores": "all"})
        bench.crowd(5)
        bench.run(20)
        rows = joined_scores([each.scores for each in bench.outputs if each.scores])
        assert rows is not None
        assert len(rows.token)
        logits = score_batch(rows)["logit_micro"].to_pylist()
        assert [score.logit_micro for score in scores_of(rows, "f")] == logits
        assert all((logit is not None) == ticks for logit in logits)


def test_no_update_however_the_settings_are() -> None:
    settings = replace(POSTS, update_rise_x=1.0, update_step_logit_micro=0)
    assert kinds(told(settings)) == ["candidate", "fading", "closed"]


def test_what_trades_would_tell_is_unknown_without_any() -> None:
    bench = Bench(settings=replace(SETTINGS, ticks=False), options={"scores": "all"})
    bench.crowd(5)
    bench.run(20)
    features = np.concatenate([each.scores.features for each in bench.outputs if each.scores])
    assert len(features)
    trades = [FEATURES[k] for k in TRADE_FEATURES]
    assert {"trades_60s", "return_1h", "z_volume", "turnover"} <= set(trades)
    assert not any("mention" in name or "author" in name for name in trades)
    assert np.isnan(features[:, list(TRADE_FEATURES)]).all()
    assert not np.isnan(features[:, FEATURES.index("mentions_60s")]).any()


def test_a_day_of_silence_is_a_baseline_and_more_is_forgetting() -> None:
    """After 25 h without a record the week before is gone, and reads as silence."""

    def mean_after(hours: int) -> float:
        bench = Bench(POSTS)
        quiet(bench, 40 * HOUR_S)
        swell(bench, 150, at_s=(40 + hours) * HOUR_S, gap_s=5)
        alerts = bench.run((41 + hours) * HOUR_S)
        mean = alerts[0].reasons[0].baseline_mean
        assert mean is not None
        return mean

    assert mean_after(24) > 1
    assert mean_after(26) == 0


def test_restarts_and_batches_change_nothing() -> None:
    whole = told()
    bench = Bench(POSTS)
    quiet(bench)
    swell(bench)
    alerts: list[Alert] = []
    posts = bench.queued["m"]
    waiting = posts[:]
    for until in [*range(0, SWELL_S + 2 * HOUR_S, 1_380), SWELL_S + 2 * HOUR_S]:
        until_ms = bench.log_start_ms + until * 1000
        posts[:] = [row for row in waiting if row[-1] <= until_ms]
        waiting = waiting[len(posts) :]
        alerts += bench.run(until)
        bench.restart()
    assert [encode_alert(alert) for alert in alerts] == [encode_alert(alert) for alert in whole]


def test_history_is_as_long_as_the_rings_reach() -> None:
    assert EngineSettings().history_ms == EXPIRE_BARS * BAR_MS
    assert POSTS.history_ms == WEEK_RING * HOUR_MS
    assert HOUR_QUARTERS * 900_000 == HOUR_MS
    assert len(MODEL_FEATURES) + 1 == len(FEATURES)


def test_a_log_of_neither_is_refused() -> None:
    with pytest.raises(ConfigError, match="both false"):
        EngineSettings(mentions=False, ticks=False)
    with pytest.raises(ConfigError, match=r"attention_z_week is 0.5.*from 1.0 to"):
        EngineSettings(attention_z_week=0.5)
