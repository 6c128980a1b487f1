"""What an engine keeps: snapshots, seen ids, slots, lives; and what it says of each push."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

from detectors import snapshot
from detectors.columns import ARRAYS, columns_of_mentions
from detectors.engine import Engine
from detectors.kernels.ties import before
from detectors.layout import N_FEATURES, REC, STATE
from detectors.model import blank_model
from detectors.progress import Progress
from detectors.settings import EngineSettings
from detectors.slots import Slots
from schemas.errors import ConfigError, StateError
from schemas.records import Alert, Mention
from tests.helpers.bench import INPUTS, Bench
from tests.helpers.logs import SETTINGS, T0, TOKENS, alert_bytes, deal, play, random_log

DAY = 86_400.0


def warm() -> Bench:
    """An engine in the middle of things, with records that wait for their bar."""
    bench = Bench()
    bench.crowd(0)
    bench.crowd(5, who="b")
    bench.post(12, "waits")
    bench.run(13)
    assert bench.engine.open_episodes == 1
    return bench


def edited(blob: bytes, place: int, value: Any) -> bytes:
    parts = msgspec.msgpack.decode(blob)
    parts[place] = value
    return msgspec.msgpack.encode(parts)


def test_a_snapshot_is_taken_over_by_an_equal_engine() -> None:
    bench = warm()
    blob = bench.engine.snapshot()
    other = bench.new_engine()
    other.restore(blob)
    assert other.universe() == bench.engine.universe() == [(TOKENS[0], T0, T0 + 5_000)]
    assert [other.offset(name) for name in INPUTS] == [1, 1, 1]
    assert other.closed_ms == bench.engine.closed_ms == T0 + 10_000
    assert other.log_start_ms == T0
    assert other.inputs == INPUTS


def test_a_snapshot_may_have_its_state_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = warm()
    bench.crowd(14, token=TOKENS[1])
    bench.crowd(14, token=TOKENS[2])
    bench.run(20)
    whole = bench.engine.snapshot()
    monkeypatch.setattr(snapshot, "PART_BYTES", 2 * STATE.itemsize)
    blob = bench.engine.snapshot()
    state = msgspec.msgpack.decode(blob)[11]
    assert [len(part) for part in state] == [2 * STATE.itemsize, STATE.itemsize]
    assert msgspec.msgpack.decode(whole)[11] == [b"".join(state)]
    other = bench.new_engine()
    other.restore(blob)
    assert msgspec.msgpack.decode(other.snapshot())[11] == state
    assert other.universe() == bench.engine.universe()


def test_a_snapshot_of_other_settings_is_refused_unless_wanted() -> None:
    bench = warm()
    blob = bench.engine.snapshot()
    other = Engine(SETTINGS, bench.model, INPUTS, fingerprint="other")
    with pytest.raises(StateError, match="fingerprint bench, this engine's is other"):
        other.restore(blob)
    assert other.tracked == 0
    other.restore(blob, "bench")
    assert other.tracked == 1


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda blob: b"", "cannot be read"),
        (lambda blob: b"\x00" * 50, "cannot be read"),
        (lambda blob: blob[: len(blob) // 2], "cannot be read"),
        (lambda blob: edited(blob, 0, 1), "another layout"),
        (lambda blob: edited(blob, 1, b"?" * 32), "another layout"),
        (lambda blob: edited(blob, 7, b"short"), "is torn"),
        (lambda blob: edited(blob, 9, b"short"), "is torn"),
        (lambda blob: edited(blob, 11, []), "is torn"),
        (lambda blob: edited(blob, 11, [b"short"]), "is torn"),
        (lambda blob: edited(blob, 4, {"m": (1, 2, 3)}), "snapshot has inputs"),
    ],
)
def test_a_snapshot_that_does_not_fit_is_refused_and_changes_nothing(
    damage: Any, match: str
) -> None:
    bench = warm()
    before = bench.engine.snapshot()
    with pytest.raises(StateError, match=match):
        bench.engine.restore(damage(before))
    assert bench.engine.snapshot() == before


def test_inputs_are_fixed() -> None:
    engine = warm().engine
    for use in (engine.offset, engine.through_log_ms, lambda n: engine.push(n, None, 1, T0)):
        with pytest.raises(StateError, match="input 'x' is none of m, t, i"):
            use("x")
    for wrong in ([], ["a", "a"]):
        with pytest.raises(ValueError, match="distinct inputs"):
            Progress(wrong)


def test_bars_wait_for_the_slowest_input() -> None:
    engine = Engine(SETTINGS, blank_model(), ["a", "b"], fingerprint="x")
    assert engine.log_start_ms is None
    engine.push("a", None, 0, T0 + 60_000, T0 + 10_000)
    assert (engine.held_by(), engine.closed_ms, engine.log_start_ms) == ("b", 0, None)
    engine.push("b", None, 0, T0 + 30_000)
    assert (engine.held_by(), engine.closed_ms) == ("b", T0 + 25_000)
    assert engine.log_start_ms == T0 + 10_000
    engine.push("b", None, 1, T0 + 20_000)  # a log time that falls is none
    assert engine.through_log_ms("b") == T0 + 30_000


def test_what_was_read_is_not_read_again() -> None:
    bench = warm()
    before = bench.engine.snapshot()
    columns = columns_of_mentions([(TOKENS[1], Mention("again", T0, "x", "a"), T0 + 14_000)])
    out = bench.engine.push("m", columns, 1, T0 + 99_000)
    assert (out.records, out.alerts, len(out.late), out.scores) == (0, [], 0, None)
    assert bench.engine.snapshot() == before


def test_a_push_counts_duplicates_late_records_and_falls() -> None:
    engine = Engine(SETTINGS, blank_model(), ["log"], fingerprint="x")
    rows = [
        ("a", 0, 1_000),
        ("b", 1_000, 3_000),
        ("a", 2_000, 3_500),  # twice
        ("c", -57_000, 3_500),  # more than a minute late
        ("d", 3_000, 2_000),  # the log's clock fell
        ("e", 3_000, 3_500),
    ]
    mentions = [(TOKENS[0], Mention(i, T0 + at, "x", i), T0 + log) for i, at, log in rows]
    out = engine.push("log", columns_of_mentions(mentions), 5, T0 + 20_000)
    assert (out.records, out.duplicates, out.falls, out.late.tolist()) == (6, 1, 1, [3])
    assert engine.log_start_ms == T0 + 1_000  # the first record's log time, undeclared


def test_more_waiting_records_than_a_new_engine_has_room_for_are_restored() -> None:
    bench = Bench(options={"scores": "all"})
    for k in range(1_100):
        bench.post(5 + k / 250, f"a{k}")
    bench.run(10)
    bench.restart()
    bench.run(20)
    (rows,) = (out.scores for out in bench.outputs if out.scores is not None)
    assert rows.features[:, 10].tolist() == [1_100]


def test_a_new_engine_is_stored_and_loaded() -> None:
    engine = Bench().engine
    engine.restore(engine.snapshot())
    assert (engine.tracked, engine.closed_ms, engine.offset("m")) == (0, 0, -1)
    assert engine.through_log_ms("m") is None
    assert engine.log_start_ms is None


def test_slots_are_reused_and_grow() -> None:
    slots, both = Slots(2), np.array([0, 1])
    first = slots.of(["a", "b"], both).tolist()
    assert slots.of(["a", "b"], both).tolist() == first == [0, 1]
    names = ["a", "b"]
    slots.of(names, both)
    names += ["unused", "c"]  # a shared list may only grow
    assert slots.of(names, np.array([3, 0, 3])).tolist() == [0, 1, -1, 2]
    assert len(slots.state) == 4
    slots.state[1]["bar"] = 7
    slots.free([1])
    assert slots.state[1]["bar"] == 0
    assert slots.held.tolist() == [True, False, True]
    with pytest.raises(KeyError):
        slots.token(1)
    assert slots.of(names, np.array([0, 3])).tolist() == [0, -1, -1, 2]
    assert slots.of(["d"], np.array([0])).tolist() == [1]
    assert slots.tokens() == [("a", 0), ("c", 2), ("d", 1)]
    assert slots.used == 3


def test_silent_tokens_are_evicted_and_a_life_is_told() -> None:
    bench = Bench()
    bench.post(0, "a")
    bench.post(100, "a")
    bench.post(1.1 * DAY, "a", token=TOKENS[1])
    bench.run(1.1 * DAY + 10)
    assert [out.evicted for out in bench.outputs if out.evicted] == [
        [(TOKENS[0], T0, T0 + 100_000)]
    ]
    assert [token for token, _, _ in bench.engine.universe()] == [TOKENS[1]]
    assert bench.engine.tracked == 1


def test_many_lives_that_end_in_one_push_are_all_told() -> None:
    tokens = [f"eip155:1/erc20:0x{k:040x}" for k in range(40)]
    bench = Bench()
    for token in tokens:
        bench.post(0, "a", token)
        bench.post(1.1 * DAY, "a", token)
    bench.run(1.1 * DAY + 10)
    evicted = [life for out in bench.outputs for life in out.evicted]
    assert sorted(evicted) == [(token, T0, T0) for token in sorted(tokens)]
    assert bench.engine.tracked == len(tokens)


def test_a_token_of_whom_nothing_was_taken_is_not_kept() -> None:
    bench = Bench()
    bench.post(0, "a", TOKENS[1])
    bench.run(10)
    bench.post(500, "a", TOKENS[0], delay_ms=61_000)
    bench.run(600)
    assert bench.engine.tracked == 2
    bench.post(4_300, "a", TOKENS[2])  # waits for its bar, beyond the next sweep
    bench.run(4_301)
    assert [token for token, _ in bench.engine._slots.tokens()] == [TOKENS[1], TOKENS[2]]
    assert all(not out.evicted for out in bench.outputs)


def test_a_snapshot_forgets_no_record_that_has_no_id_text() -> None:
    told: list[list[Alert]] = []
    for restart in (False, True):
        bench = Bench()
        bench.crowd(0)
        bench.crowd(5, who="b")
        queued = bench.queued["m"]
        columns = columns_of_mentions(queued)
        columns.ids = None
        queued.clear()
        bench.engine.push("m", columns, 1, T0 + 9_000, T0)
        bench._offset = 1
        bench.run(9)
        if restart:
            bench.restart()
        told.append(bench.run(13))
    assert told[0] == told[1]
    assert len(told[0][0].evidence) == 0


def modes(seed: int) -> dict[str, tuple[list[bytes], list[tuple[int, str, int]]]]:
    """Alerts and score rows by mode, all of it pushed in one piece."""
    (inputs,) = deal(random_log(seed, n=300), 1, 1)
    found = {}
    for mode in ("alerts", "gated", "all"):
        bench = Bench(options={"scores": mode, "fingerprint": "test"})
        engine = Engine(
            SETTINGS, bench.model, [i.name for i in inputs], fingerprint="test", scores=mode
        )
        alerts: list[Alert] = []
        rows: list[tuple[int, str, int]] = []
        for k in range(2):
            for one in inputs:
                columns = None if k else one.columns
                end = one.end_log_ms if k else int(one.columns.ts_log_ms[-1])
                out = engine.push(one.name, columns, k, end, T0)
                alerts += out.alerts
                if out.scores is None:
                    continue
                part = list(
                    zip(
                        out.scores.ts_bar_end_ms.tolist(),
                        out.scores.token,
                        out.scores.logit_micro.tolist(),
                        strict=True,
                    )
                )
                assert part == sorted(part)
                assert out.scores.features.shape == (len(part), N_FEATURES)
                rows += part
        assert (mode == "alerts") == (not rows)
        found[mode] = (alert_bytes(alerts), rows)
    return found


@pytest.mark.parametrize("seed", [3, 5])
def test_the_scores_asked_for_change_no_alert(seed: int) -> None:
    found = modes(seed)
    alerts = found["alerts"][0]
    assert alerts
    assert found["gated"][0] == found["all"][0] == alerts
    gated, every = found["gated"][1], found["all"][1]
    assert set(gated) < set(every)
    bars = {(a.ts_bar_end_ms, a.token, a.logit_micro) for a in map(_alert, alerts)}
    assert bars <= set(gated)


def _alert(raw: bytes) -> Alert:
    return msgspec.json.decode(raw, type=Alert)


def test_many_scores_and_alerts_of_one_push_are_all_given() -> None:
    tokens = [f"eip155:1/erc20:0x{k:040x}" for k in range(40)]
    bench = Bench(options={"scores": "gated"})
    for token in tokens:
        for at in range(0, 40, 5):
            for k in range(4):
                bench.post(at, f"a{k}", token)
                bench.trade(at, f"t{k}", token=token)
    alerts = bench.run(50)
    assert [alert.token for alert in alerts if alert.kind == "candidate"] == sorted(tokens)
    rows = [out.scores for out in bench.outputs if out.scores is not None]
    assert sum(len(row.token) for row in rows) >= 8 * len(tokens)


@pytest.mark.parametrize("name", ["kind", "t", "order", "id", "who", "a", "b", "c", "aux"])
def test_records_of_one_time_are_ordered_by_every_field(name: str) -> None:
    pair = np.zeros(2, REC)
    pair[name] = [3, 1]
    low, high = pair[1], pair[0]
    assert before(low, 7, high, 7)
    assert not before(high, 7, low, 7)
    assert before(high, 6, low, 7)
    assert not before(low, 7, low, 7)


def test_money_beyond_reason_stays_in_range() -> None:
    bench = Bench(settings=replace(SETTINGS, min_authors_15m=0), options={"scores": "all"})
    columns_like = random_log(1, n=50)
    log = columns_like.take(np.arange(50))
    log.kind[:] = 1
    log.token[:] = 0
    log.b[:] = 2**62
    log.aux[:] = np.arange(50) % 2
    log.id[:] = np.arange(50) * 8
    log.ts_event_ms[:] = log.ts_log_ms[:] = T0
    out = bench.engine.push("t", log, 0, T0 + 60_000, T0)
    for name in ("m", "i"):
        out = bench.engine.push(name, None, 0, T0 + 60_000, T0)
    assert out.scores is not None
    volume = out.scores.features[:, 14]
    assert volume.tolist() == pytest.approx([np.log2(1 + 50 * 10**9)] * len(volume))


def test_restarts_between_any_two_pushes_change_nothing() -> None:
    (inputs,) = deal(random_log(12, n=150), 2, 1)
    whole = alert_bytes(play(inputs, np.random.default_rng(1), chunk=20))
    assert whole
    again = play(inputs, np.random.default_rng(1), chunk=20, restart=1.0)
    assert alert_bytes(again) == whole


@pytest.mark.parametrize(
    "changes",
    [
        {"lateness_ms": -1},
        {"backfill_limit_ms": 1_999},
        {"rug_drawdown": 1.1},
        {"candidate_bars": 0},
    ],
)
def test_settings_out_of_range_are_named(changes: dict[str, Any]) -> None:
    (name,) = changes
    with pytest.raises(ConfigError, match=rf"engine\.{name} is .*; write a value from"):
        EngineSettings(**changes)


@pytest.mark.parametrize("logit", [1 << 63, -(10**30)])
def test_a_setting_fits_what_the_kernel_compares_with(logit: int) -> None:
    with pytest.raises(ConfigError, match=rf"candidate_logit_micro is {logit}; keep it in 63 bits"):
        EngineSettings(candidate_logit_micro=logit)


def test_rows_taken_keep_their_ids_and_order() -> None:
    rows = [(TOKENS[k % 2], Mention(f"m{k}", T0 + k, "x", "a"), T0 + k) for k in range(5)]
    columns = columns_of_mentions(rows)
    part = columns.take(slice(1, 3))
    assert (part.ids, part.ts_event_ms.tolist()) == (["m1", "m2"], [T0 + 1, T0 + 2])
    part = columns.take(np.array([4, 0]))
    assert (part.ids, part.ts_event_ms.tolist()) == (["m4", "m0"], [T0 + 4, T0])
    columns.ids = None
    assert columns.take(np.array([4, 0])).ids is None
    assert all(len(getattr(columns_of_mentions([]), name)) == 0 for name in ARRAYS)
