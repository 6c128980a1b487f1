"""What decides alerts at each log time: what a run began with, and the control records since.

The same records give the same decisions, in whatever process they are read.
"""

from __future__ import annotations

import json
from bisect import insort
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Final

from detectors.schedule import Change
from detectors.settings import BAR_MS, EngineSettings
from schemas.errors import ConfigError, RecordError
from schemas.records import Control
from schemas.topics import CONTROL
from streams.control.files import ControlFiles
from streams.detection import Detection
from streams.settings import did_you_mean

CONTROL_INPUT: Final = f"{CONTROL}/0"
"""The control topic as an input of engines."""
LEAD_MS: Final = 60_000
"""A change is in force at the earliest so long after its own log time: nobody has closed a bar that
far ahead of the control topic, so all apply it at the same bar."""
FIXED: Final = ("lateness_ms", "backfill_limit_ms")
"""They decide which bar a record is of; to change them, start new topics."""

Apply = Callable[[Detection, int], Detection]


@dataclass(frozen=True, order=True)
class Step:
    """One change: from which log time, and its place among the records heard."""

    from_ms: int
    number: int
    record: str
    setting: str
    value: str


class Decisions:
    """What is in force, and from when.

    Parameters
    ----------
    base : what the run was started with.
    files : where lexicons and models are that records name.

    Examples
    --------
    >>> from pathlib import Path
    >>> from detectors.model import blank_model
    >>> from detectors.resolve.lexicon import Lexicon
    >>> lexicon = Lexicon.parse('{"versions":[{"version":1,"effective_log_ms":0,"tokens":[]}]}')
    >>> base = Detection(EngineSettings(), blank_model(), lexicon)
    >>> decisions = Decisions(base, ControlFiles(Path("control")))
    >>> decisions.hear(Control("c1", 1_000_000, 2_000_000, "engine.candidate_bars", "3"), 1_000_000)
    >>> (
    ...     decisions.at(1_995_000).settings.candidate_bars,
    ...     decisions.at(2_000_000).settings.candidate_bars,
    ... )
    (2, 3)
    """

    def __init__(self, base: Detection, files: ControlFiles) -> None:
        self.base = base
        self.version = 0
        """Rises with every change that was heard."""
        self._files = files
        self._steps: list[Step] = []
        self._apply: dict[int, Apply] = {}
        self._heard: set[str] = set()
        self._dated: list[tuple[int, Detection]] = []
        self._changes: list[Change] | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """The changes, in the order in which they come into force."""
        return tuple(self._steps)

    @property
    def latest(self) -> Detection:
        """What is in force after the last change; its lexicon holds all earlier ones' versions."""
        return self._dated[-1][1] if self._dated else self.base

    def hear(self, control: Control, ts_log_ms: int) -> None:
        """Take a control record with its clamped log time; one heard before changes nothing.

        Raises RecordError where it cannot be used, or not beside those heard before, and UserError
        where a file it names is not here; it then changes nothing.
        """
        if control.id in self._heard:
            return
        number = len(self._heard)
        apply = self._apply | {number: self._reading(control)}
        from_ms = max(control.effective_log_ms, ts_log_ms + LEAD_MS)
        steps = self._steps.copy()
        insort(steps, Step(from_ms, number, control.id, control.setting, control.value))
        dated, detection = [], self.base
        for each in steps:
            try:
                detection = apply[each.number](detection, each.from_ms)
            except ConfigError as error:
                raise RecordError(
                    "wrong_shape", error.problem, field="value", remedy=error.remedy
                ) from None
            dated.append((_first_bar(each.from_ms), detection))
        self._heard.add(control.id)
        self._apply, self._steps, self._dated = apply, steps, dated
        self._changes = None
        self.version += 1

    @property
    def settings(self) -> list[EngineSettings]:
        """What is in force from the start, and after each change."""
        return [each.settings for each in (self.base, *(later for _, later in self._dated))]

    @property
    def history_ms(self) -> int:
        """How far back the log shows in what is decided by any of them."""
        return max(each.history_ms for each in self.settings)

    def changes(self) -> list[Change]:
        """All changes as engines take them, those in force included; made once, asked for often."""
        if self._changes is None:
            self._changes = [
                Change(
                    bar,
                    detection.settings,
                    detection.model,
                    detection.fingerprint,
                    detection.lexicon.symbols(),
                )
                for bar, detection in self._dated
            ]
        return self._changes

    def at(self, closed_ms: int) -> Detection:
        """What is in force where bars are closed up to ``closed_ms``: for the next bar."""
        found = self.base
        for bar, detection in self._dated:
            if bar * BAR_MS <= closed_ms:
                found = detection
        return found

    def _reading(self, control: Control) -> Apply:
        if control.setting == "lexicon":
            lexicon = self._files.lexicon(control.value)
            return lambda d, ms: replace(d, lexicon=d.lexicon.followed_by(lexicon, ms))
        if control.setting == "model":
            model = self._files.model(control.value)
            return lambda d, _: replace(d, model=model)
        name, value = engine_value(control.setting, control.value)
        return lambda d, _: replace(d, settings=replace(d.settings, **{name: value}))


def engine_value(setting: str, text: str) -> tuple[str, Any]:
    """Name and value of a setting that a control record may change.

    Raises RecordError that says what to write instead.

    >>> engine_value("engine.fading_drawdown", "0.2")
    ('fading_drawdown', 0.2)
    """
    known = {f"engine.{f.name}": f for f in fields(EngineSettings) if f.name not in FIXED}
    if setting not in known:
        fixed = setting.removeprefix("engine.") in FIXED
        raise RecordError(
            "wrong_shape",
            f"{setting} cannot change while a log runs" if fixed else f"no setting {setting!r}",
            field="setting",
            remedy="start new topics"
            if fixed
            else did_you_mean(setting, [*known, "lexicon", "model"]),
        )
    default = known[setting].default
    kind = (
        "true or false"
        if isinstance(default, bool)
        else ("a whole number" if isinstance(default, int) else "a number")
    )
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    fits = isinstance(value, bool) == isinstance(default, bool) and (
        isinstance(value, int) or (isinstance(value, float) and isinstance(default, float))
    )
    if not fits:
        raise RecordError(
            "wrong_shape", f"{setting} is {text[:80]!r}", field="value", remedy=f"write {kind}"
        )
    try:
        value = float(text) if isinstance(default, float) else value
        EngineSettings(**{known[setting].name: value})
    except ConfigError as error:
        raise RecordError("bad_number", error.problem, field="value", remedy=error.remedy) from None
    return known[setting].name, value


def _first_bar(ms: int) -> int:
    """The first bar that begins at a time or after it."""
    return -(-ms // BAR_MS)
