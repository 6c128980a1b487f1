"""Symbols that move the cursor, hide or reverse letters do nothing where people read them."""

from __future__ import annotations

import io
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.cli.main import exit_code
from streams.run.report import Reporter, alert_line
from streams.safe_text import shown
from streams.words import sentence
from tests.helpers.door import alert

HOSTILE = "\x1b]0;pwned\x07\u202eOMOM\u200d\u2066\n\x9b2J"
SAFE = r"\x1b]0;pwned\x07\u202eOMOM\u200d\u2066\n\x9b2J"


@given(st.text())
def test_what_is_shown_shows_and_can_be_told_apart(text: str) -> None:
    safe = shown(text)
    assert safe.isprintable()
    assert {unicodedata.category(char) for char in safe}.isdisjoint({"Cc", "Cf", "Zl", "Zp", "Cs"})
    assert shown(safe) == safe
    assert (safe == text) == text.isprintable()


def test_a_symbol_is_safe_in_a_run_and_in_a_webhook() -> None:
    told = replace(alert("gd_1", 1_736_812_800_000), symbol=HOSTILE)
    for line in (alert_line(told), sentence(told)):
        assert SAFE in line
        assert line.isprintable()


def test_what_a_run_and_a_command_say_is_safe(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", heard)
        Reporter(as_json=False).say(f"line 3: unknown_type: Invalid value '{HOSTILE}'")
    assert heard.getvalue() == f"goldendog: line 3: unknown_type: Invalid value '{SAFE}'\n"
    assert exit_code(["replay", f"no\u202e\x1b[2J{'x' * 5}.ndjson", "--out", "o"]) == 2
    said = capsys.readouterr().err
    assert said.rstrip("\n").isprintable() and r"no\u202e\x1b[2Jxxxxx.ndjson" in said
