"""Fit and calibrate the classifier. Folds are whole waves: no row of a wave is on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
from sklearn.model_selection import GroupKFold

from detectors.kernels.trees import DEPTH, LEAVES

FOLDS: Final = 5
STEPS: Final = 200
PARAMETERS: Final[dict[str, float | int | bool | None]] = {
    "max_iter": 150,
    "learning_rate": 0.06,
    "max_depth": DEPTH,
    "max_leaf_nodes": LEAVES,
    "min_samples_leaf": 150,
    "l2_regularization": 5.0,
    "max_features": 0.5,
    "early_stopping": False,
    "random_state": 0,
}


@dataclass(frozen=True)
class Fitted:
    """A classifier, its calibration and what it scored on waves it had not seen.

    ``steps`` (K,) in millionths of a logit and ``probabilities`` (K,) are the calibration table;
    ``logits`` (N,) are the out-of-fold logits of the rows; ``metrics`` summarise them.
    """

    classifier: HistGradientBoostingClassifier
    steps: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    logits: NDArray[np.float64]
    metrics: dict[str, float]


def fit(
    features: NDArray[np.float64],
    labels: NDArray[np.int8],
    waves: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> Fitted:
    """Fit on (N, F) features and 0/1 labels; ``waves`` (N,) names the fold group of each row."""
    logits = np.zeros(len(labels))
    for train, test in GroupKFold(FOLDS).split(features, labels, waves):
        part = HistGradientBoostingClassifier(**PARAMETERS)
        part.fit(features[train], labels[train], sample_weight=weights[train])
        logits[test] = part.decision_function(features[test])
    whole = HistGradientBoostingClassifier(**PARAMETERS)
    whole.fit(features, labels, sample_weight=weights)
    isotonic = IsotonicRegression(out_of_bounds="clip", y_min=0.0, y_max=1.0)
    isotonic.fit(logits, labels, sample_weight=weights)
    steps = np.unique(np.floor(np.quantile(logits, np.linspace(0, 1, STEPS)) * 1e6)).astype(
        np.int64
    )
    probabilities = np.round(isotonic.predict(steps / 1e6), 4)
    calibrated = np.clip(isotonic.predict(logits), 1e-4, 1 - 1e-4)
    return Fitted(
        classifier=whole,
        steps=steps,
        probabilities=probabilities,
        logits=logits,
        metrics={
            "rows": float(len(labels)),
            "base_rate": float(np.average(labels, weights=weights)),
            "roc_auc": float(roc_auc_score(labels, logits, sample_weight=weights)),
            "average_precision": float(
                average_precision_score(labels, logits, sample_weight=weights)
            ),
            "log_loss_calibrated": float(log_loss(labels, calibrated, sample_weight=weights)),
        },
    )
