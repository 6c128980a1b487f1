"""Which log a command looks at: a broker's, or the data folder of an embedded run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.settings import Settings

BootstrapOption = Annotated[
    str | None,
    typer.Option("--bootstrap", metavar="HOST:PORT", help="Brokers; setting kafka.bootstrap."),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", metavar="DIR", help="Look at the data folder of an embedded run instead."
    ),
]


def log_of(
    config: Path | None,
    bootstrap: str | None,
    data_dir: Path | None,
    lexicon: Path | None = None,
) -> tuple[Settings, Path | Connection]:
    """Settings in force, and where the log is. Raises UserError where both are named."""
    from schemas.errors import UserError
    from streams.settings_load import load_settings

    if bootstrap is not None and data_dir is not None:
        raise UserError("both --bootstrap and --data-dir", "name one of them")
    settings = load_settings(config, {"kafka.bootstrap": bootstrap, "lexicon": lexicon})
    return settings, settings.kafka.connection() if data_dir is None else data_dir
