"""The classifier: the kernel's sum is scikit-learn's, and files that were changed are refused."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from detectors import training
from detectors.flatten import flatten
from detectors.kernels.trees import margin
from detectors.layout import MODEL_FEATURES
from detectors.model import Model, blank_model
from schemas.errors import ModelError
from streams.model_store import (
    ARRAYS,
    NAME,
    default_folder,
    load_classifier,
    load_default_model,
    load_model,
    read_manifest,
    save_model,
)

WIDTH = len(MODEL_FEATURES)
STEPS = np.array([-1_000_000, 0, 1_000_000], np.int64)
CHANCES = np.array([0.1, 0.4, 0.8])


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """These models are tiny: threads only get into each other's way."""
    with threadpool_limits(1):
        yield


def features(seed: int, n: int) -> NDArray[np.float64]:
    """Random features, a fifth of them unknown, some whole numbers, some huge."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, WIDTH))
    x[:, ::3] = np.floor(x[:, ::3] * 4)
    x[:, 1] *= 1e12
    x[rng.random(x.shape) < 0.2] = np.nan
    return x


def fitted(seed: int, **parameters: Any) -> HistGradientBoostingClassifier:
    x = features(seed, 600)
    y = (np.nan_to_num(x[:, 0]) + np.isnan(x[:, 2]) + x[:, 4] > 0.3).astype(np.int8)
    given = {"max_iter": 8, "max_depth": 5, "min_samples_leaf": 5, "early_stopping": False}
    return HistGradientBoostingClassifier(**(given | parameters), random_state=seed).fit(x, y)


def margins(model: Model, x: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = [margin(row, model.trees, model.base) for row in x]
    return np.array(rows)


@pytest.mark.parametrize(("seed", "leaves"), [(1, 31), (2, 4), (3, None)])
def test_the_kernel_gives_the_very_bits_of_scikit_learn(seed: int, leaves: int | None) -> None:
    classifier = fitted(seed, max_leaf_nodes=leaves)
    model = flatten(classifier, STEPS, CHANCES)
    x = features(seed + 100, 1_000)
    x[0], x[1], x[2] = np.nan, np.inf, -np.inf
    # on a threshold exactly: at or below goes left
    x[3, model.feat[0, 0]] = model.thr[0, 0]
    expected = classifier.decision_function(x)
    assert margins(model, x).tobytes() == expected.tobytes()


def test_contributions_sum_to_what_reading_the_features_adds() -> None:
    model = flatten(fitted(4), STEPS, CHANCES)
    x = features(5, 200)
    unread = model.base + model.expected[:, 0].sum()
    for row, total in zip(x, margins(model, x).tolist(), strict=True):
        assert unread + model.contributions(row).sum() == pytest.approx(total, abs=1e-9)


def test_the_shipped_model_is_the_classifier_it_was_made_of() -> None:
    model, classifier = load_default_model(), load_classifier(default_folder())
    x = features(7, 500)
    assert margins(model, x).tobytes() == classifier.decision_function(x).tobytes()
    again = flatten(classifier, model.steps, model.probabilities)
    for name in ARRAYS:
        assert np.array_equal(getattr(model, name), getattr(again, name)), name
    assert read_manifest(default_folder())["features"] == list(MODEL_FEATURES)
    assert (np.diff(model.steps) > 0).all()
    assert (np.diff(model.probabilities) >= 0).all()


def test_probabilities_come_from_the_table() -> None:
    model = flatten(fitted(4, max_iter=2), STEPS, CHANCES)
    table = {-5_000_000: 0.1, -1_000_000: 0.1, -1: 0.1, 0: 0.4, 999_999: 0.4, 1_000_000: 0.8}
    assert {logit: model.probability(logit) for logit in table} == table
    assert model.probability(10**12) == 0.8


def test_trees_the_kernel_cannot_walk_are_refused() -> None:
    with pytest.raises(ModelError, match="deeper than 5"):
        flatten(fitted(1, max_iter=2, max_depth=9, max_leaf_nodes=None), STEPS, CHANCES)
    x = features(1, 400)
    x[:, 0] = np.random.default_rng(1).integers(0, 5, 400)
    by_category = HistGradientBoostingClassifier(
        max_iter=2, max_depth=5, categorical_features=[0], early_stopping=False
    ).fit(x, np.isin(x[:, 0], (1, 3)).astype(np.int8))
    with pytest.raises(ModelError, match="by category"):
        flatten(by_category, STEPS, CHANCES)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"feat": np.zeros((3, 30), np.int32)}, "feat has shape"),
        ({"leaf": np.zeros((2, 32))}, "leaf has shape"),
        ({"feature_hash": "0" * 16}, "was trained on features"),
        ({"feat": np.full((1, 31), WIDTH, np.int32)}, "a feature that is none"),
        ({"feat": np.full((1, 31), -1, np.int32)}, "a feature that is none"),
    ],
)
def test_models_that_do_not_fit_are_refused(changes: dict[str, Any], match: str) -> None:
    one = flatten(fitted(4, max_iter=1), STEPS, CHANCES)
    with pytest.raises(ModelError, match=match):
        replace(one, **changes)


def test_a_model_without_trees_says_its_base() -> None:
    assert margins(blank_model(-3.0), features(1, 3)).tolist() == [-3.0] * 3
    assert blank_model().contributions(features(1, 1)[0]).tolist() == [0.0] * WIDTH


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    classifier = fitted(8, max_iter=3)
    save_model(folder, classifier, flatten(classifier, STEPS, CHANCES), {"auc": np.float64("nan")})
    return folder


@pytest.fixture
def folder(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "model"))


def test_a_stored_model_reads_back(folder: Path) -> None:
    model, classifier = load_model(folder), load_classifier(folder)
    x = features(9, 50)
    assert margins(model, x).tobytes() == classifier.decision_function(x).tobytes()
    assert model.sha256 == hashlib.sha256((folder / f"{NAME}.json").read_bytes()).hexdigest()
    assert read_manifest(folder)["training"] == {"auc": None}


def edit(folder: Path, **changes: object) -> None:
    path = folder / f"{NAME}.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def own_hash(folder: Path, name: str) -> None:
    """Have the manifest name a file as it is now: what is in it must be checked all the same."""
    hashes = dict(read_manifest(folder)["sha256"])
    hashes[name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    edit(folder, sha256=hashes)


def truncated_arrays(folder: Path) -> None:
    path = folder / f"{NAME}.npz"
    path.write_bytes(path.read_bytes()[:100])
    own_hash(folder, path.name)


def missing_array(folder: Path) -> None:
    np.savez(folder / f"{NAME}.npz", feat=np.zeros((1, 31)))
    own_hash(folder, f"{NAME}.npz")


def pickled_array(folder: Path) -> None:
    with np.load(folder / f"{NAME}.npz") as file:
        arrays = dict(file)
    arrays["steps"] = np.array([{"not": "data"}], object)
    np.savez(folder / f"{NAME}.npz", **arrays)
    own_hash(folder, f"{NAME}.npz")


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda f: flip(f / f"{NAME}.npz"), "is not the file its manifest names"),
        (lambda f: flip(f / f"{NAME}.skops"), "is not the file its manifest names"),
        (lambda f: (f / f"{NAME}.npz").unlink(), "is missing"),
        (lambda f: (f / f"{NAME}.skops").unlink(), "is missing"),
        (lambda f: (f / f"{NAME}.json").unlink(), "no model in"),
        (lambda f: (f / f"{NAME}.json").write_text("{"), "is no model manifest"),
        (lambda f: (f / f"{NAME}.json").write_text("[]"), "is no model manifest"),
        (lambda f: (f / f"{NAME}.json").write_text("{}"), "is no model manifest"),
        (lambda f: edit(f, feature_hash="0"), "was made for other features"),
        (lambda f: edit(f, features=["z_mentions"]), "was made for other features"),
        (truncated_arrays, "cannot be read"),
        (missing_array, "cannot be read"),
        (pickled_array, "cannot be read"),
    ],
)
def test_a_damaged_model_is_refused(
    folder: Path, damage: Callable[[Path], object], match: str
) -> None:
    damage(folder)
    with pytest.raises(ModelError, match=match):
        load_model(folder)


def test_a_folder_in_place_of_a_file_is_refused(folder: Path) -> None:
    path = folder / f"{NAME}.npz"
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelError, match=r"cannot be read: Is a directory"):
        load_model(folder)


def test_a_classifier_of_another_type_is_refused(folder: Path) -> None:
    other = LogisticRegression().fit(np.array([[0.0], [1.0]]), [0, 1])
    other.intercept_scaling = np.random.default_rng  # a function: what a trap would carry
    skops.io.dump(other, folder / f"{NAME}.skops")
    with pytest.raises(ModelError, match="is not the file its manifest names"):
        load_classifier(folder)
    own_hash(folder, f"{NAME}.skops")
    with pytest.raises(ModelError, match="types that are not expected"):
        load_classifier(folder)


def test_training_keeps_waves_apart_and_calibrates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(training.PARAMETERS, "max_iter", 6)
    monkeypatch.setitem(training.PARAMETERS, "learning_rate", 0.5)
    monkeypatch.setitem(training.PARAMETERS, "min_samples_leaf", 20)
    n = 600
    x = np.round(features(11, n) / np.where(np.arange(WIDTH) == 1, 1e12, 1.0))
    label = (np.nan_to_num(x[:, 4]) > 0).astype(np.int8)
    out = training.fit(x, label, np.arange(n) // 30, np.ones(n))
    assert out.metrics["roc_auc"] > 0.9
    assert out.metrics["base_rate"] == pytest.approx(label.mean())
    assert (np.diff(out.steps) > 0).all()
    assert (np.diff(out.probabilities) >= 0).all()
    model = flatten(out.classifier, out.steps, out.probabilities)
    assert model.probability(int(out.logits.max() * 1e6)) > 0.8
    assert model.probability(int(out.logits.min() * 1e6)) < 0.2
