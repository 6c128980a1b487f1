"""What the documents show is true: records decode, links lead somewhere, names exist."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.core import TyperGroup
from typer.main import get_command

from schemas.decode import decode_record
from schemas.errors import RECORD_ERROR_CODES
from schemas.records import Alert
from streams.cli.main import COMMANDS, app
from streams.settings_load import load_settings
from tests.helpers import reference, reference_tables
from tests.helpers.golden import GOLDEN

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


def parse_command(args: Sequence[str]) -> dict[str, Any]:
    """The parameters that the command line makes of its arguments; raises where it refuses them."""
    command: Any = get_command(app)
    name, rest, context = "goldendog", list(args), None
    while True:
        context = command.make_context(name, rest, parent=context)
        if not isinstance(command, TyperGroup):
            return dict(context.params)
        name, command, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )


def _command_lines(page: Path) -> list[str]:
    """Every line of code on a page that calls goldendog, wherever it stands."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    code = re.findall(r"^(?:    |\$ )[^\n]*", text, re.MULTILINE)
    code += [line for block in _blocks(page, "sh") for line in block.splitlines()]
    return [
        found
        for line in code
        for found in re.findall(r"(?:^|[\s|])(goldendog [a-z][^\n|><&#]*)", line.removeprefix("$"))
    ]


COMMAND_LINES = [
    (page, line)
    for page in PAGES
    if page.parent.name != "reference" and page.name != "CHANGELOG.md"
    for line in _command_lines(page)
]


@pytest.mark.parametrize(
    ("page", "line"), COMMAND_LINES, ids=lambda x: x.name if isinstance(x, Path) else x
)
def test_each_command_shown_is_one_that_the_command_line_takes(page: Path, line: str) -> None:
    words = shlex.split(line.rstrip(".;,"))[1:]
    parse_command(words)


def test_commands_are_found_and_wrong_ones_refused() -> None:
    assert len(COMMAND_LINES) > 30
    assert {page.name for page, _ in COMMAND_LINES} >= {"README.md", "running.md", "tutorial.md"}
    for wrong in (
        ["replay", "x"],
        ["replay", "x", "--out"],
        ["run", "--embeded"],
        ["topics", "no"],
    ):
        with pytest.raises(Exception, match=r"Missing|requires|No such"):
            parse_command(wrong)


def test_the_reference_is_what_code_says() -> None:
    made = reference.pages()
    assert set(reference.FOLDER.glob("*.md")) == set(made) - {reference.README}
    for page, text in made.items():
        assert page.read_text("utf-8") == text, f"{page.name}: run `make docs`"


def test_the_reference_leaves_nothing_out() -> None:
    for page in reference.pages():
        assert "undocumented" not in page.read_text("utf-8")
    cli = (reference.FOLDER / "cli.md").read_text("utf-8")
    assert [name for name in COMMANDS if f"## goldendog {name}\n" not in cli] == []
    told = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    listed = re.findall(r"^\| `(goldendog_\w+)`", reference_tables.metrics(), re.MULTILINE)
    assert [name for name in listed if f"`{name}`" not in told] == []
    assert len(listed) > 20


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


def test_the_alert_in_the_readme_is_one_of_the_golden_ones() -> None:
    (block,) = [block for block in _blocks(ROOT / "README.md", "json") if "alert_id" in block]
    shown = msgspec.json.decode(block, type=Alert)
    alerts = [msgspec.json.decode(line, type=Alert) for line in GOLDEN.read_bytes().splitlines()]
    (golden,) = [alert for alert in alerts if alert.alert_id == shown.alert_id]
    for field in Alert.__struct_fields__:
        if field not in ("reasons", "fingerprint"):
            assert getattr(shown, field) == getattr(golden, field), field
    assert shown.reasons == golden.reasons[:2]
