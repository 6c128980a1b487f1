"""``goldendog export nautilus``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import JsonOption

export_app = typer.Typer(
    help="A replay's output in the formats of other tools.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@export_app.callback()
def _export() -> None:
    """A replay's output in the formats of other tools."""


@export_app.command()
def nautilus(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What a replay wrote.")],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="PATH", help="Catalog to write to; made if missing."),
    ],
    *,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the alerts that the catalog holds.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a replay's alerts as custom data into a catalog of NautilusTrader.

    ts_event is the end of the bar that decided, ts_init when the alert could be known. The class to
    read them with is written beside the data, as golden_dog_alert.py.
    """
    from streams.export.nautilus import MODULE, read_alerts, write_catalog

    alerts = read_alerts(folder)
    path = write_catalog(alerts, out, overwrite=overwrite)
    if as_json:
        report = {
            "alerts": len(alerts),
            "file": None if path is None else str(path),
            "module": str(out / MODULE),
        }
        print(json.dumps(report))
    elif path is None:
        print(f"{folder} holds no alerts: nothing but {out / MODULE} was written")
    else:
        print(f"{len(alerts)} alerts in {path}\nread them with the class of {out / MODULE}")
