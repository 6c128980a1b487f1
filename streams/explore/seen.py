"""What the kernel's own functions read from a token's state, for a person to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.alerts import AlertWriter, baseline_lengths, rounded
from detectors.kernels import episodes as ep
from detectors.kernels.explain import baseline_place, natural_mean
from detectors.kernels.features import (
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
from detectors.layout import FEATURES, N_ALERT_INTS, N_BASELINES, N_FEATURES
from schemas.records import Alert
from streams.detection import Detection


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
class Seen:
    """Windows that end with a bar, and the baselines before them.

    Parameters
    ----------
    bar : its number.
    state : the token's record after the bar, a copy.
    counts, long : of the short and the long window, in the kernel's places.
    features : the z-scores; the rest is left 0.
    means, deviations : of the z-scores' baselines.
    minutes, quarters, hours : how long these are.
    """

    bar: int
    state: Any
    counts: NDArray[np.int64]
    long: NDArray[np.int64]
    features: NDArray[np.float64]
    means: NDArray[np.float64]
    deviations: NDArray[np.float64]
    minutes: int
    quarters: int
    hours: int

    @classmethod
    def of(cls, record: Any, bar: int, log_start_ms: int) -> Seen:
        """Look at a record whose last bar is ``bar``."""
        n, long, f = np.zeros(N_COUNTS, np.int64), np.zeros(5, np.int64), np.zeros(N_FEATURES)
        means, devs, bits = np.zeros(N_BASELINES), np.zeros(N_BASELINES), np.zeros(64, np.int64)
        state = record.copy()
        count_first(state, bar, n)
        count_rest(state, bar, n)
        count_long(state, long)
        count_people(state, long)
        found = scores(state, bar, n, long, log_start_ms, f, means, devs, bits)
        return cls(bar, state, n, long, f, means, devs, *[int(length) for length in found])

    def alert(
        self,
        detection: Detection,
        token: str,
        features: NDArray[np.float64],
        logit_micro: int,
        kind: int = ep.CANDIDATE,
    ) -> Alert:
        """The alert of a kind that the bar would have given, for the fields it has."""
        ints = np.zeros((1, N_ALERT_INTS), np.int64)
        none = np.full(3, -1, np.int64)
        write_alert(
            ints[0], self.state, self.bar, 0, kind, logit_micro, self.counts, self.long,
            self.minutes, self.quarters, self.hours, none,
            knobs(detection.settings),
        )  # fmt: skip
        writer = AlertWriter(detection.settings, detection.model, detection.fingerprint, {})
        one = np.newaxis
        (alert,) = writer.write(
            1,
            lambda _: token,
            ints,
            features[one],
            self.means[one],
            self.deviations[one],
            lambda _: None,
        )
        return alert

    def told(
        self, features: NDArray[np.float64], added: NDArray[np.float64]
    ) -> tuple[Feature, ...]:
        """Every feature with its baseline and what it ``added``, the heaviest first."""
        order: Sequence[int] = np.lexsort((np.arange(len(added)), -np.abs(added))).tolist()
        return tuple(
            Feature(
                FEATURES[k],
                rounded(float(features[k])),
                round(float(added[k]), 6),
                *self._baseline(k),
            )
            for k in order
        )

    def _baseline(self, k: int) -> tuple[float | None, float | None, int | None]:
        at = int(baseline_place(k))
        if at < 0:
            return None, None, None
        mean, deviation = float(self.means[at]), float(self.deviations[at])
        usual = rounded(mean) if np.isnan(mean) else rounded(float(natural_mean(k, mean)), 4)
        length = baseline_lengths(self.minutes, self.quarters, self.hours)[k]
        return usual, rounded(deviation / Y_UNIT, 4), length
