"""A scenario written to a folder is the scenario."""

from __future__ import annotations

import json
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


def test_the_committed_lexicon_is_current() -> None:
    committed = Path(__file__).parents[2] / "examples" / "lexicon.json"
    assert committed.read_text("utf-8") == lexicon_text()
