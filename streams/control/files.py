"""Lexicons and models that control records name by their hash: kept in a folder, checked on reading.

Control records are small and stay for ever; what they put in force may be large. So a record says
``sha256:...``, and every worker, and every replay, finds the file of that hash in its own folder.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Final

from detectors.model import Model
from detectors.resolve.lexicon import Lexicon
from schemas.errors import RecordError, UserError
from schemas.records import Control
from streams.model_store import ARRAYS_FILE, MANIFEST_FILE, SKOPS_FILE, load_model

CONTROL_FILES: Final = Path("control")
_SHA: Final = re.compile(r"sha256:([0-9a-f]{64})\Z")


class ControlFiles:
    """A folder of lexicons and models by hash.

    Parameters
    ----------
    folder : it need not exist before something is kept in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep_lexicon(self, path: Path) -> str:
        """Copy a lexicon into the folder; the value a control record names it by."""
        try:
            text = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}", "check the path") from None
        sha256 = Lexicon.parse(text).sha256
        self.folder.mkdir(parents=True, exist_ok=True)
        _replace(self._lexicon(sha256), text)
        return f"sha256:{sha256}"

    def keep_model(self, source: Path) -> str:
        """Copy a trained model into the folder; the value a control record names it by."""
        sha256 = load_model(source).sha256
        target = self._model(sha256)
        target.mkdir(parents=True, exist_ok=True)
        for name in (ARRAYS_FILE, SKOPS_FILE, MANIFEST_FILE):
            if (source / name).resolve() != (target / name).resolve():
                shutil.copyfile(source / name, target / name)
        return f"sha256:{sha256}"

    def copy(self, control: Control, to: ControlFiles) -> None:
        """Copy what a record puts in force into another folder.

        Raises UserError where the file is not here; a record that nobody can use names none.
        """
        try:
            if control.setting == "lexicon":
                self.lexicon(control.value)
                to.keep_lexicon(self._lexicon(sha256_of(control.value)))
            elif control.setting == "model":
                self.model(control.value)
                to.keep_model(self._model(sha256_of(control.value)))
        except RecordError:
            return

    def lexicon(self, value: str) -> Lexicon:
        """The lexicon of a control record's value.

        Raises RecordError where the value is no hash, UserError where the file is not here.
        """
        sha256 = sha256_of(value)
        path = self._lexicon(sha256)
        try:
            lexicon = Lexicon.parse(path.read_bytes())
        except OSError:
            raise _missing("lexicon", value, path) from None
        if lexicon.sha256 != sha256:
            raise UserError(f"{path} is not the lexicon its name says", "copy it there again")
        return lexicon

    def model(self, value: str) -> Model:
        """The model of a control record's value; raises as ``lexicon`` does."""
        sha256 = sha256_of(value)
        folder = self._model(sha256)
        if not folder.is_dir():
            raise _missing("model", value, folder)
        model = load_model(folder)
        if model.sha256 != sha256:
            raise UserError(f"{folder} is not the model its name says", "copy it there again")
        return model

    def _lexicon(self, sha256: str) -> Path:
        return self.folder / f"lexicon-{sha256}.json"

    def _model(self, sha256: str) -> Path:
        return self.folder / f"model-{sha256}"


def sha256_of(value: str) -> str:
    """The hash in a control record's value; RecordError where it is none."""
    match = _SHA.match(value)
    if match is None:
        raise RecordError(
            "wrong_shape",
            f"{value[:80]!r} is no hash",
            field="value",
            remedy="write sha256: and 64 hex digits, as `goldendog control set` does",
        )
    return match[1]


def _missing(what: str, value: str, path: Path) -> UserError:
    return UserError(
        f"a control record puts the {what} {value[:19]}... in force, and {path} is not there",
        "copy it from where `goldendog control set` was run, or name that folder with control_files",
    )


def _replace(path: Path, content: bytes) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)
