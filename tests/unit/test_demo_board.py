"""What the demo shows, from records, scores and alerts made by hand."""

from __future__ import annotations

import io
import re

import numpy as np
from rich.console import Console

from detectors.layout import FEATURES
from detectors.outputs import ScoreRows
from schemas.records import Alert, AlertKind, Reason, Tick
from streams.demo.board import MINUTE_MS, STEP_MS, STEPS, Board, Track
from streams.demo.report import COLUMNS, as_json, false_alarms, lines, table
from streams.demo.screen import PlainScreen, TerminalScreen
from streams.demo.view import render
from streams.demo.words import headline, reasons
from streams.scenario.judge import Judgement, Verdict

START = 1_736_812_800_000
MOMO, WIF = "solana:a/token:momo", "solana:a/token:other1"


def tick(i: int, price: float, minute: int = 0, token: str = MOMO) -> Tick:
    ts = START + minute * MINUTE_MS
    return Tick(f"t{i}", ts, token, price, 10.0, "buy", "w", ts_log_ms=ts + 400)


def alert(kind: AlertKind, minute: int, token: str = MOMO) -> Alert:
    ts = START + minute * MINUTE_MS
    return Alert(
        schema_version=1,
        alert_id=f"gd_{kind}{minute}{token}",
        kind=kind,
        sequence=0,
        token=token,
        symbol="MOMO" if token == MOMO else None,
        ts_episode_start_ms=ts,
        ts_bar_end_ms=ts,
        ts_available_ms=ts + 2_000,
        probability=0.61,
        logit_micro=450_000,
        threshold_logit_micro=0,
        price_usd="0.000412",
        ts_price_ms=ts,
        liquidity_usd=None,
        market_cap_usd=425_000.0,
        moved_x_since_onset=1.4,
        moved_x_1h=1.4,
        price_share_of_peak=0.8,
        attention_share_of_peak=0.3,
        mentions_60s=9,
        authors_60s=8,
        trades_60s=7,
        traders_60s=7,
        late_share=0.0,
        baseline_coverage=1.0,
        reasons=(
            Reason("copy_share", 0.2, None, None, None, -0.4),
            Reason("z_authors", 14.23, 0.4, 1.1, 60, 1.8),
            Reason("z_trades", 6.0, 0.4, 1.1, 60, 0.3),
        ),
        evidence=(),
        fingerprint="f",
    )


def rows(token: str, minute: float, logit: int, mentions: float) -> ScoreRows:
    features = np.zeros((1, len(FEATURES)))
    features[0, FEATURES.index("mentions_15m")] = mentions
    return ScoreRows(
        [token], np.array([START + int(minute * MINUTE_MS)]), np.array([logit]), features
    )


def board() -> Board:
    return Board({MOMO: "MOMO"}, lambda logit: logit / 1e6, total=1_000)


def test_prices_show_when_the_detector_has_come_so_far() -> None:
    b = board()
    b.saw([tick(1, 0.1), tick(2, 0.2, minute=60)])
    b.scored(rows(MOMO, 0, 500_000, 3))
    b.advance(START + MINUTE_MS)
    assert [(name, heat.price_usd) for name, heat in b.hottest(3)] == [("MOMO", 0.1)]
    b.advance(START + 61 * MINUTE_MS)
    b.scored(rows(MOMO, 61, 500_000, 3))
    assert b.hottest(3)[0][1].price_usd == 0.2
    assert b.fed == 2


def test_open_episodes_come_first_then_the_most_probable_and_the_cold_leave() -> None:
    b = board()
    b.advance(START)
    b.scored(rows(MOMO, 0, 100_000, 1))
    b.scored(rows(WIF, 0, 900_000, 1))
    assert [name for name, _ in b.hottest(5)] == ["other1", "MOMO"]
    b.alerted(alert("candidate", 0))
    assert [name for name, _ in b.hottest(5)] == ["MOMO", "other1"]
    b.advance(START + 180 * MINUTE_MS)
    assert [name for name, _ in b.hottest(5)] == ["MOMO"]
    b.alerted(alert("closed", 180))
    assert b.hottest(5) == []


def test_scores_are_kept_once_a_minute() -> None:
    b = board()
    b.scored(rows(MOMO, 0.5, 900_000, 9))
    assert b.hottest(5) == []


def test_an_alert_given_again_counts_once() -> None:
    b = board()
    assert b.alerted(alert("candidate", 0))
    assert not b.alerted(alert("candidate", 0))
    assert len(b.alerts) == 1


def test_a_sparkline_holds_twelve_hours_and_a_price_holds_between_trades() -> None:
    track = Track()
    for step in (0, 1, 5):
        track.put(step * STEP_MS, 1.0 + step)
    assert track.spark(5 * STEP_MS)[-6:] == "▁▃   █"
    assert track.spark(5 * STEP_MS, hold=True)[-6:] == "▁▃▃▃▃█"
    assert len(track.spark(100 * STEP_MS)) == STEPS
    assert track.spark(100 * STEP_MS).strip() == ""
    for step in range(200):
        track.put(step * STEP_MS, 1.0)
    assert len(track.values) <= 2 * STEPS


def test_words_name_the_strongest_reasons_only() -> None:
    assert reasons(alert("candidate", 0)) == "authors z 14.2, trades z 6"
    line = headline(alert("candidate", 0))
    assert "MOMO" in line
    assert "P 61%" in line
    assert "moved 1.4x" in line
    assert "attention at 30%" in headline(alert("fading", 9))


def test_a_frame_fits_the_terminal() -> None:
    b = board()
    b.advance(START)
    b.scored(rows(MOMO, 0, 500_000, 3))
    for minute in range(12):
        b.alerted(alert("candidate" if minute % 2 else "fading", minute))
    for height in (14, 24, 32, 60):
        out = io.StringIO()
        console = Console(file=out, width=100, height=height, force_terminal=True, no_color=True)
        console.print(render(b, height))
        text = out.getvalue()
        assert text.count("\n") <= height
        assert "MOMO" in text
        assert "because: authors z 14.2" in text


def test_screens_show_alerts() -> None:
    b = board()
    out = io.StringIO()
    with PlainScreen(Console(file=out, width=200), b) as plain:
        plain.draw()  # before anything is known
        for kind in ("candidate", "update", "fading"):
            given = alert(kind, 1)
            b.alerted(given)
            plain.alerted(given)
        for hour in (-14, 10, 11):
            b.advance(START + hour * 60 * MINUTE_MS)
            plain.draw()
    text = out.getvalue()
    assert text.count("candidate") == text.count("fading") == 1
    assert "update" not in text
    assert text.count("-- 14 Jan") == 1
    assert "\x1b" not in text
    shown = io.StringIO()
    console = Console(file=shown, width=100, height=30, force_terminal=True)
    with TerminalScreen(console, b) as terminal:
        terminal.alerted(b.alerts[0])
        terminal.draw()
    assert "heating up" in shown.getvalue()


def test_no_color_is_honoured() -> None:
    b = board()
    b.advance(START)
    b.scored(rows(MOMO, 0, 500_000, 3))
    b.alerted(alert("candidate", 0))
    painted = {}
    for environ in ({}, {"NO_COLOR": "1"}):
        out = io.StringIO()
        console = Console(
            file=out, width=100, height=30, force_terminal=True, color_system="256",
            _environ=environ,
        )  # fmt: skip
        with TerminalScreen(console, b) as screen:
            screen.draw()
        painted[bool(environ)] = bool(re.search(r"\x1b\[[0-9;]*3[0-7]m", out.getvalue()))
    assert painted == {False: True, True: False}


def test_the_report_says_the_same_in_every_form() -> None:
    found = Verdict(MOMO, "MOMO", 1, START, 12.34, 3_900.0, START + 1, 0.756, START, 0.015)
    missed = Verdict(WIF, "WIF", 0, None, None, None, None, None, START, 0.002)
    made = Judgement((found, missed), 1, 2, 5.4)
    plain = lines(made)
    assert plain[0].split() == " ".join(COLUMNS).split()
    assert "12.3x" in plain[1]
    assert "1 h 05 min" in plain[1]
    assert "76%" in plain[1]
    assert plain[2].split() == ["WIF", "$0.002", "none", "none"]
    out = io.StringIO()
    Console(file=out, width=160).print(table(made))
    assert "12.3x" in out.getvalue()
    assert as_json(made, {"records": 3})["coins"][0]["multiple_ahead"] == 12.34
    assert "5.4 ordinary days: 1;" in false_alarms(made)
