"""What ``why`` says of a bar is what the kernel did in it, for every bar of hostile logs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detectors.columns import Columns, columns_of
from detectors.engine import Engine
from detectors.layout import BAR_MS
from detectors.model import MICRO
from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from detectors.snapshot import unpack_snapshot
from schemas.errors import UserError
from schemas.records import Tick
from streams.detection import Detection
from streams.explore.gates import ATTENTION, SCORE, SURGE
from streams.explore.material import Material
from streams.explore.moment import Moment, bar_of
from streams.explore.names import not_in_log, wanted
from streams.explore.why import Why, explained
from streams.explore.why_words import in_words
from streams.replay.api import NO_LEXICON
from tests.helpers.logs import SETTINGS, T0, TOKENS, random_log
from tests.helpers.models import crowd_model

CLOSING = replace(SETTINGS, closed_bars=6, closed_attention_share=0.3, refractory_bars=3)
SLOW = replace(SETTINGS, candidate_bars=3, update_step_logit_micro=500_000, update_rise_x=1.2)
MARKET = replace(SETTINGS, mentions=False)


def material(settings: EngineSettings) -> Material:
    return Material((), Detection(settings, crowd_model(), Lexicon.parse(NO_LEXICON), "all"))


def every_bar(log: Columns, of: Material, log_start_ms: int = T0) -> list[tuple[Moment, Why]]:
    """Each token at each bar of a log, and what is said of it."""
    engine = of.detection.engine(["log"])
    lateness = of.detection.settings.lateness_ms
    engine.push("log", None, 0, T0, log_start_ms)
    found = []
    at, before = 0, states(engine, of)
    for bar in range(T0 // BAR_MS - 1, int(log.ts_log_ms[-1]) // BAR_MS):
        through = (bar + 1) * BAR_MS + lateness
        stop = int(np.searchsorted(log.ts_log_ms, through, side="right"))
        out = engine.push("log", log.take(slice(at, stop)), bar, through)
        at = stop
        after = states(engine, of)
        rows = out.scores
        for token, record in after.items():
            row = -1
            if rows is not None and token in rows.token:
                row = rows.token.index(token)
                assert rows.ts_bar_end_ms[row] == (bar + 1) * BAR_MS
            moment = Moment(
                token,
                bar,
                log_start_ms,
                before.get(token),
                record,
                rows.features[row] if rows is not None and row >= 0 else None,
                int(rows.logit_micro[row]) if rows is not None and row >= 0 else None,
                tuple(a for a in out.alerts if a.token == token),
            )
            found.append((moment, explained(of, moment)))
        before = after
    return found


def states(engine: Engine, of: Material) -> dict[str, np.void]:
    slots = unpack_snapshot(engine.snapshot(), of.detection.fingerprint, engine.inputs).slots
    return {t: slots.state[k].copy() for t, k in slots.tokens() if slots.state[k]["bar"] > 0}


def passed(why: Why, name: str) -> bool:
    (found,) = [gate.passed for gate in why.gates if gate.name == name]
    return bool(found)


def foretold(why: Why) -> tuple[str, ...]:
    """What the gates say must have been told, by what the settings' docstrings promise."""
    if why.episode_before == "none":
        rules = (SCORE, SURGE, (ATTENTION,))
        shared = all(gate.passed for gate in why.gates if gate.name not in sum(rules, ()))
        ways = [[gate.passed for gate in why.gates if gate.name in way] for way in rules]
        return ("candidate",) if shared and any(way and all(way) for way in ways) else ()
    names = {gate.name for gate in why.gates}
    priced = "fading_drawdown" in names or "update_rise_x" in names
    news = priced and passed(why, "update_rise_x")
    if why.episode_before == "fading":
        if passed(why, "closed_bars") or passed(why, "closed_attention_share"):
            return ("closed",)
        return ("update",) if news else ()
    left = passed(why, "fading_patience") and passed(why, "fading_attention_share")
    left = left and not (priced and not passed(why, "fading_drawdown"))
    quiet = all(passed(why, name) for name in ("fading_patience", "quiet_people", "quiet_bars"))
    if passed(why, "fading_bars") and (left or quiet or (priced and passed(why, "rug_drawdown"))):
        return ("fading",)
    return ("update",) if news or (priced and passed(why, "update_step_logit_micro")) else ()


@pytest.mark.parametrize("settings", [SETTINGS, CLOSING, SLOW], ids=["usual", "closing", "slow"])
def test_the_gates_foretell_every_alert_of_every_bar(settings: EngineSettings) -> None:
    told: Counter[str] = Counter()
    stopped: Counter[str | None] = Counter()
    for seed in range(5):
        log = random_log(seed, n=900, span_ms=1_500_000)
        for moment, why in every_bar(log, material(settings)):
            assert foretold(why) == why.told, (seed, moment.bar, why)
            told.update(why.told)
            if why.episode_before == "none":
                assert (why.stopped_by is None) == (why.told == ("candidate",))
            stopped[why.stopped_by] += why.episode_before == "none"
    assert min(told[kind] for kind in ("candidate", "update", "fading")) >= 5
    assert told["closed"] >= 5 or settings is not CLOSING
    gates = {"records", "few", "hot", "min_authors_15m", "min_traders_15m", "refractory_bars"}
    assert gates <= set(stopped)
    assert {"candidate_logit_micro", "price", "late"} & set(stopped)
    assert settings is not SLOW or stopped["candidate_bars"]


def test_the_gates_foretell_every_alert_of_posts_alone() -> None:
    told: Counter[str] = Counter()
    stopped: Counter[str | None] = Counter()
    settings = replace(
        CLOSING, ticks=False, attention_z_week=6.0, fading_bars=2, fading_attention_share=0.9
    )
    for seed in range(3):
        log = random_log(seed, n=900, span_ms=1_500_000)
        for moment, why in every_bar(log, material(settings), T0 - 30 * 3_600_000):
            assert foretold(why) == why.told, (seed, moment.bar, why)
            told.update(why.told)
            if why.episode_before == "none":
                assert (why.stopped_by is None) == (why.told == ("candidate",))
            stopped[why.stopped_by] += why.episode_before == "none"
    assert min(told[kind] for kind in ("candidate", "fading", "closed")) >= 5
    assert not told["update"]
    assert {"records", "min_authors_15m", "refractory_bars", "attention_z_week"} <= set(stopped)


def market(pace_ms: int = 60_000, burst: int = 30, end_ms: int = 960_000) -> Columns:
    """A quarter of an hour of trades at one pace, then a burst of them at rising prices, and silence."""
    quiet = [(k * pace_ms, 1 + k % 2 / 1000) for k in range(900_000 // pace_ms)]
    rise = [(900_000 + k * 100, 1 + k / 100) for k in range(burst)]
    ticks = [
        Tick(f"t{k}", T0 + at, TOKENS[0], price, 100, "buy", f"w{k}")
        for k, (at, price) in enumerate(quiet + rise)
    ]
    end = Tick("end", T0 + end_ms, TOKENS[1], 1, 100, "buy", "w")
    return columns_of([*ticks, end], [t.ts_event_ms for t in [*ticks, end]])


def test_a_coin_that_fell_silent_fades_for_that() -> None:
    log = market(end_ms=960_000 + 75 * 60_000)
    told = []
    for moment, why in every_bar(log, material(replace(MARKET, candidate_logit_micro=9_000_000))):
        assert foretold(why) == why.told, (moment.bar, why)
        if why.told:
            told.append(why)
    assert [why.told for why in told] == [("candidate",), ("fading",), ("closed",)]
    _, fading, _ = told
    assert not passed(fading, "fading_drawdown")
    assert not passed(fading, "rug_drawdown")
    assert all(passed(fading, name) for name in ("quiet_people", "quiet_bars"))


def test_a_surge_opens_without_the_score() -> None:
    settings = replace(MARKET, candidate_logit_micro=9_000_000)
    told = []
    for moment, why in every_bar(market(), material(settings)):
        assert foretold(why) == why.told, (moment.bar, why)
        if why.told:
            told.append(why)
    assert [why.told for why in told] == [("candidate",)]
    assert not passed(told[0], "candidate_logit_micro")
    assert all(passed(told[0], name) for name in SURGE)


def test_trades_alone_are_stopped_by_the_score() -> None:
    settings = replace(MARKET, candidate_logit_micro=9_000_000, surge_z_return=1_000.0)
    bars = [why for _, why in every_bar(market(), material(settings)) if len(why.gates) > 1]
    assert not any(why.told for why in bars)
    last = [why for why in bars if passed(why, "surge_z_trades")][-1]
    assert last.stopped_by == "candidate_logit_micro"
    (limit,) = [gate for gate in last.gates if gate.name == "surge_z_return"]
    assert limit.over is not None and limit.over < -900


def test_distances_and_scores_are_those_of_the_alert() -> None:
    seen = 0
    for moment, why in every_bar(random_log(2, n=900, span_ms=1_500_000), material(SETTINGS)):
        if moment.features is None:
            assert [gate.name for gate in why.gates] == ["records"] and why.stopped_by == "records"
            continue
        for gate in why.gates:
            if gate.over is not None and gate.passed is not None and gate.over != 0:
                assert (gate.over > 0) == gate.passed, gate
        added = sum(each.contribution_logit for each in why.features)
        assert why.logit == pytest.approx(added + (why.base_logit or 0.0), abs=1e-4)
        for alert in moment.alerts:
            seen += 1
            assert (alert.logit_micro, alert.probability) == (
                round((why.logit or 0.0) * MICRO),
                why.probability,
            )
            assert (alert.price_usd, alert.ts_price_ms) == (why.price_usd, why.ts_price_ms)
            assert alert.baseline_coverage == why.baseline_coverage
            assert alert.ts_episode_start_ms == why.ts_episode_start_ms
            reasons = {each.feature: each for each in why.features}
            for reason in alert.reasons:
                each = reasons[reason.feature]
                assert each.contribution_logit == pytest.approx(reason.contribution_logit, abs=1e-6)
                assert (each.value, each.baseline_mean, each.baseline_deviation, each.baseline_n) == (
                    reason.value, reason.baseline_mean, reason.baseline_deviation,
                    reason.baseline_n,
                )  # fmt: skip
    assert seen > 10


def test_words_name_each_gate_and_the_one_that_stopped_it() -> None:
    kinds = set()
    for _, why in every_bar(random_log(1, n=300), material(SETTINGS)):
        text = in_words(why)
        assert all(gate.name in text for gate in why.gates)
        if why.told:
            assert f"told: {why.told[0]}" in text
        elif why.stopped_by not in (None, "records"):
            assert f"nothing told: stopped at {why.stopped_by}" in text
        kinds.add(text.splitlines()[2].split(":")[0])
    assert kinds == {"told", "nothing told"}


def test_an_instant_names_the_bar_that_ends_at_it_or_next() -> None:
    assert [bar_of(ms) for ms in (1, 4_999, 5_000, 5_001, 10_000)] == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("momp", "has no symbol momp; did you mean MOMO (eip155:1/erc20:0xa)"),
        ("RIZZ", "RIZZ can be eip155:1/erc20:0xb, eip155:1/erc20:0xc; name one of them"),
        ("$zzzzzz", "has no symbol $zzzzzz; write the CAIP-19 id or the contract address"),
        ("eip155:1/erc20:0x12", "write"),
    ],
)
def test_a_name_that_will_not_do_says_what_would(text: str, words: str) -> None:
    symbols = {
        f"eip155:1/erc20:0x{c}": s for c, s in zip("abc", ("MOMO", "RIZZ", "RIZZ"), strict=True)
    }
    with pytest.raises(UserError) as error:
        wanted(text, symbols)
    assert words in str(error.value)


def test_names_are_symbols_ids_and_addresses() -> None:
    evm, solana = "0x" + "aB" * 20, "So11111111111111111111111111111111111111112"
    symbols = {"eip155:1/erc20:0xb": "MOMO"}
    assert wanted(" $momo ", symbols).fits("eip155:1/erc20:0xb")
    for text in (evm.lower(), evm.lower().replace("ab", "AB").replace("0X", "0x")):
        assert wanted(text, symbols).fits(f"eip155:8453/erc20:{evm.lower()}")
    assert wanted(solana, symbols).fits(f"solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:{solana}")
    assert not wanted(solana, symbols).fits("eip155:1/erc20:0xb")
    assert wanted(f"eip155:1/erc20:{evm.lower()}", {}).ids == {f"eip155:1/erc20:{evm.lower()}"}
    with pytest.raises(UserError, match="there is no lexicon"):
        wanted("MOMO", {})


def test_a_token_without_records_is_told_its_neighbours() -> None:
    seen = ["eip155:1/erc20:0x" + "0" * 39 + str(i) for i in range(3)]
    near = not_in_log("eip155:1/erc20:0x" + "0" * 38 + "11", seen, {seen[1]: "MOMO"})
    assert "did you mean" in str(near) and f"{seen[1]} (MOMO)" in str(near)
    far = not_in_log("eip155:1/erc20:0x" + "f" * 40, seen, {})
    assert "add --lexicon" in str(far)


def test_material_of_a_folder_that_says_nothing(tmp_path: Path) -> None:
    from streams.explore.material import material as of

    (tmp_path / "summary.json").write_text("{}")
    (tmp_path / "alerts.ndjson").touch()
    with pytest.raises(UserError, match="of another version"):
        of([tmp_path])
    with pytest.raises(UserError, match="explored alone"):
        of([tmp_path, tmp_path / "x"])
