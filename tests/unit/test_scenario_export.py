"""A scenario written to a folder is the scenario."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from schemas.decode import decode_record
from schemas.errors import UserError
from streams.scenario.coins import lexicon_text
from streams.scenario.export import ABOUT, LEXICON, RECORDS, export
from streams.scenario.rednote import rednote
from streams.scenario.variation import Variation

SMALL = Variation(seed=3, shape="late", volume_divisor=60)


def test_the_files_hold_the_records_and_say_what_they_are(tmp_path: Path) -> None:
    told: list[int] = []
    written = export(SMALL, tmp_path / "new", told.append)
    lines = (tmp_path / "new" / RECORDS).read_bytes().splitlines()
    assert [decode_record(line) for line in lines] == list(rednote(SMALL))
    assert told[-1] == written == len(lines)
    about = json.loads((tmp_path / "new" / ABOUT).read_text("utf-8"))
    assert about["variation"]["shape"] == "late"
    assert (tmp_path / "new" / LEXICON).read_text("utf-8") == lexicon_text()
    assert not list((tmp_path / "new").glob(".*"))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written.*--write"):
        export(SMALL, tmp_path / "file" / "below")


def stopped(error: BaseException) -> Callable[[int], None]:
    def stop(_written: int) -> None:
        raise error

    return stop


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_export_that_ends_early_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises((KeyboardInterrupt, UserError)):
        export(SMALL, tmp_path / "new", stopped(error))
    assert not list(tmp_path.iterdir())


def test_an_export_that_ends_early_leaves_an_earlier_one_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(SMALL, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = replace(SMALL, seed=4)
    with pytest.raises(UserError, match="No space left"):
        export(other, tmp_path, stopped(OSError(28, "No space left on device")))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def full() -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("streams.scenario.export.lexicon_text", full)
    with pytest.raises(UserError, match="No space left"):
        export(other, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_the_committed_lexicon_is_current() -> None:
    committed = Path(__file__).parents[2] / "examples" / "lexicon.json"
    assert committed.read_text("utf-8") == lexicon_text()
