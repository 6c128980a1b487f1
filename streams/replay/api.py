"""``replay``: recorded files in, Arrow tables out, by the detectors that run live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from detectors.engine import ScoreMode
from detectors.model import Model
from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from schemas.errors import LexiconError, UserError
from streams.control.files import CONTROL_FILES
from streams.detection import Detection
from streams.kafka.connection import Connection
from streams.model_store import load_default_model, load_model
from streams.replay.inputs import opened
from streams.replay.log_inputs import Span
from streams.replay.output import refuse_taken, whole_folder
from streams.replay.run import OnProgress, Open, Progress, run
from streams.replay.window import WHOLE, Window
from streams.sources.places import Place

NO_LEXICON: Final = '{"versions":[{"version":1,"effective_log_ms":0,"tokens":[]}]}'
"""Contract addresses alone are resolved: what an embedded run without a lexicon does."""


@dataclass(frozen=True)
class ReplayResult:
    """What a replay gave.

    Parameters
    ----------
    summary : the content of ``summary.json``.
    folder : where the files are, if ``out`` was given; tables are then read when asked for.

    Examples
    --------
    >>> result = ReplayResult({"alerts": {"total": 0}}, tables={"alerts": pa.table({"token": []})})
    >>> result.alerts.num_rows, result.summary["alerts"]["total"]
    (0, 0)
    """

    summary: dict[str, Any]
    folder: Path | None = None
    tables: dict[str, pa.Table] = field(default_factory=dict, repr=False)

    @property
    def alerts(self) -> pa.Table:
        """Alerts in order of (bar, token, sequence), one a row, flat."""
        return self._table("alerts")

    @property
    def scores(self) -> pa.Table:
        """Scores in order of (bar, token), one column a feature; empty for ``scores="alerts"``."""
        return self._table("scores")

    @property
    def universe(self) -> pa.Table:
        """Every token that was tracked: first and last seen, and whether it was evicted."""
        return self._table("universe")

    def _table(self, name: str) -> pa.Table:
        if self.folder is None:
            return self.tables[name]
        return pq.read_table(self.folder / f"{name}.parquet")


def replay(
    paths: Path | str | Sequence[Path | str] | Connection,
    *,
    lexicon: Lexicon | Path | str | None = None,
    scores: ScoreMode = "alerts",
    settings: EngineSettings | None = None,
    model: Model | Path | None = None,
    out: Path | str | None = None,
    overwrite: bool = False,
    window: Window = WHOLE,
    control_files: Path = CONTROL_FILES,
    spans: Mapping[Place, Span] | None = None,
    progress: OnProgress | None = None,
) -> ReplayResult:
    """Run recorded records through the detectors.

    Parameters
    ----------
    paths : files of records, folders of them, the data folder of an embedded run, a recording, or
        the brokers whose topics are to be read.
    lexicon : words for tokens, or its file; without one, contract addresses alone are resolved.
    scores : which score rows to keep: none (``alerts``), those past the gate (``gated``), or those
        of every bar in which a token was looked at (``all``).
    settings : of the engine; the defaults where left out.
    model : or the folder it is in; the shipped one where left out.
    out : folder for the files; without one, tables stay in memory.
    overwrite : replace the output of an earlier replay.
    window : the part of the log to tell of, and its warm-up; the whole where left out.
    control_files : folder of lexicons and models that control records name.
    spans : offsets to read of some partitions of the brokers' topics.
    progress : called after each batch of records.

    Returns
    -------
    Arrow tables of alerts, scores and universe, and the summary.

    Raises
    ------
    UserError
        A path, lexicon, model or output folder that cannot be used; nothing is then written.

    Examples
    --------
    >>> import tempfile
    >>> from schemas.records import Heartbeat
    >>> from streams.files.write import write_records
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     n = write_records([Heartbeat("h", 1_736_812_800_000)], f"{folder}/a.parquet")
    ...     result = replay(folder)
    >>> result.alerts.num_rows, result.summary["records"]["progress"]
    (0, 1)
    """
    if scores not in get_args(ScoreMode):
        raise UserError(f"scores is {scores!r}", "write alerts, gated or all")
    if out is not None:
        refuse_taken(Path(out), overwrite=overwrite)
    detection = Detection(
        settings or EngineSettings(), model_of(model), lexicon_of(lexicon), scores
    )
    open_inputs, given = _origin(paths, spans)
    given |= {"lexicon": _place(lexicon), "model": _place(model)}
    if out is not None:
        with whole_folder(Path(out), overwrite=overwrite) as folder:
            summary = run(open_inputs, detection, folder, progress, window, given, control_files)
        return ReplayResult(summary, Path(out))
    with TemporaryDirectory(prefix="goldendog-replay-") as temporary:
        folder = Path(temporary)
        summary = run(open_inputs, detection, folder, progress, window, given, control_files)
        names = ("alerts", "scores", "universe")
        tables = {
            name: pq.read_table(folder / f"{name}.parquet", memory_map=False) for name in names
        }
    return ReplayResult(summary, tables=tables)


def _origin(
    paths: Path | str | Sequence[Path | str] | Connection, spans: Mapping[Place, Span] | None
) -> tuple[Open, dict[str, Any]]:
    """What opens the inputs, and what the summary says of where they are."""
    if isinstance(paths, Connection):
        from streams.replay.topics import open_topics

        where = paths
        return lambda _spill, _tell: open_topics(where, spans), {
            "paths": [],
            "kafka": where.bootstrap,
        }
    found = [paths] if isinstance(paths, Path | str) else list(paths)
    named = [str(Path(path).absolute()) for path in found]
    return lambda spill, tell: opened(found, spill, tell), {"paths": named}


def _place(given: object) -> str | None:
    """Where something was read from, for the summary; None where it came from memory."""
    return str(Path(given).absolute()) if isinstance(given, str | Path) else None


def model_of(model: Model | Path | None) -> Model:
    """A model, or the one in a folder, or the one shipped. Raises ModelError."""
    if model is None:
        return load_default_model()
    return load_model(model) if isinstance(model, Path) else model


def lexicon_of(lexicon: Lexicon | Path | str | None) -> Lexicon:
    """A lexicon, or the one in a file, or none but addresses. Raises LexiconError."""
    if isinstance(lexicon, Lexicon):
        return lexicon
    if lexicon is None:
        return Lexicon.parse(NO_LEXICON)
    try:
        return Lexicon.parse(Path(lexicon).read_bytes())
    except OSError as error:
        raise LexiconError(
            f"lexicon {lexicon} cannot be read: {error.strerror}", "check the path"
        ) from None


__all__ = ["Progress", "ReplayResult", "lexicon_of", "model_of", "replay"]
