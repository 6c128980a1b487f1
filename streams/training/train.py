"""Train the shipped classifier: waves, folds, calibration, proof, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from detectors.flatten import flatten
from detectors.kernels.trees import margin
from detectors.settings import EngineSettings
from detectors.training import PARAMETERS, fit
from schemas.errors import ModelError, UserError
from streams.model_store import save_model
from streams.training.collect import Rows, collect

MIN_WAVES = 200


def train(
    out: Path,
    waves: int = 300,
    first_seed: int = 0,
    settings: EngineSettings | None = None,
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _of: None,
) -> dict[str, Any]:
    """Train on ``waves`` random waves from ``first_seed`` on and save the model to ``out``.

    Returns what the manifest keeps: seeds, parameters and out-of-fold metrics. Raises UserError
    for fewer than 200 waves, ModelError should the flat trees differ from scikit-learn's.
    """
    if waves < MIN_WAVES:
        raise UserError(f"{waves} waves are too few to train on", f"take at least {MIN_WAVES}")
    parts = []
    for k in range(waves):
        parts.append(collect(first_seed + k, settings or EngineSettings()))
        progress("waves", k + 1, waves)
    rows = Rows(
        np.concatenate([p.features for p in parts]),
        np.concatenate([p.labels for p in parts]),
        np.concatenate([p.waves for p in parts]),
        np.concatenate([p.weights for p in parts]),
    )
    progress("fit", 0, 1)
    fitted = fit(rows.features, rows.labels, rows.waves, rows.weights)
    progress("fit", 1, 1)
    model = flatten(fitted.classifier, fitted.steps, fitted.probabilities)
    sample = rows.features[:: max(len(rows.features) // 20_000, 1)]
    arrays = (model.trees, model.base)
    ours = np.array([margin(row, *arrays) for row in sample])
    if not np.array_equal(ours, fitted.classifier.decision_function(sample)):
        raise ModelError("the flat trees differ from scikit-learn's", "this is a bug: report it")
    training = {
        "waves": waves,
        "first_seed": first_seed,
        "parameters": PARAMETERS,
        "folds": "5, by wave",
        "metrics_out_of_fold": fitted.metrics,
        "rows_proven_equal_to_scikit_learn": len(sample),
    }
    save_model(out, fitted.classifier, model, training)
    return training
