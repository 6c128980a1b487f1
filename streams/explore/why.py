"""Why a token was, or was not, told of at a bar: each gate it passed or missed, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.kernels import episodes as ep
from detectors.kernels.features import (
    L_AUTHORS,
    L_TRADERS,
)
from detectors.knobs import knobs
from detectors.layout import (
    BAR_MS,
    MINUTE_BARS,
)
from detectors.model import MICRO
from streams.explore.gates import Bar, Gate, first_missed, following, opening
from streams.explore.material import Material
from streams.explore.moment import Moment, moment
from streams.explore.names import wanted
from streams.explore.seen import Feature as Feature
from streams.explore.seen import Seen
from streams.replay.run import OnProgress

STATES: Final = ("none", "open", "fading")
_KEPT: Final = (
    "ep", "ep_seq", "ep_start", "ep_fade_bar", "ep_end", "ep_sent", "ep_sent_log_price", "run",
    "run_last",
)  # fmt: skip


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
    features = at.features
    seen = Seen.of(at.after, at.bar, at.log_start_ms)
    for name in _KEPT:  # the episode as the rules found it
        seen.state[name] = before[name]
    scored = settings.ticks  # the classifier knows nothing that does not trade
    added = of.detection.model.contributions(features) * scored
    limits = knobs(settings)
    if watched:
        looked_at = has_records and at.bar % MINUTE_BARS == 0  # see kernels/run.py
        logit = at.logit_micro if looked_at else ep.NO_LOGIT
        gates = following(_bar(seen, features, logit), limits, settings)
        stopped = None
    else:
        gates = opening(
            _bar(seen, features, at.logit_micro), limits, settings, int(at.after["run"])
        )
        stopped = first_missed(gates)
    draft = seen.alert(of.detection, at.token, features, at.logit_micro)
    return Why(
        **common,
        stopped_by=stopped,
        gates=tuple(gates),
        logit=at.logit_micro / MICRO if scored else None,
        base_logit=round(at.logit_micro / MICRO - float(np.sum(added)), 6) if scored else None,
        probability=draft.probability if scored else None,
        baseline_coverage=draft.baseline_coverage,
        features=seen.told(features, added),
        price_usd=draft.price_usd,
        ts_price_ms=draft.ts_price_ms,
    )


def _bar(seen: Seen, features: NDArray[np.float64], logit_micro: int) -> Bar:
    authors, traders = int(seen.long[L_AUTHORS]), int(seen.long[L_TRADERS])
    return Bar(seen.bar, seen.state, seen.counts, authors, traders, features, logit_micro)


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
