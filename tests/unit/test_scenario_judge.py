"""The judge on paths whose verdict is known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from schemas.records import Alert, AlertKind
from streams.scenario.judge import PricePath, judge

DAY = 86_400_000
PATH = PricePath(
    np.array([0, 10, 20, 30, 40, 50]) * 60_000, np.array([1.0, 2.0, 4.0, 20.0, 15.0, 5.0])
)


def alert(kind: AlertKind, minute: float, token: str = "a", sequence: int = 0) -> Alert:
    ts = int(minute * 60_000)
    return Alert(
        schema_version=1,
        alert_id=f"gd_{token}{kind}{minute}",
        kind=kind,
        sequence=sequence,
        token=token,
        symbol=None,
        ts_episode_start_ms=0,
        ts_bar_end_ms=ts - 2_000,
        ts_available_ms=ts,
        probability=0.5,
        logit_micro=0,
        threshold_logit_micro=0,
        price_usd=None,
        ts_price_ms=None,
        liquidity_usd=None,
        market_cap_usd=None,
        moved_x_since_onset=None,
        moved_x_1h=None,
        price_share_of_peak=None,
        attention_share_of_peak=None,
        mentions_60s=0,
        authors_60s=0,
        trades_60s=0,
        traders_60s=0,
        late_share=0.0,
        baseline_coverage=1.0,
        reasons=(),
        evidence=(),
        fingerprint="f",
    )


def test_the_multiple_is_from_the_next_price_that_could_be_had() -> None:
    verdict = judge([alert("candidate", 10)], {"a": PATH}, {"a": "A"}, []).coin("A")
    assert verdict.multiple_ahead == 5.0  # 4 at minute 20, not 2 at minute 10 itself
    assert verdict.lead_s == 20 * 60
    assert (verdict.peak_ts_ms, verdict.peak_price_usd) == (30 * 60_000, 20.0)


def test_the_fading_that_counts_follows_the_last_candidate_before_the_peak() -> None:
    alerts = [
        alert("candidate", 1),
        alert("fading", 5),
        alert("candidate", 15),
        alert("fading", 35),
        alert("candidate", 45),
        alert("fading", 49),
    ]
    verdict = judge(alerts, {"a": PATH}, {"a": "A"}, []).coin("A")
    assert verdict.candidate_ts_ms == 60_000
    assert verdict.fading_ts_ms == 35 * 60_000
    assert verdict.share_of_peak_at_fading == pytest.approx(15 / 20)
    assert verdict.candidates == 3


def test_an_update_takes_an_early_fading_back() -> None:
    alerts = [alert("candidate", 1), alert("fading", 5), alert("update", 15), alert("fading", 45)]
    verdict = judge(alerts, {"a": PATH}, {"a": "A"}, []).coin("A")
    assert verdict.share_of_peak_at_fading == pytest.approx(5 / 20)


def test_leaving_too_early_counts_against() -> None:
    alerts = [alert("candidate", 1), alert("fading", 5)]
    verdict = judge(alerts, {"a": PATH}, {"a": "A"}, []).coin("A")
    assert verdict.share_of_peak_at_fading == pytest.approx(2 / 20)


def test_a_late_candidate_has_a_negative_lead_and_no_alert_is_none() -> None:
    late = judge([alert("candidate", 41)], {"a": PATH}, {"a": "A"}, []).coin("A")
    assert late.lead_s == -11 * 60
    assert late.multiple_ahead == 1.0
    silent = judge([], {"a": PATH}, {"a": "A"}, []).coin("A")
    assert (silent.candidate_ts_ms, silent.multiple_ahead, silent.fading_ts_ms) == (None,) * 3
    after_the_end = judge([alert("candidate", 60)], {"a": PATH}, {"a": "A"}, []).coin("A")
    assert after_the_end.multiple_ahead is None


def test_false_alarms_are_counted_apart() -> None:
    ordinary = [(0, 5 * 60_000), (DAY, 2 * DAY)]
    alerts = [
        alert("candidate", 1),
        alert("candidate", 2, "b"),
        alert("candidate", 10, "b"),
        alert("update", 3, "b"),
        alert("candidate", 10),
    ]
    made = judge(reversed(alerts), {"a": PATH}, {"a": "A"}, ordinary)
    assert made.candidates_on_ordinary_days == 2
    assert made.candidates_elsewhere == 1
    assert made.ordinary_days == pytest.approx(1 + 5 / 1440)
