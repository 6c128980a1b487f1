"""The classifier as flat arrays: what the kernel evaluates and an alert explains."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.kernels.trees import INNER, LEAVES, contributions, pack_trees
from detectors.layout import FEATURE_HASH, MODEL_FEATURES
from schemas.errors import ModelError

MICRO: Final = 1_000_000


@dataclass(frozen=True, eq=False)
class Model:
    """T boosted trees of depth 5, laid out as perfect trees.

    Parameters
    ----------
    feat, thr, missing_left : shape (T, 31): feature number, threshold (go left at or below) and
        where unknown values go, node by node, root first, children of node j at 2j+1 and 2j+2.
    leaf : shape (T, 32), in logits.
    expected : shape (T, 63): mean leaf value below each node, leaves included, for explanations.
    base : logit of a model without trees.
    steps, probabilities : calibration, shape (K,): a logit (in millionths) at or above ``steps[k]``
        and below the next has ``probabilities[k]``; the first also holds below it.
    sha256 : of the model file and its manifest, for the fingerprint.
    feature_hash : of the feature names and their order.
    """

    feat: NDArray[np.int32]
    thr: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    leaf: NDArray[np.float64]
    expected: NDArray[np.float64]
    base: float
    steps: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    sha256: str = ""
    feature_hash: str = FEATURE_HASH

    def __post_init__(self) -> None:
        trees = len(self.feat)
        for name, width in (
            ("feat", INNER),
            ("thr", INNER),
            ("missing_left", INNER),
            ("leaf", LEAVES),
            ("expected", INNER + LEAVES),
        ):
            shape = getattr(self, name).shape
            if shape != (trees, width):
                msg = f"the model's {name} has shape {shape}, not {(trees, width)}"
                raise ModelError(msg, "train it again with `goldendog train`")
        if self.feature_hash != FEATURE_HASH:
            msg = f"the model was trained on features {self.feature_hash}, this is {FEATURE_HASH}"
            raise ModelError(msg, "train it again with `goldendog train`")
        if trees and not 0 <= int(self.feat.min()) <= int(self.feat.max()) < len(MODEL_FEATURES):
            raise ModelError("the model names a feature that is none", "train it again")

    @cached_property
    def place(self) -> NDArray[np.uint8]:
        """Shape (T, 31): twice a node's feature number, and one more where an unknown goes left."""
        return (2 * self.feat + self.missing_left).astype(np.uint8)

    @cached_property
    def trees(self) -> NDArray[np.void]:
        """Shape (T,), of ``TREE``: the same nodes and leaves as the kernel walks them."""
        return pack_trees(self.place, self.thr, self.leaf)

    @cached_property
    def _calibration(self) -> tuple[list[int], list[float]]:
        return self.steps.tolist(), self.probabilities.tolist()

    def probability(self, logit_micro: int) -> float:
        """Calibrated chance that the label comes true, from the committed table."""
        steps, probabilities = self._calibration
        return probabilities[max(bisect_right(steps, logit_micro) - 1, 0)]

    def contributions(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """What each feature added to the logit along the trees' paths, shape (F,), in logits.

        Their sum and the logit of the unread model, ``base`` and the trees' roots, make the logit
        (Saabas 2014, "Interpreting random forests").
        """
        return contributions(features, self.place, self.thr, self.expected)


def blank_model(base: float = -50.0) -> Model:
    """A model without trees: every logit is ``base``. For collecting features and for tests.

    >>> blank_model().probability(0)
    0.0
    """
    return Model(
        feat=np.zeros((0, INNER), np.int32),
        thr=np.zeros((0, INNER)),
        missing_left=np.zeros((0, INNER), np.bool_),
        leaf=np.zeros((0, LEAVES)),
        expected=np.zeros((0, INNER + LEAVES)),
        base=base,
        steps=np.zeros(1, np.int64),
        probabilities=np.zeros(1),
    )
