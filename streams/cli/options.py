"""Options that several commands share, so that they are spelled and explained alike."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Settings file (TOML); else $GOLDENDOG_CONFIG, else goldendog.toml where it is.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]
LexiconOption = Annotated[
    Path | None, typer.Option("--lexicon", metavar="FILE", help="Words for tokens, JSON.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder to write to; made if missing.")
]
