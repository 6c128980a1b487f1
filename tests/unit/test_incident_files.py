"""Files that are no incident, or a damaged one, are told as such."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from detectors.model import blank_model
from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from schemas.errors import InputFileError, UserError
from schemas.records import Control
from schemas.topics import CHECKPOINTS, TICKS
from streams.cli.main import exit_code
from streams.control.decisions import Decisions
from streams.control.files import ControlFiles
from streams.detection import Detection
from streams.incident.capture import _last_ms
from streams.incident.files import (
    ALERTS_FILE,
    MANIFEST,
    Incident,
    Stand,
    detection_of,
    pack,
    read_incident,
    state_in,
    unpacked,
)
from streams.incident.replay import _window
from streams.incident.slice import INPUTS, resumed_of, slice_of
from streams.log.base import Item
from tests.helpers.logs import T0
from tests.helpers.memory_log import MemoryLog

STAND = Stand(1, "7-ab", T0, "f", {"a/0": 5, "t/1": 9}, {"a/0": T0 - 5, "t/1": -1})


def incident(**changes: Any) -> Incident:
    plain = Incident(
        format=1, captured_ms=T0, versions={"goldendog": "0.1.0", "python": "3.11", "system": "x"},
        begins="checkpoint", from_ms=T0, to_ms=None, fingerprint="f",
        fingerprint_parts={"code": "c"}, settings={}, stands=[STAND], alerted_ms=[T0], alerts=0,
        records={"dex.ticks.v1": 3}, undecodable={"dex.ticks.v1": 1}, log_from_ms=T0,
        log_through_ms=T0 + 5,
        changes=[{"setting": "lexicon", "value": "sha256:0", "from_ms": T0, "record": "r"}],
        behind={"group": "g", "state": "Stable", "members": ["m"],
                "inputs": [{"topic": "t", "partition": 1, "seconds": 2.5}]},
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def packed(tmp_path: Path, what: Incident) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / MANIFEST).write_bytes(msgspec.json.encode(what))
    (folder / ALERTS_FILE).write_bytes(b"{}\n" * 500)
    pack(folder, tmp_path / "i.zip")
    return tmp_path / "i.zip"


def test_a_file_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = packed(tmp_path, incident())
    assert read_incident(path) == incident()
    assert exit_code(["incident", "show", str(path)]) == 0
    told = capsys.readouterr().out
    assert "begins with the workers' checkpoints from before it" in told
    assert "lexicon = sha256:0 from 2025-01-14T00:00:00Z (control record r)" in told
    assert "then: group g stable, 1 workers, at most 2.5 s behind (t/1)" in told
    with unpacked(path) as (found, folder):
        assert found == incident() and (folder / ALERTS_FILE).stat().st_size == 1_500
    assert not folder.exists()


def test_what_is_no_incident_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("a", "b")
    for name, why in (
        ("missing", "no such file"),
        ("text", "is no incident"),
        ("other.zip", "is no incident"),
    ):
        with pytest.raises(InputFileError, match=why):
            read_incident(tmp_path / name)
    path = packed(tmp_path, incident(format=2))
    with pytest.raises(InputFileError, match="incident of format 2, this version reads 1"):
        read_incident(path)


def test_a_damaged_one_is_refused_before_it_is_replayed(tmp_path: Path) -> None:
    path = packed(tmp_path, incident())
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        at = file.getinfo(ALERTS_FILE).header_offset + 30 + len(ALERTS_FILE) + 2
    raw[at] ^= 0xFF
    path.write_bytes(bytes(raw))
    with pytest.raises(InputFileError, match=r"damaged|cannot be unpacked"), unpacked(path):
        pass
    (tmp_path / "0.zst").write_bytes(b"torn")
    with pytest.raises(InputFileError, match=r"state 0.zst cannot be unpacked"):
        state_in(tmp_path / "0.zst")


def test_settings_of_another_version_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="other settings of the engine"):
        detection_of(incident(settings={"no_such": 1}), tmp_path)


def test_the_reader_that_stands_first_says_where_reading_begins() -> None:
    other = Stand(0, "8-cd", T0, "f", {"a/0": 3, "t/0": 4}, {"a/0": T0 - 9, "t/0": T0})
    assert resumed_of([STAND, other]) == {
        "a/0": ((5, 3), T0 - 9), "t/1": ((9,), -1), "t/0": ((4,), T0),
    }  # fmt: skip


@pytest.mark.parametrize("marks", [0, 1, 40])
async def test_the_last_time_of_a_log_is_found_before_marks_of_transactions(marks: int) -> None:
    log = MemoryLog(dict.fromkeys(INPUTS, 1))
    for n, topic in enumerate(INPUTS):
        await log.append(topic, 0, [Item(None, b"", T0 + 10 * n + i) for i in range(3)])
        log.pass_over(topic, 0, marks)
    assert await _last_ms(log) == T0 + 22


class Dated(MemoryLog):
    """A log that finds the first record from a log time on."""

    async def offset_at(self, topic: str, partition: int, ms: int) -> int:
        found = self.records[topic, partition]
        return min((r.offset for r in found if r.timestamp >= ms), default=len(found))


@pytest.mark.parametrize(("ticks", "hours"), [(True, 25), (False, 170)])
async def test_a_slice_without_a_checkpoint_begins_as_long_before_as_any_baseline_reaches(
    ticks: bool, hours: int, tmp_path: Path
) -> None:
    """A control record may have told that there are no trades; what the run began with does not."""
    hour_ms = 3_600_000
    log = Dated(dict.fromkeys((*INPUTS, CHECKPOINTS), 1))
    await log.append(TICKS, 0, [Item(None, b"", T0 + k * hour_ms) for k in range(200)])
    lexicon = Lexicon.parse('{"versions":[{"version":1,"effective_log_ms":0,"tokens":[]}]}')
    base = Detection(EngineSettings(), blank_model(), lexicon)
    decisions = Decisions(base, ControlFiles(tmp_path))
    value = "true" if ticks else "false"
    decisions.hear(Control("c", T0, T0 + hour_ms, "engine.ticks", value), T0)
    found = await slice_of(log, decisions, T0 + 180 * hour_ms, None)  # type: ignore[arg-type]
    assert (found.begins, found.firsts[TICKS, 0]) == ("warmup", 180 - hours)
    told = incident(begins="warmup", stands=[], history_ms=decisions.history_ms)
    assert _window(told).warmup_ms == hours * hour_ms
