"""One replay, from paths to a folder of results: read, resolve, push, write."""

from __future__ import annotations

import resource
import shutil
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Final, Literal

import numpy as np

from detectors.engine import Engine
from detectors.hashing import hash64
from detectors.outputs import ScoreRows
from detectors.settings import EngineSettings
from streams.control.decisions import CONTROL_INPUT, Decisions
from streams.control.files import CONTROL_FILES, ControlFiles
from streams.detection import Detection
from streams.replay.engines import Engines, Given, Life
from streams.replay.following import Following
from streams.replay.inputs import Inputs
from streams.replay.output import Output
from streams.replay.window import WHOLE, Window

SCHEMA: Final = 1
SPILL: Final = ".sorted"


@dataclass(frozen=True)
class Progress:
    """Where a replay stands.

    ``stage`` is ``scan`` while files are looked through (``total`` is then unknown), and
    ``replay`` after. ``log_ms`` is the log time reached, 0 before the first record.
    """

    stage: Literal["scan", "replay"]
    records: int
    total: int | None
    log_ms: int
    seconds: float
    alerts: int


OnProgress = Callable[[Progress], None]


@dataclass
class _Counts:
    """What a run counted."""

    records: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    alerts: Counter[str] = field(default_factory=Counter)
    scores: int = 0
    withheld: int = 0
    evicted: int = 0
    live: int = 0
    tokens: array[int] = field(default_factory=lambda: array("Q"))  # a hash for each life
    first_ms: int = 0
    last_ms: int = 0

    def lives(self, lives: Sequence[Life], *, evicted: bool) -> None:
        """Count lives of tokens; a token that fell silent and came back has several."""
        self.tokens.extend(hash64(token) for token, _, _ in lives)
        self.evicted += len(lives) if evicted else 0
        self.live += 0 if evicted else len(lives)

    @property
    def distinct(self) -> int:
        """Tokens, each once, whose lives were counted."""
        return len(np.unique(np.array(self.tokens, np.uint64)))


Open = Callable[[Path, Callable[[int], None]], AbstractContextManager[Inputs]]
"""Looks through what is replayed, given a folder for what has to be sorted, and who is told of records."""

Resume = Callable[[Inputs, Following], Sequence[Engine]]
"""Makes the engines of some inputs that go on from a state, with what control records put in force."""


def run(
    open_inputs: Open,
    detection: Detection,
    folder: Path,
    on_progress: OnProgress | None = None,
    window: Window = WHOLE,
    given: dict[str, Any] | None = None,
    control_files: Path = CONTROL_FILES,
    resume: Resume | None = None,
) -> dict[str, Any]:
    """Replay into a folder that exists and is empty; returns the summary, which is written too.

    ``given`` is what the summary says of where everything came from, ``control_files`` the folder
    of lexicons and models that control records name. ``resume`` gives engines that have a state,
    where the inputs go on behind it; the window then needs no warm-up.
    """
    began = perf_counter()
    counts = _Counts()
    tell = on_progress or (lambda _: None)

    def scanned(records: int) -> None:
        tell(Progress("scan", records, None, 0, perf_counter() - began, 0))

    with open_inputs(folder / SPILL, scanned) as inputs, Output(folder) as output:
        following = Following(Decisions(detection, ControlFiles(control_files)))
        if resume is None:
            engines = Engines([detection.engine(names) for names in inputs.engines])
            window.check_begins(inputs.first_ms, detection.settings.history_ms)
            begin_ms = window.records_from_ms
        else:
            engines, begin_ms = Engines(resume(inputs, following)), 0
        through_ms = window.records_through_ms(detection.settings.lateness_ms)
        replaying = perf_counter()
        for step in inputs.steps(following, begin_ms, through_ms):
            if (changes := following.news()) is not None:
                engines.schedule(changes)
            found = engines.push(step)
            counts.records += sum(step.counts.values())
            counts.outcomes += step.counts
            counts.rejected.update(bad.error.code for bad in step.bad)
            counts.first_ms = counts.first_ms or (step.log_start_ms or 0)
            if step.name != CONTROL_INPUT:  # which is a lead ahead of its records
                counts.last_ms = max(counts.last_ms, step.through_log_ms)
            output.dead_letters(step.bad)
            _write(found, output, counts, window)
            seconds = perf_counter() - replaying
            n_alerts = counts.alerts.total()
            tell(
                Progress(
                    "replay", counts.records, inputs.records, counts.last_ms, seconds, n_alerts
                )
            )
        window.check_reached(counts.last_ms)
        found, live = engines.finish()
        _write(found, output, counts, window)
        output.lives(live, evicted=False)
        counts.lives(live, evicted=False)
        summary = _summary(detection, inputs, engines, counts, began)
        summary["warnings"] = _warnings(inputs, counts, following.decisions.settings)
        summary |= {"window": _window(window, inputs, counts), "given": given}
        summary["control"] = following.as_dicts()
        output.summary(summary)
    shutil.rmtree(folder / SPILL, ignore_errors=True)
    return summary


def _write(given: Given, output: Output, counts: _Counts, window: Window) -> None:
    alerts = [alert for alert in given.alerts if window.tells(alert.ts_bar_end_ms)]
    counts.withheld += len(given.alerts) - len(alerts)
    output.alerts(alerts)
    output.lives(given.evicted, evicted=True)
    counts.alerts.update(alert.kind for alert in alerts)
    counts.lives(given.evicted, evicted=True)
    counts.outcomes["late"] += given.late
    counts.outcomes["duplicates"] += given.duplicates
    if given.scores is not None:
        scores = _told(given.scores, window)
        output.scores(scores)
        counts.scores += len(scores.token)


def _told(rows: ScoreRows, window: Window) -> ScoreRows:
    """The scores of bars that are told of, in their order."""
    if window.from_ms is None:
        return rows
    at = int(np.searchsorted(rows.ts_bar_end_ms, window.from_ms, side="right"))
    return ScoreRows(
        rows.token[at:], rows.ts_bar_end_ms[at:], rows.logit_micro[at:], rows.features[at:]
    )


def _window(window: Window, inputs: Inputs, counts: _Counts) -> dict[str, Any] | None:
    told = window.as_dict()
    if told is None or window.from_ms is None:
        return told
    missing = 0
    if not counts.outcomes["skipped"]:
        missing = max(inputs.first_ms - (window.from_ms - (window.warmup_ms or 0)), 0)
    return told | {"warmup_missing_ms": missing, "alerts_withheld": counts.withheld}


def _summary(
    detection: Detection,
    inputs: Inputs,
    engines: Engines,
    counts: _Counts,
    began: float,
) -> dict[str, Any]:
    seconds = perf_counter() - began
    return {
        "schema": SCHEMA,
        "fingerprint": detection.fingerprint,
        "fingerprint_parts": detection.parts,
        "settings": detection.settings.canonical(),
        "scores_mode": detection.scores,
        "inputs": inputs.about,
        "records": {
            "read": counts.records,
            **{name: counts.outcomes[name] for name in OUTCOMES},
            "rejected_by_code": dict(sorted(counts.rejected.items())),
            "out_of_order": inputs.out_of_order,
        },
        "alerts": {"total": counts.alerts.total(), **dict(sorted(counts.alerts.items()))},
        "scores": counts.scores,
        "tokens": {"distinct": counts.distinct, "live": counts.live, "evicted": counts.evicted},
        "log_from_ms": counts.first_ms or None,
        "log_through_ms": counts.last_ms or None,
        "closed_through_ms": engines.closed_ms or None,
        "held_by": engines.held_by if counts.records else None,
        "seconds": round(seconds, 3),
        "records_per_s": round(counts.records / max(seconds, 1e-9)),
        "peak_memory_bytes": peak_memory_bytes(),
    }


OUTCOMES: Final = (
    "mentions", "mentions_unresolved", "ticks", "token_infos", "progress", "controls", "not_read",
    "rejected",
    "late", "duplicates", "skipped",
)  # fmt: skip


def _warnings(inputs: Inputs, counts: _Counts, settings: Sequence[EngineSettings]) -> list[str]:
    """What to know of a run under one of these settings after the other."""
    files = [each for each in inputs.about if each["kind"] != "log"]
    found = [*inputs.notes]
    found += [f"{each['path']} holds no records" for each in files if not each["records"]]
    if counts.records and not any(counts.outcomes[n] for n in ("mentions", "ticks", "token_infos")):
        found.append("no record named a token; is it the right file, and the right lexicon?")
    elif counts.records and all(s.ticks for s in settings) and not counts.outcomes["ticks"]:
        found.append(
            "the log holds no trades, and an alert needs a price: there can be none; if trades were "
            "not recorded at all, say so: ticks = false under [engine] in goldendog.toml"
        )
    elif counts.records and all(s.mentions for s in settings) and not counts.outcomes["mentions"]:
        found.append(
            "the log holds no post of a token, so no crowd can open an episode; if posts were not "
            "recorded at all, say so: mentions = false under [engine] in goldendog.toml"
        )
    return found


def peak_memory_bytes() -> int:
    """The most memory this process has held at once, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
