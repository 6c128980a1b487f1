"""What is explored: recorded files, or what an earlier replay was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from detectors.batch.resolver import BatchResolver
from detectors.model import Model
from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from schemas.errors import ConfigError, InputFileError, UserError
from streams.detection import Detection
from streams.files.kinds import is_replay_output
from streams.replay.api import lexicon_of, model_of
from streams.replay.following import Fixed
from streams.replay.window import WHOLE, Window

_AGAIN = "replay again, or name the files themselves"


@dataclass(frozen=True)
class Material:
    """Records to run, and what decides alerts.

    Parameters
    ----------
    paths : files, folders, or the data folder of an embedded run.
    detection : settings, model, lexicon.
    window : the part of the log that is told of.
    folder : output of the replay that these are from, if they are.
    notes : what is not quite as it was then.
    """

    paths: tuple[Path, ...]
    detection: Detection
    window: Window = WHOLE
    folder: Path | None = None
    notes: tuple[str, ...] = ()

    def names(self) -> Fixed:
        """What names tokens, with a memory of its own; control records change nothing."""
        return Fixed(BatchResolver(self.detection.lexicon))

    def with_settings(self, settings: EngineSettings) -> Material:
        """The same with other settings of the engine."""
        return replace(self, detection=replace(self.detection, settings=settings))

    def why_none(self) -> str:
        """What to know where no candidate opened at all, and what to give."""
        detection = self.detection
        if detection.settings.mentions and not detection.lexicon.symbols():
            return (
                "no candidate opened, so there is nothing to compare; without a lexicon posts name "
                "tokens by their addresses alone: give one with --lexicon"
            )
        return (
            "no candidate opened, so there is nothing to compare; `goldendog why` tells which "
            "limits of [engine] a token missed: give others with --config, or name a longer log"
        )


def material(
    paths: Sequence[Path | str],
    *,
    lexicon: Lexicon | Path | str | None = None,
    model: Model | Path | None = None,
    settings: EngineSettings | None = None,
) -> Material:
    """Records named by their paths, or by the output of one replay, whose own settings then hold.

    A lexicon or model given beside a replay's output stands in for one that was moved, and must be
    the same. Raises UserError where anything cannot be read, or is not what it was.
    """
    found = tuple(map(Path, paths))
    outputs = [path for path in found if is_replay_output(path)]
    if not outputs:
        detection = Detection(
            settings or EngineSettings(), model_of(model), lexicon_of(lexicon), "alerts"
        )
        return Material(found, detection)
    if len(found) > 1:
        raise UserError(
            f"{outputs[0]} is the output of a replay, which is explored alone",
            "name nothing else beside it",
        )
    return _of_replay(found[0], lexicon, model)


def _of_replay(
    folder: Path, lexicon: Lexicon | Path | str | None, model: Model | Path | None
) -> Material:
    try:
        summary: dict[str, Any] = msgspec.json.decode((folder / "summary.json").read_bytes())
        given = summary["given"]
        settings = EngineSettings(**summary["settings"])
        parts = dict(summary["fingerprint_parts"])
        paths = tuple(map(Path, given["paths"]))
        window = Window(**{n: (summary["window"] or {}).get(n) for n in _WINDOW})
    except (OSError, msgspec.DecodeError, LookupError, TypeError, ConfigError):
        raise InputFileError(
            f"{folder} does not say what it was made from: it is of another version", _AGAIN
        ) from None
    if not paths:
        raise InputFileError(
            f"{folder} was made from topics, which are read once",
            "keep them with `goldendog record`, and replay the recording",
        )
    gone = [path for path in paths if not path.exists()]
    if gone:
        raise InputFileError(f"{gone[0]}, which {folder} was made from, is gone", _AGAIN)
    detection = Detection(
        settings,
        model_of(_there(given["model"], model)),
        lexicon_of(_there(given["lexicon"], lexicon)),
        "alerts",
    )
    now = detection.parts
    for name in ("lexicon", "model"):
        if now[name] != parts.get(name):
            raise UserError(
                f"the {name} is not the one that {folder} was made with",
                f"name that one with --{name}" if name == "lexicon" else _AGAIN,
            )
    changed = [name for name in ("code", "unicode") if now[name] != parts.get(name)]
    notes = (f"{folder} was made by another version of the code: its alerts may differ",)
    return Material(paths, detection, window, folder, notes if changed else ())


def _there(given: str | None, other: Any) -> Any:
    """Where something was read from then, if it is still there; else what stands in for it."""
    return Path(given) if given is not None and Path(given).exists() else other


_WINDOW = ("from_ms", "to_ms", "warmup_ms")
