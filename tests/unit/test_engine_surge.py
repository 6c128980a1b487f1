"""A market alone: price and trades that stand out together open an episode in a log without posts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from detectors.model import Model
from detectors.settings import EngineSettings
from schemas.errors import ConfigError
from schemas.records import Alert
from streams.words import sentence
from streams.worker.alerts import encode_alert
from tests.helpers.bench import Bench, kinds
from tests.helpers.logs import SETTINGS
from tests.helpers.models import stumps

MARKET = replace(SETTINGS, mentions=False, min_traders_15m=5)
QUIET_S = 900
SILENT = stumps(("trades_60s", 6.0, -0.5, -0.4))  # its score passes nowhere
RUNNING = stumps(("trades_60s", 6.0, -0.5, 1.5))  # its score passes where trades run high


def surge(
    settings: EngineSettings = MARKET,
    *,
    price: float = 1.3,
    trades: int = 30,
    model: Model | None = None,
) -> list[Alert]:
    """A quarter of an hour of one trade a minute, then one bar of many at another price."""
    bench = Bench(settings, model or SILENT)
    for at in range(0, QUIET_S, 60):
        bench.trade(at, f"q{at}", 1 + at % 120 / 60_000)
    for k in range(trades):
        bench.trade(QUIET_S + k / 10, f"t{k}", 1 + (price - 1) * (k + 1) / trades)
    return bench.run(QUIET_S + 60)


def test_price_and_trades_together_open_an_episode_with_their_first_bar() -> None:
    (alert,) = [a for a in surge() if a.kind == "candidate"]
    assert alert.trigger == "surge"
    assert alert.logit_micro < alert.threshold_logit_micro
    assert [reason.feature for reason in alert.reasons[:2]] == ["z_return", "z_trades"]
    assert all(reason.value is not None and reason.value >= 4 for reason in alert.reasons[:2])
    assert all(reason.baseline_n for reason in alert.reasons[:2])
    assert json.loads(encode_alert(alert))["trigger"] == "surge"
    assert "candidate: P " in sentence(alert)
    assert "; surge: return z " in sentence(alert)


@pytest.mark.parametrize(
    "less",
    [
        {"price": 1.0},
        {"trades": 4},
        {"settings": replace(MARKET, surge_z_return=1_000.0)},
        {"settings": replace(MARKET, surge_z_trades=1_000.0)},
        {"settings": replace(MARKET, min_traders_15m=1_000)},
        {"settings": replace(MARKET, mentions=True, min_authors_15m=0)},
    ],
    ids=["no rise", "few trades", "return's limit", "trades' limit", "no crowd", "posts are there"],
)
def test_either_alone_opens_nothing(less: dict[str, object]) -> None:
    assert surge(**less) == []  # type: ignore[arg-type]


def test_no_baseline_is_no_surge() -> None:
    bench = Bench(MARKET, SILENT)
    for k in range(30):
        bench.trade(1 + k / 10, f"t{k}", 1 + k / 10)
    assert bench.run(60) == []


def test_the_classifier_is_named_where_its_score_opened_the_episode() -> None:
    (alert,) = surge(replace(MARKET, candidate_bars=1), model=RUNNING)
    assert alert.trigger == "classifier"
    (alert,) = surge(replace(MARKET, candidate_bars=12), model=RUNNING)
    assert alert.trigger == "surge"  # one bar is not twelve, whatever its score


def test_only_a_candidate_has_a_trigger() -> None:
    bench = Bench(replace(MARKET, update_rise_x=2.0), SILENT)
    for at in range(0, QUIET_S, 60):
        bench.trade(at, f"q{at}", 1 + at % 120 / 60_000)
    for k in range(30):
        bench.trade(QUIET_S + k / 10, f"t{k}", 1.3)
    bench.trade(QUIET_S + 30, "later", 4)
    alerts = bench.run(QUIET_S + 60)
    assert kinds(alerts) == ["candidate", "update"]
    assert [a.trigger for a in alerts] == ["surge", None]


@pytest.mark.parametrize("name", ["surge_z_return", "surge_z_trades"])
def test_a_limit_below_the_gate_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"engine.{name} is 2.9.*from 3.0 to"):
        replace(MARKET, **{name: 2.9})
