"""A fitted scikit-learn model made into the kernel's flat arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from detectors.kernels.trees import INNER, LEAVES
from detectors.layout import FEATURE_HASH
from detectors.model import Model
from schemas.errors import ModelError


def flatten(
    classifier: HistGradientBoostingClassifier,
    steps: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    *,
    sha256: str = "",
    feature_hash: str = FEATURE_HASH,
) -> Model:
    """Flat arrays of a binary classifier with trees of depth 5 at most; ModelError otherwise.

    scikit-learn sums the same doubles in the same order, so its ``decision_function`` has the very
    same bits; a test holds that.
    """
    stages = classifier._predictors  # noqa: SLF001 - scikit-learn publishes no other view of them
    n = len(stages)
    feat = np.zeros((n, INNER), np.int32)
    thr = np.full((n, INNER), np.inf)
    missing = np.ones((n, INNER), np.bool_)
    leaf = np.zeros((n, LEAVES))
    expected = np.zeros((n, INNER + LEAVES))

    def place(t: int, nodes: Any, j: int, i: int) -> float:
        """Put node i of the fitted tree at place j; returns its mean leaf value."""
        node = nodes[i]
        if j >= INNER:
            if not node["is_leaf"]:
                raise ModelError("a tree is deeper than 5", "train with max_depth=5")
            value = float(node["value"])
            leaf[t, j - INNER] = expected[t, j] = value
            return value
        if node["is_leaf"]:  # stays as it is down to the last level: always left
            value = place(t, nodes, 2 * j + 1, i)
        else:
            if node["is_categorical"]:
                raise ModelError("a tree splits by category", "train on numbers only")
            feat[t, j], thr[t, j] = node["feature_idx"], node["num_threshold"]
            missing[t, j] = bool(node["missing_go_to_left"])
            left, right = int(node["left"]), int(node["right"])
            a, b = float(nodes[left]["count"]), float(nodes[right]["count"])
            value = place(t, nodes, 2 * j + 1, left) * a + place(t, nodes, 2 * j + 2, right) * b
            value /= a + b
        expected[t, j] = value
        return value

    for t, (tree,) in enumerate(stages):
        place(t, tree.nodes, 0, 0)
    base = float(classifier._baseline_prediction.ravel()[0])  # noqa: SLF001 - as above
    return Model(
        feat, thr, missing, leaf, expected, base, steps, probabilities, sha256, feature_hash
    )
