"""Every command and every piece of Python in the pages on records and replay does run."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from schemas.decode import encode_record
from streams.cli.main import exit_code
from streams.files.schema import RECORD_SCHEMA
from streams.files.write import write_records
from streams.replay.tables import SCORE_SCHEMA, UNIVERSE_SCHEMA
from tests.helpers.wire import random_records

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))


def play(page: str) -> list[str]:
    """Run a page's blocks in order, in the current folder; the commands that ran."""
    ran = []
    for language, text in blocks(page):
        if language == "python":
            exec(compile(text, page, "exec"), {})
            continue
        for line in text.splitlines():
            name, *args = shlex.split(line, comments=True)
            assert name == "goldendog"
            assert exit_code(args) == 0, line
            ran.append(line)
    return ran


def test_the_page_on_replay_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples", "examples")
    records = random_records(1, n=200)
    write_records(records[:100], "recordings/a.parquet")
    write_records(records[100:], "recordings/b.ndjson.zst")
    assert len(play("replay.md")) == 5
    assert Path("with-scores/scores.parquet").is_file()


def test_the_page_on_records_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(play("records.md")) == 1
    assert (tmp_path / "out" / "summary.json").is_file()


def test_every_column_is_explained() -> None:
    page = (ROOT / "docs" / "records.md").read_text("utf-8")
    assert [name for name in RECORD_SCHEMA.names if f"`{name}`" not in page] == []
    page = (ROOT / "docs" / "replay.md").read_text("utf-8")
    names = [*SCORE_SCHEMA.names[:3], *UNIVERSE_SCHEMA.names]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_file_a_replay_writes_is_explained(tmp_path: Path) -> None:
    from streams.replay.api import replay

    (tmp_path / "r.ndjson").write_bytes(
        b"".join(encode_record(r) + b"\n" for r in random_records(1, n=9))
    )
    replay(tmp_path / "r.ndjson", out=tmp_path / "out")
    page = (ROOT / "docs" / "replay.md").read_text("utf-8")
    assert [p.name for p in (tmp_path / "out").iterdir() if f"`{p.name}`" not in page] == []
