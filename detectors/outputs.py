"""What a push gives: alerts, scores, and what became of the records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from detectors.settings import BAR_MS
from schemas.records import Alert


@dataclass(frozen=True)
class ScoreRows:
    """M scores in (bar, token) order; ``features`` has shape (M, F), unknown values are NaN.

    ``logit_micro`` is NO_LOGIT where the classifier was not asked, in a log without trades.
    """

    token: list[str]
    ts_bar_end_ms: NDArray[np.int64]
    logit_micro: NDArray[np.int64]
    features: NDArray[np.float64]


class Outputs(Struct, frozen=True):
    """What one push gave.

    ``late`` are rows of the pushed columns that came beyond the backfill limit; ``evicted`` are
    (token, first bar's start, last bar's start) of lives that ended by silence; ``falls`` counts
    log times that fell and were clamped.
    """

    alerts: list[Alert] = field(default_factory=list)
    scores: ScoreRows | None = None
    late: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    duplicates: int = 0
    records: int = 0
    falls: int = 0
    evicted: list[tuple[str, int, int]] = field(default_factory=list)


class Closed(NamedTuple):
    """What bars gave that were closed together."""

    alerts: list[Alert]
    scores: ScoreRows | None
    duplicates: int
    evicted: list[tuple[str, int, int]]


def together(parts: Sequence[Closed]) -> Closed:
    """What several runs of bars gave, one after the other.

    >>> together([])
    Closed(alerts=[], scores=None, duplicates=0, evicted=[])
    """
    return Closed(
        [alert for part in parts for alert in part.alerts],
        joined_scores([part.scores for part in parts if part.scores is not None]),
        sum(part.duplicates for part in parts),
        [life for part in parts for life in part.evicted],
    )


def joined_scores(parts: Sequence[ScoreRows]) -> ScoreRows | None:
    """Several tables of scores as one, in the order given; None of none."""
    if len(parts) < 2:
        return parts[0] if parts else None
    return ScoreRows(
        [token for rows in parts for token in rows.token],
        np.concatenate([rows.ts_bar_end_ms for rows in parts]),
        np.concatenate([rows.logit_micro for rows in parts]),
        np.concatenate([rows.features for rows in parts]),
    )


def score_rows(
    key: NDArray[np.int64],
    logit: NDArray[np.int64],
    features: NDArray[np.float64],
    token_of: Callable[[int], str],
) -> ScoreRows:
    """Rows of the kernel in the order of (bar, token); ``key`` has shape (M, 2): bar and slot."""
    tokens = [token_of(slot) for slot in key[:, 1].tolist()]
    rank = {token: i for i, token in enumerate(sorted(set(tokens)))}
    order = np.lexsort((np.array([rank[t] for t in tokens], np.int64), key[:, 0]))
    return ScoreRows(
        [tokens[i] for i in order.tolist()],
        (key[order, 0] + 1) * BAR_MS,
        logit[order],
        features[order],
    )
