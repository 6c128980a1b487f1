"""What the kernel's own rules say of one bar, clause by clause.

No rule is written here. A clause is told apart by asking the rule itself again with every other
clause satisfied; only the distance to a limit is computed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.kernels import episodes as ep
from detectors.kernels.explain import exp2_q20
from detectors.kernels.features import LATES, MENTIONS, N_COUNTS, TRADES
from detectors.kernels.gate import FEW, HOT, is_hot
from detectors.layout import N_FEATURES, N_Z, NO_PRICE, Z_RETURN, Z_TRADES, Z_WEEK
from detectors.model import MICRO
from detectors.settings import EngineSettings

ENOUGH: Final = 1 << 40
NEVER: Final = ep.NEVER
SCORE: Final = ("candidate_logit_micro", "candidate_bars")
SURGE: Final = ("surge_z_return", "surge_z_trades")
ATTENTION: Final = "attention_z_week"
PRICED: Final = ("fading_drawdown", "rug_drawdown", "update_step_logit_micro", "update_rise_x")
"""Clauses of an open episode that a log without trades has no use for."""
Record = NDArray[Any]
Knobs = NDArray[np.int64]
Answer = bool | None


@dataclass(frozen=True)
class Gate:
    """One gate, threshold or clause.

    Parameters
    ----------
    name : of the gate, or of the setting that is its limit.
    passed : what the rule says; None where there was nothing to say.
    value, limit : in ``unit``; None where unknown.
    over : how far beyond its limit the value is; negative is how much it missed by.
    means : what passing means, in words.
    """

    name: str
    passed: bool | None
    value: float | None
    limit: float | None
    over: float | None
    unit: str
    means: str


@dataclass(frozen=True)
class Bar:
    """Everything the rules look at in one bar.

    Parameters
    ----------
    number : of the bar.
    state : the token's record after the bar was filled, with the episode as it was before.
    counts : of the short window, in the kernel's places.
    authors, traders : of the long window, in person-minutes.
    features, logit_micro : what the bar was scored with.
    """

    number: int
    state: Record
    counts: NDArray[np.int64]
    authors: int
    traders: int
    features: NDArray[np.float64]
    logit_micro: int


def opening(bar: Bar, knobs: Knobs, settings: EngineSettings, run: int) -> list[Gate]:
    """The gates between a bar with records and a new episode, in the kernel's order.

    ``run`` is how many passing bars in a row there are with this one.
    """
    n, f, s = bar.counts, bar.features, bar.state
    late, on_time = int(n[LATES]), int(n[MENTIONS] + n[TRADES])

    def may(**given: Any) -> bool:
        asked = s.copy()
        asked["log_price"] = given.get("log_price", 0)
        asked["ep_end"] = given.get("ep_end", -1)
        return bool(
            ep.may_open(
                asked,
                bar.number,
                given.get("authors", ENOUGH),
                given.get("traders", ENOUGH),
                given.get("late", 0),
                given.get("on_time", 1),
                given.get("top", NO_PRICE),
                knobs,
            )
        )

    authors, traders = bar.authors, bar.traders
    priced, ended = int(s["log_price"]) != NO_PRICE, int(s["ep_end"])
    since = bar.number - ended if ended >= 0 else None
    crowd = _gate(
        "min_authors_15m", may(authors=authors), authors, settings.min_authors_15m, "authors",
        "enough independent authors in 15 minutes",
    )  # fmt: skip
    lates = _gate(
        "late", may(late=late, on_time=on_time), on_time, late, "records on time",
        "no more records of the minute came late than on time",
    )  # fmt: skip
    pause = _gate(
        "refractory_bars", may(ep_end=ended), since, settings.refractory_bars + 1, "bars",
        "the last episode closed long enough ago",
    )  # fmt: skip
    if not settings.ticks:
        return [crowd, lates, pause, _attention(f, knobs, settings)]
    return [
        _few(n),
        _hot(f),
        crowd,
        _gate("min_traders_15m", may(traders=traders), traders, settings.min_traders_15m, "traders",
              "enough independent traders in 15 minutes"),
        Gate("price", may(log_price=s["log_price"]), float(priced), 1.0, float(priced) - 1.0,
             "known", "a price is known"),
        _gate("opening_drawdown",
              may(log_price=s["log_price"], top=ep.recent_top(s)) if priced else None,
              _fallen(s), settings.opening_drawdown, "of the price",
              "the price has not just collapsed", at_most=True),
        lates,
        pause,
        _threshold(bar, knobs, settings),
        _gate("candidate_bars", _enough_bars(bar, knobs, run), run, settings.candidate_bars, "bars",
              "bars in a row at or above the threshold"),
        *([] if settings.mentions else _surge(f, knobs, settings)),
    ]  # fmt: skip


def first_missed(gates: Sequence[Gate]) -> str | None:
    """The gate between a bar and an episode, None where nothing was: a surge needs no score.

    >>> way = {"candidate_bars": True, "candidate_logit_micro": False, "price": True}
    >>> gates = [Gate(name, passed, None, None, None, "", "") for name, passed in way.items()]
    >>> surge = [Gate(name, True, None, None, None, "", "") for name in SURGE]
    >>> first_missed(gates), first_missed(gates + surge)
    ('candidate_logit_micro', None)
    """
    surge = [gate for gate in gates if gate.name in SURGE]
    instead = bool(surge) and all(gate.passed for gate in surge)
    spared = SCORE if instead else SURGE
    return next((gate.name for gate in gates if not (gate.passed or gate.name in spared)), None)


def following(bar: Bar, knobs: Knobs, settings: EngineSettings) -> list[Gate]:
    """What would tell an open or fading episode on, each clause by itself.

    ``bar.state`` has the episode's peaks as they are with this bar.
    """
    gates = _following(bar, knobs, settings)
    return [gate for gate in gates if settings.ticks or gate.name not in PRICED]


def _following(bar: Bar, knobs: Knobs, settings: EngineSettings) -> list[Gate]:
    s, b = bar.state, bar.number
    price = int(s["log_price"])
    risen = price - int(s["ep_sent_log_price"])
    rise = _gate(
        "update_rise_x",
        _follow(bar, knobs, ep.UPDATE, T_STEP=NEVER),
        float(exp2_q20(risen)),
        settings.update_rise_x,
        "x",
        "update: the price rose well beyond what was last told",
    )
    if s["ep"] == ep.FADING_STATE:
        share = int(ep.attention_permille(s, bar.authors, bar.traders, knobs)) / 1000
        return [
            _gate("closed_bars", _follow(bar, knobs, ep.CLOSED, T_CLOSE_PERMILLE=-1),
                  b - int(s["ep_fade_bar"]), settings.closed_bars, "bars",
                  "close: the fading alert is long enough ago"),
            _gate("closed_attention_share", _follow(bar, knobs, ep.CLOSED, T_CLOSE_BARS=NEVER),
                  share, settings.closed_attention_share, "of peak", "close: attention is gone",
                  at_most=True),
            rise,
        ]  # fmt: skip
    return [*_fading(bar, knobs, settings), *_news(bar, knobs, settings), rise]


def _fallen(s: Record) -> float | None:
    """How far the price is below its highest of 15 minutes, as a share."""
    top, now = int(ep.recent_top(s)), int(s["log_price"])
    return None if NO_PRICE in (top, now) else 1.0 - float(exp2_q20(now - top))


def _few(n: NDArray[np.int64]) -> Gate:
    unknown = np.full(N_FEATURES, np.nan)  # no baseline: only the number of records decides
    value = max(int(n[MENTIONS]), int(n[TRADES]))
    return _gate(
        "few", bool(is_hot(unknown, n)), value, FEW, "records", "enough mentions or trades in 60 s"
    )


def _hot(f: NDArray[np.float64]) -> Gate:
    """The highest z-score against the gate; by itself, however few the records."""
    enough = np.zeros(N_COUNTS, np.int64)
    enough[MENTIONS] = ENOUGH
    passed = bool(is_hot(f, enough))
    if np.isnan(f[0]):
        means = "the hour's baseline is too short for a score, so none is asked for"
        return Gate("hot", passed, None, float(HOT), None, "deviations", means)
    highest = float(np.nanmax(f[:N_Z]))
    return _gate("hot", passed, highest, HOT, "deviations", "the highest of the z-scores")


def _threshold(bar: Bar, knobs: Knobs, settings: EngineSettings) -> Gate:
    one = knobs.copy()
    one[ep.T_BARS] = 1
    return _gate(
        "candidate_logit_micro",
        bool(ep.passes(bar.state.copy(), bar.number, bar.logit_micro, one)),
        bar.logit_micro / MICRO,
        settings.candidate_logit_micro / MICRO,
        "logit",
        "the classifier's score",
    )


def _surge(f: NDArray[np.float64], knobs: Knobs, settings: EngineSettings) -> list[Gate]:
    """The two limits of a surge, each asked with the other one met."""
    limits = (settings.surge_z_return, settings.surge_z_trades)
    gates = []
    for name, place, limit, what in zip(
        SURGE, (Z_RETURN, Z_TRADES), limits, ("the price's", "the trades'"), strict=True
    ):
        asked = np.full(N_FEATURES, float(NEVER))
        asked[place] = f[place]
        value = None if np.isnan(f[place]) else float(f[place])
        means = f"surge: {what} z-score, which opens with the other one, whatever the score"
        gates.append(_gate(name, bool(ep.surges(asked, knobs)), value, limit, "deviations", means))
    return gates


def _attention(f: NDArray[np.float64], knobs: Knobs, settings: EngineSettings) -> Gate:
    """The one limit of a log without trades."""
    value = None if np.isnan(f[Z_WEEK]) else float(f[Z_WEEK])
    means = "attention: the z-score of an hour's posts against the week, which opens by itself"
    passed = bool(ep.swells(f, knobs))
    return _gate(ATTENTION, passed, value, settings.attention_z_week, "deviations", means)


def _enough_bars(bar: Bar, knobs: Knobs, run: int) -> bool:
    asked = bar.state.copy()
    asked["run"], asked["run_last"] = run - 1, bar.number - 1
    return bool(ep.passes(asked, bar.number, ENOUGH, knobs))


def _fading(bar: Bar, knobs: Knobs, settings: EngineSettings) -> list[Gate]:
    s, b = bar.state, bar.number
    since = b - int(s["ep_peak_bar"])
    fallen = int(s["ep_peak_log_price"]) - int(s["log_price"])
    rise = int(s["ep_peak_bar"]) - int(s["ep_start"])
    share = int(ep.attention_permille(s, bar.authors, bar.traders, knobs))

    def fades(share: int, fallen: int, **limits: int) -> bool:
        return bool(ep.is_fading(s, b, share, False, fallen, _with(knobs, limits)))

    def is_over(since: int, people: int) -> bool:
        asked, never = s.copy(), {"T_FADE_BARS": 0, "T_PATIENCE_PERMILLE": 0, "T_RUG_Q20": NEVER}
        asked["ep_peak_bar"] = b - since
        return bool(ep.is_fading(asked, b, ENOUGH, people == 0, 0, _with(knobs, never)))

    people = bar.authors + bar.traders
    peak = "highest price" if settings.ticks else "largest crowd"
    most = int(knobs[ep.T_PATIENCE_PERMILLE]) * rise / 1000
    lost = 1.0 - float(exp2_q20(-fallen))
    return [
        _gate("fading_bars", fades(0, NEVER), since, settings.fading_bars, "bars",
              f"fade: the {peak} is long enough ago"),
        _gate("fading_patience", fades(0, ENOUGH, T_FADE_BARS=0, T_RUG_Q20=NEVER), since, most,
              "bars", "fade: and for as long as this share of the rise took"),
        _gate("fading_attention_share",
              fades(share, ENOUGH, T_FADE_BARS=0, T_RUG_Q20=NEVER, T_PATIENCE_PERMILLE=0),
              share / 1000, settings.fading_attention_share, "of peak",
              "fade: and the crowd has left", at_most=True),
        _gate("fading_drawdown",
              fades(0, fallen, T_FADE_BARS=0, T_RUG_Q20=NEVER, T_PATIENCE_PERMILLE=0),
              lost, settings.fading_drawdown, "below the highest price",
              "fade: and the price no longer rises"),
        _gate("rug_drawdown", fades(ENOUGH, fallen, T_FADE_BARS=0), lost, settings.rug_drawdown,
              "below the highest price", "fade: or the price has broken, whatever the crowd does"),
        _gate("quiet_people", is_over(ep.QUIET_BARS, people), people, 0, "person-minutes",
              "fade: or, as patient, nobody at all has spoken or traded for 15 minutes", at_most=True),
        _gate("quiet_bars", is_over(since, 0), since, ep.QUIET_BARS, "bars",
              f"fade: and the {peak} is an hour ago, whatever the price"),
    ]  # fmt: skip


def _news(bar: Bar, knobs: Knobs, settings: EngineSettings) -> list[Gate]:
    means = "update: the score rose well beyond what was last told"
    step = settings.update_step_logit_micro / MICRO
    if bar.logit_micro == ep.NO_LOGIT:
        means = "update: the score of an open episode is looked at once a minute, not in this bar"
        return [Gate("update_step_logit_micro", None, None, step, None, "logit", means)]
    risen = (bar.logit_micro - int(bar.state["ep_sent"])) / MICRO
    passed = _follow(bar, knobs, ep.UPDATE, T_RISE_Q20=NEVER)
    return [_gate("update_step_logit_micro", passed, risen, step, "logit", means)]


def _follow(bar: Bar, knobs: Knobs, kind: int, **limits: int) -> bool:
    """Whether an episode is told on as ``kind`` where it cannot fade or close for another reason."""
    never_fades = {"T_FADE_BARS": NEVER}
    never_closes = {} if kind == ep.CLOSED else {"T_CLOSE_BARS": NEVER, "T_CLOSE_PERMILLE": -1}
    asked = bar.state.copy()
    found = ep.follow(
        asked,
        bar.number,
        bar.logit_micro,
        bar.authors,
        bar.traders,
        _with(knobs, never_fades | never_closes | limits),
    )
    return bool(found == kind)


def _with(knobs: Knobs, limits: dict[str, int]) -> Knobs:
    out = knobs.copy()
    for name, value in limits.items():
        out[getattr(ep, name)] = value
    return out


def _gate(
    name: str,
    passed: Answer,
    value: float | None,
    limit: float,
    unit: str,
    means: str,
    *,
    at_most: bool = False,
) -> Gate:
    over = None if value is None else (limit - value if at_most else value - limit)
    return Gate(
        name,
        None if passed is None else bool(passed),
        value,
        float(limit),
        None if over is None else round(over, 6),
        unit,
        means,
    )
