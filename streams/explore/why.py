"""Why a token was, or was not, told of at a bar: each gate it passed or missed, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.alerts import AlertWriter, rounded
from detectors.kernels import episodes as ep
from detectors.kernels.explain import natural_mean
from detectors.kernels.features import (
    L_AUTHORS,
    L_TRADERS,
    N_COUNTS,
    count_first,
    count_long,
    count_people,
    count_rest,
    scores,
)
from detectors.kernels.maths import Y_UNIT
from detectors.kernels.run import write_alert
from detectors.knobs import knobs
from detectors.layout import (
    BAR_MS,
    FEATURES,
    MINUTE_BARS,
    N_ALERT_INTS,
    N_FEATURES,
    N_Z,
)
from detectors.model import MICRO
from schemas.records import Alert
from streams.explore.gates import Bar, Gate, following, opening
from streams.explore.material import Material
from streams.explore.moment import Moment, moment
from streams.explore.names import wanted
from streams.replay.run import OnProgress

STATES: Final = ("none", "open", "fading")
_KEPT: Final = (
    "ep", "ep_seq", "ep_start", "ep_fade_bar", "ep_end", "ep_sent", "ep_sent_log_price", "run",
    "run_last",
)  # fmt: skip
_DAY: Final = 7


@dataclass(frozen=True)
class Feature:
    """One input of the classifier: its value, what is usual (of z-scores), what it added."""

    feature: str
    value: float | None
    contribution_logit: float
    baseline_mean: float | None = None
    baseline_deviation: float | None = None
    baseline_n: int | None = None


@dataclass(frozen=True)
class Why:
    """The answer.

    Parameters
    ----------
    token, symbol : of whom.
    ts_bar_start_ms, ts_bar_end_ms, ts_available_ms : of the bar.
    records : whether the bar held a record of the token: without one nothing can open.
    last_records_ms : end of the last bar that did, this one or before; null if none.
    episode_before, episode_after : none, open or fading.
    ts_episode_start_ms : of the episode that is open, or was last; null if none.
    told : kinds of alert that the bar gave.
    stopped_by : name of the first gate missed on the way to an episode; null where none was.
    gates : in the order in which they are asked.
    logit, base_logit : score, and where it begins before any feature; null where not scored.
    probability : the calibrated one.
    baseline_coverage : share of the baseline windows that was there.
    features : by what they added, the most first.
    price_usd, ts_price_ms : last price.
    notes : what is not quite as it was.
    """

    token: str
    symbol: str | None
    ts_bar_start_ms: int
    ts_bar_end_ms: int
    ts_available_ms: int
    records: bool
    last_records_ms: int | None
    episode_before: str
    episode_after: str
    ts_episode_start_ms: int | None
    told: tuple[str, ...]
    stopped_by: str | None
    gates: tuple[Gate, ...]
    logit: float | None = None
    base_logit: float | None = None
    probability: float | None = None
    baseline_coverage: float | None = None
    features: tuple[Feature, ...] = ()
    price_usd: str | None = None
    ts_price_ms: int | None = None
    notes: tuple[str, ...] = ()


def why(of: Material, token: str, at_ms: int, on_progress: OnProgress | None = None) -> Why:
    """Explain a token at the bar that ends at an instant, or next after it.

    Parameters
    ----------
    of : the records, and what decides.
    token : CAIP-19 id, contract address, or symbol of the lexicon.
    at_ms : the instant.

    Raises
    ------
    UserError
        The token is unknown or ambiguous, or the instant lies outside the log.
    """
    named = wanted(token, of.detection.lexicon.symbols())
    return explained(of, moment(of, named, at_ms, on_progress))


def explained(of: Material, at: Moment) -> Why:
    """Explain a moment that was run to."""
    settings = of.detection.settings
    before = at.before
    if before is None or before["first_bar"] != at.after["first_bar"]:
        before = _blank(at)
    has_records = int(at.after["last_bar"]) == at.bar
    watched = int(before["ep"]) != 0
    begun = watched or int(at.after["ep"]) != 0 or int(at.after["ep_end"]) >= 0
    common: dict[str, Any] = {
        "token": at.token,
        "symbol": of.detection.lexicon.symbols().get(at.token),
        "ts_bar_start_ms": at.start_ms,
        "ts_bar_end_ms": at.end_ms,
        "ts_available_ms": at.end_ms + settings.lateness_ms,
        "records": has_records,
        "last_records_ms": (int(at.after["last_bar"]) + 1) * BAR_MS,
        "episode_before": STATES[int(before["ep"])],
        "episode_after": STATES[int(at.after["ep"])],
        "ts_episode_start_ms": int(at.after["ep_start"]) * BAR_MS if begun else None,
        "told": tuple(alert.kind for alert in at.alerts),
        "notes": of.notes,
    }
    if at.features is None or at.logit_micro is None:
        return Why(**common, stopped_by="records", gates=(_no_records(),))
    seen = _Seen.of(at, before)
    limits = knobs(settings)
    if watched:
        looked_at = has_records and at.bar % MINUTE_BARS == 0  # see kernels/run.py
        logit = at.logit_micro if looked_at else ep.NO_LOGIT
        gates = following(seen.bar(at, logit), limits, settings)
        stopped = None
    else:
        gates = opening(seen.bar(at, at.logit_micro), limits, settings, int(at.after["run"]))
        stopped = next((gate.name for gate in gates if not gate.passed), None)
    draft = seen.alert(of, at)
    return Why(
        **common,
        stopped_by=stopped,
        gates=tuple(gates),
        logit=at.logit_micro / MICRO,
        base_logit=round(at.logit_micro / MICRO - float(np.sum(seen.added(of, at))), 6),
        probability=draft.probability,
        baseline_coverage=draft.baseline_coverage,
        features=_features(seen, of, at),
        price_usd=draft.price_usd,
        ts_price_ms=draft.ts_price_ms,
    )


@dataclass(frozen=True)
class _Seen:
    """What the kernel's functions read from the state after the bar."""

    state: Any
    counts: NDArray[np.int64]
    long: NDArray[np.int64]
    features: NDArray[np.float64]
    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    minutes: int
    quarters: int

    @classmethod
    def of(cls, at: Moment, before: Any) -> _Seen:
        n, long, f = np.zeros(N_COUNTS, np.int64), np.zeros(5, np.int64), np.zeros(N_FEATURES)
        means, devs, bits = np.zeros(N_Z), np.zeros(N_Z), np.zeros(64, np.int64)
        state = at.after.copy()
        count_first(state, at.bar, n)
        count_rest(state, at.bar, n)
        count_long(state, long)
        count_people(state, long)
        found = scores(state, at.bar, n, long, at.log_start_ms, f, means, devs, bits)
        for name in _KEPT:  # the episode as the rules found it
            state[name] = before[name]
        return cls(state, n, long, f, means, devs, int(found[0]), int(found[1]))

    def bar(self, at: Moment, logit_micro: int) -> Bar:
        assert at.features is not None
        authors, traders = int(self.long[L_AUTHORS]), int(self.long[L_TRADERS])
        return Bar(at.bar, self.state, self.counts, authors, traders, at.features, logit_micro)

    def added(self, of: Material, at: Moment) -> NDArray[np.float64]:
        """What each feature added to the logit."""
        return of.detection.model.contributions(at.features)  # type: ignore[arg-type]

    def alert(self, of: Material, at: Moment) -> Alert:
        """The alert that the bar would have given, for the fields it has."""
        ints = np.zeros((1, N_ALERT_INTS), np.int64)
        none = np.full(3, -1, np.int64)
        write_alert(
            ints[0], self.state, at.bar, 0, ep.CANDIDATE, at.logit_micro, self.counts, self.long,
            self.minutes, self.quarters, none,
        )  # fmt: skip
        assert at.features is not None
        detection = of.detection
        writer = AlertWriter(detection.settings, detection.model, detection.fingerprint, {})
        one = np.newaxis
        (alert,) = writer.write(
            1,
            lambda _: at.token,
            ints,
            at.features[one],
            self.means[one],
            self.deviations[one],
            lambda _: None,
        )
        return alert


def _features(seen: _Seen, of: Material, at: Moment) -> tuple[Feature, ...]:
    assert at.features is not None
    added = seen.added(of, at)
    order: Sequence[int] = np.lexsort((np.arange(len(added)), -np.abs(added))).tolist()
    return tuple(
        Feature(
            FEATURES[k],
            rounded(float(at.features[k])),
            round(float(added[k]), 6),
            *(_baseline(seen, k) if k < N_Z else ()),
        )
        for k in order
    )


def _baseline(seen: _Seen, k: int) -> tuple[float | None, float | None, int]:
    mean, deviation = float(seen.means[k]), float(seen.deviations[k])
    usual = rounded(mean) if np.isnan(mean) else rounded(float(natural_mean(k, mean)), 4)
    return usual, rounded(deviation / Y_UNIT, 4), seen.quarters if k >= _DAY else seen.minutes


def _blank(at: Moment) -> Any:
    """The episode of a token that was new in the bar."""
    before = at.after.copy()
    for name in _KEPT:
        before[name] = 0
    before["ep_end"] = before["run_last"] = -1
    return before


def _no_records() -> Gate:
    means = "a token is looked at in bars that hold a record of it"
    return Gate("records", False, 0.0, 1.0, -1.0, "records", means)
