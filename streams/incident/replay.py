"""Replaying an incident, and holding what it gives against what the workers wrote."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from detectors.engine import Engine
from schemas.errors import StateError, UserError
from schemas.records import Alert
from streams.control.decisions import CONTROL_INPUT
from streams.incident import files
from streams.incident.files import Incident, detection_of, state_in
from streams.incident.slice import resumed_of
from streams.recording.read import RecordingReader
from streams.replay.diff import ALERTS, Difference, first_alert
from streams.replay.following import Following
from streams.replay.inputs import Inputs, opened
from streams.replay.log_inputs import LogInputs, Resumed
from streams.replay.run import OnProgress, Open, Resume, run
from streams.replay.window import Window
from streams.sources.places import token_partition
from streams.worker.alerts import decode_alert

_EXPECTED: Final = "expected.ndjson"
_GIVEN: Final = "given.ndjson"


@dataclass(frozen=True)
class Verdict:
    """What a replay of an incident gave beside what the workers wrote.

    Parameters
    ----------
    same : whether all that can be compared is equal, byte for byte; where ``parts`` differ, but for
        the fingerprints.
    alerts : compared.
    not_written : the replay's of bars that workers may not have come to when it was captured.
    later : the workers' of bars that the slice does not close.
    parts : parts of the fingerprint that are others here, with both values.
    difference : the first, if any.
    """

    same: bool
    alerts: int
    not_written: int
    later: int
    parts: dict[str, tuple[str, str]]
    difference: Difference | None


def replay_incident(
    incident: Incident, unpacked: Path, out: Path, on_progress: OnProgress | None = None
) -> tuple[Verdict, dict[str, Any]]:
    """Replay an unpacked incident into a folder that exists and is empty; the verdict and the summary.

    Raises UserError where this version cannot take over the states.
    """
    detection = detection_of(incident, unpacked)
    now = detection.parts
    parts = {
        name: (then, now.get(name, ""))
        for name, then in incident.fingerprint_parts.items()
        if now.get(name) != then
    }
    recording = unpacked / files.RECORDING
    summary = run(
        _inputs(incident, recording),
        detection,
        out,
        on_progress,
        _window(incident),
        {"paths": [], "incident": incident.captured_ms, "lexicon": None, "model": None},
        unpacked / files.CONTROL_FILES,
        _resume(incident, unpacked / files.STATES) if incident.stands else None,
    )
    verdict = _compare(incident, unpacked / files.ALERTS_FILE, out, summary, parts)
    return verdict, summary


def _window(incident: Incident) -> Window:
    warmups = {"checkpoint": None, "log": incident.from_ms, "warmup": incident.history_ms}
    return Window(incident.from_ms, incident.to_ms, warmups[incident.begins])


def _inputs(incident: Incident, recording: Path) -> Open:
    if not incident.stands:
        return lambda spill, tell: opened([recording], spill, tell)
    resumed = {name: Resumed(*stand) for name, stand in resumed_of(incident.stands).items()}
    return lambda _spill, _tell: nullcontext(
        LogInputs("incident", RecordingReader(recording), resumed=resumed)
    )


def _resume(incident: Incident, states: Path) -> Resume:
    def engines(inputs: Inputs, following: Following) -> Sequence[Engine]:
        assert isinstance(inputs, LogInputs)
        following.hear(list(inputs.controls()))
        made = []
        for stand, names in zip(incident.stands, inputs.engines, strict=True):
            engine = following.decisions.at(stand.closed_ms).engine([*names, CONTROL_INPUT])
            state = state_in(states / f"{stand.partition}.zst")
            try:
                engine.restore(state, fingerprint=stand.fingerprint)
            except StateError as error:
                raise UserError(
                    f"this version cannot take over the states: {error}",
                    "use the version that captured it (`goldendog incident show` names it)",
                ) from None
            made.append(engine)
        return made

    return engines


def _compare(
    incident: Incident,
    written: Path,
    out: Path,
    summary: dict[str, Any],
    parts: dict[str, tuple[str, str]],
) -> Verdict:
    closed_ms = summary["closed_through_ms"] or 0
    expected = written.read_bytes().splitlines()
    given = (out / ALERTS).read_bytes().splitlines()
    theirs_by, ours_by = (
        {decode_alert(raw).alert_id for raw in all_} for all_ in (expected, given)
    )
    # Some detector partitions may have come further than others, here and there.
    known = [raw for raw in expected if _was_closed(decode_alert(raw), closed_ms, ours_by)]
    ours = [raw for raw in given if _was_written(decode_alert(raw), incident, theirs_by)]
    for name, lines in ((_EXPECTED, known), (_GIVEN, ours)):
        (out / name).write_bytes(b"".join(line + b"\n" for line in lines))
    difference = first_alert(out / _EXPECTED, out / _GIVEN)
    for name in (_EXPECTED, _GIVEN):
        (out / name).unlink()
    same = known == ours or (bool(parts) and difference is None)
    return Verdict(
        same, len(known), len(given) - len(ours), len(expected) - len(known), parts, difference
    )


def _was_closed(alert: Alert, closed_ms: int, ids: set[str]) -> bool:
    """Whether an alert of the workers must be among those given here."""
    return alert.alert_id in ids or alert.ts_bar_end_ms <= closed_ms


def _was_written(alert: Alert, incident: Incident, ids: set[str]) -> bool:
    """Whether an alert given here must be among those of the workers."""
    p = token_partition(alert.token, len(incident.alerted_ms))
    return alert.alert_id in ids or alert.ts_bar_end_ms <= incident.alerted_ms[p]
