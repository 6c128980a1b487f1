"""Every page with ``console`` blocks is played: its commands run, and print what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.pages import ROOT, File, Step, play, steps

PAGES = [
    page
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if any(isinstance(step, Step) for step in steps(page.read_text("utf-8")))
]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_commands_of_a_page_run_and_print_what_it_says(page: Path, tmp_path: Path) -> None:
    assert len(play(page, tmp_path)) >= 1


def test_pages_are_found() -> None:
    names = {page.name for page in PAGES}
    assert names >= {
        "tutorial.md",
        "quants.md",
        "feed.md",
        "webhook.md",
        "prometheus.md",
        "lexicon.md",
    }
    assert names >= {"retrain.md", "compare.md"}


def _page(tmp_path: Path, text: str) -> Path:
    page = tmp_path / "page.md"
    page.write_text(text, "utf-8")
    (tmp_path / "play").mkdir()
    return page


def test_steps_of_a_page() -> None:
    text = (
        "```console\n$ a \\\n>   b\nsays\n\nthat\n$ c\n```\n"
        "```python file=x/y.py\nprint()\n```\n```python\nnot a file\n```\n```console\n$ d\n```\n"
    )
    assert steps(text) == [
        Step("a \\\n  b", "says\n\nthat"),
        Step("c", None),
        File("x/y.py", "print()\n"),
        Step("d", None),
    ]


def test_a_page_that_is_right(tmp_path: Path) -> None:
    text = (
        "```text file=a/b.txt\none\ntwo\n```\n"
        "```console\n$ cat a/b.txt\none\n...\n$ x=8080; sleep 60 &\n$ echo $x | tr 0-9 n\nnnnn...\n```\n"
    )
    assert len(play(_page(tmp_path, text), tmp_path / "play")) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```console\n$ echo a\nb\n```\n", "page.md: echo a\nsays:\nb\nprints:\na"),
        ("```console\n$ true\n$ false\n$ true\n```\n", "exit code 1 at: false"),
        ("```console\n$ goldendog nope\n```\n", "No such command 'nope'"),
        ("```console\n$ exit 0\n$ true\n```\n", "stopped at: exit 0"),
    ],
)
def test_a_page_that_is_wrong_is_found_out(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(AssertionError) as caught:
        play(_page(tmp_path, text), tmp_path / "play")
    assert said in str(caught.value)
