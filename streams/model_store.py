"""Model files: the skops file is the model, the arrays beside it what the kernel reads at once.

``NAME.json`` is the manifest: hashes of both files, versions, features, the training that made
them, and the calibration. Nothing here is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.layout import FEATURE_HASH, MODEL_FEATURES
from detectors.model import Model
from schemas.errors import ModelError

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

NAME: Final = "golden_dog"
ARRAYS_FILE: Final = f"{NAME}.npz"
SKOPS_FILE: Final = f"{NAME}.skops"
MANIFEST_FILE: Final = f"{NAME}.json"
ARRAYS: Final = (
    "feat",
    "thr",
    "missing_left",
    "leaf",
    "expected",
    "base",
    "steps",
    "probabilities",
)
TRUSTED: Final = (
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "numpy.dtype",
    "numpy.dtypes.VoidDType",
)
_AGAIN: Final = "restore the file, or train a model with `goldendog train`"


def default_folder() -> Path:
    """Folder of the model that is shipped."""
    return Path(str(files("detectors"))) / "models"


def load_default_model() -> Model:
    """The shipped model."""
    return load_model(default_folder())


def load_model(folder: Path) -> Model:
    """Load a model's arrays, checked against its manifest.

    Raises ModelError where a file is missing, was changed, or was made for other features.
    """
    manifest = read_manifest(folder)
    if manifest["feature_hash"] != FEATURE_HASH or manifest["features"] != list(MODEL_FEATURES):
        raise ModelError(f"the model in {folder} was made for other features", _AGAIN)
    for name in (ARRAYS_FILE, SKOPS_FILE):
        if _sha256(folder / name) != manifest["sha256"][name]:
            raise ModelError(f"{folder / name} is not the file its manifest names", _AGAIN)
    try:
        raw = io.BytesIO((folder / ARRAYS_FILE).read_bytes())
        with np.load(raw, allow_pickle=False) as file:
            arrays = {name: file[name] for name in ARRAYS}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{folder / NAME}.npz cannot be read: {error}", _AGAIN) from None
    base = float(arrays.pop("base"))
    return Model(**arrays, base=base, sha256=_sha256(folder / MANIFEST_FILE))


def load_classifier(folder: Path) -> HistGradientBoostingClassifier:
    """Load the scikit-learn model itself; ModelError where it holds a type that is not expected."""
    import skops.io

    path = folder / SKOPS_FILE
    manifest = read_manifest(folder)
    if _sha256(path) != manifest["sha256"][path.name]:
        raise ModelError(f"{path} is not the file its manifest names", _AGAIN)
    strange = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
    if strange:
        raise ModelError(f"{path} holds types that are not expected: {sorted(strange)}", _AGAIN)
    return skops.io.load(path, trusted=list(TRUSTED))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest as a dict; ModelError where there is none."""
    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_bytes())
        manifest["feature_hash"], manifest["features"], manifest["sha256"]
    except FileNotFoundError:
        raise ModelError(f"no model in {folder}", _AGAIN) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path} is no model manifest: {error!r}", _AGAIN) from None
    return dict(manifest)


def save_model(
    folder: Path,
    classifier: HistGradientBoostingClassifier,
    model: Model,
    training: dict[str, Any],
) -> None:
    """Write the skops file, the arrays and the manifest; the manifest comes last."""
    import skops.io
    from sklearn import __version__ as sklearn_version

    folder.mkdir(parents=True, exist_ok=True)
    skops.io.dump(classifier, folder / SKOPS_FILE)
    np.savez(
        folder / ARRAYS_FILE,
        **{name: np.asarray(getattr(model, name)) for name in ARRAYS},  # type: ignore[arg-type]
    )
    manifest = {
        "name": NAME,
        "label": "price reaches 3x within 24 h before it falls by half, from the next executable",
        "features": list(MODEL_FEATURES),
        "feature_hash": FEATURE_HASH,
        "versions": {"scikit-learn": sklearn_version, "numpy": np.__version__},
        "training": _plain(training),
        "sha256": {name: _sha256(folder / name) for name in (ARRAYS_FILE, SKOPS_FILE)},
    }
    text = json.dumps(manifest, indent=2, allow_nan=False)
    (folder / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """The value as JSON has it: numbers of numpy are numbers, NaN is null."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and math.isnan(value) else value


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise ModelError(f"{path} is missing", _AGAIN) from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}", _AGAIN) from None
