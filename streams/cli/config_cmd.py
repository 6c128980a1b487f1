"""``goldendog config show``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import ConfigOption, JsonOption

config_app = typer.Typer(
    help="Settings in force.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


@config_app.callback()
def _config() -> None:
    """Settings in force."""


@config_app.command()
def show(
    *,
    bootstrap: Annotated[
        str | None, typer.Option("--bootstrap", metavar="HOST:PORT", help="As `run` takes it.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="As `run` takes it.")
    ] = None,
    lexicon: Annotated[
        Path | None, typer.Option("--lexicon", metavar="FILE", help="As `run` takes it.")
    ] = None,
    http_port: Annotated[
        int | None, typer.Option("--http-port", metavar="N", help="As `run` takes it.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print every setting, its value and where it came from: file and line, variable, flag.

    Secrets are shown as ***.
    """
    from streams.settings_load import config_path, load_with_origins
    from streams.settings_shown import shown_rows

    flags = {
        "kafka.bootstrap": bootstrap,
        "data_dir": data_dir,
        "lexicon": lexicon,
        "http.port": http_port,
    }
    rows = shown_rows(*load_with_origins(config, flags))
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    width = max(map(len, rows))
    for name, row in rows.items():
        value = json.dumps(row["value"], ensure_ascii=False)
        print(f"{name:<{width}}  {value}  ({row['origin']})")
    print(f"settings file: {config_path(config) or 'none'}")
