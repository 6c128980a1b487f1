"""What the documents show is true: records decode, links lead somewhere, names exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.decode import decode_record
from schemas.errors import RECORD_ERROR_CODES
from schemas.records import Alert
from streams.cli.main import COMMANDS
from streams.settings_load import load_settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _blocks(path: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )


RECORDS = [
    block
    for page in (ROOT / "docs" / "records.md", ROOT / "README.md")
    for block in _blocks(page, "json")
    if "alert_id" not in block
]


@pytest.mark.parametrize("block", RECORDS)
def test_each_record_shown_decodes(block: str) -> None:
    shown: dict[str, Any] = json.loads(block)
    record = decode_record(json.dumps(shown).encode())
    assert set(shown) - {"type"} <= set(type(record).__struct_fields__)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_each_link_between_pages_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_each_command_named_exists(page: Path) -> None:
    for name in re.findall(r"`goldendog ([a-z]+)", page.read_text("utf-8")):
        assert name in COMMANDS, name


def test_the_settings_file_shown_is_accepted(tmp_path: Path) -> None:
    (block,) = _blocks(ROOT / "docs" / "running.md", "toml")
    path = tmp_path / "goldendog.toml"
    path.write_text(block, "utf-8")
    settings = load_settings(path)
    assert [endpoint.name for endpoint in settings.endpoints()] == ["desk"]
    assert settings.http.port == 8080


def test_every_error_code_is_explained() -> None:
    text = (ROOT / "docs" / "records.md").read_text("utf-8")
    assert [code for code in RECORD_ERROR_CODES if f"`{code}`" not in text] == []


def test_every_field_of_an_alert_is_explained() -> None:
    text = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    known = {"schema_version", "kind", "sequence"}
    missing = [f for f in Alert.__struct_fields__ if f not in known and f"`{f}`" not in text]
    assert missing == []


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "index.md").read_text("utf-8"))
    assert listed == sorted(path.name for path in folder.glob("[0-9]*.md"))


def test_the_alert_in_the_readme_is_one() -> None:
    shown = [block for block in _blocks(ROOT / "README.md", "json") if "alert_id" in block]
    for block in shown:
        msgspec.json.decode(block, type=Alert)
    assert len(shown) == 1
