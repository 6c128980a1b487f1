"""Small hand-made models, so that tests of the engine need no trained one."""

from __future__ import annotations

import numpy as np

from detectors.kernels.trees import INNER, LEAVES
from detectors.layout import FEATURES
from detectors.model import Model


def crowd_model(mentions: float = 6.0, trades: float = 6.0) -> Model:
    """Says yes (logit +1.5) where either many mentions or many trades fell into 60 s, else no.

    Two trees, each split once at its root; the score also rises with the z-score of mentions.
    """
    return stumps(
        ("mentions_60s", mentions, -1.0, 1.5),
        ("trades_60s", trades, -0.5, 1.5),
        ("z_mentions", 6.0, 0.0, 1.25),
    )


def stumps(*parts: tuple[str, float, float, float]) -> Model:
    """Trees of one split: (feature, limit, logit at or below it or unknown, logit above)."""
    n = len(parts)
    feat = np.zeros((n, INNER), np.int32)
    thr = np.full((n, INNER), np.inf)
    leaf = np.zeros((n, LEAVES))
    expected = np.zeros((n, INNER + LEAVES))
    for t, (name, limit, low, high) in enumerate(parts):
        feat[t, 0] = FEATURES.index(name)
        thr[t, 0] = limit
        leaf[t, : LEAVES // 2] = low
        leaf[t, LEAVES // 2 :] = high
        expected[t, INNER:] = leaf[t]
        for j in range(INNER - 1, -1, -1):
            expected[t, j] = (expected[t, 2 * j + 1] + expected[t, 2 * j + 2]) / 2
    return Model(
        feat=feat,
        thr=thr,
        missing_left=np.ones((n, INNER), np.bool_),
        leaf=leaf,
        expected=expected,
        base=-0.25,
        steps=np.array([-2_000_000, 0, 1_000_000], np.int64),
        probabilities=np.array([0.01, 0.2, 0.7]),
    )
