"""``goldendog config show``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import typer

from streams.cli.options import ConfigOption, JsonOption

config_app = typer.Typer(
    help="Settings in force.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


@config_app.callback()
def _config() -> None:
    """Settings in force."""


@config_app.command()
def show(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print every setting, its value and where it came from. Secrets are shown as ***."""
    from streams.settings_load import load_with_origins

    settings, origins = load_with_origins(config)
    settings.endpoints()
    rows = {
        name: {"value": value, "origin": origins.get(name, "default")}
        for name, value in _flat(_without_secrets(settings.model_dump(mode="json")))
    }
    if as_json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    width = max(map(len, rows))
    for name, row in rows.items():
        value = json.dumps(row["value"], ensure_ascii=False)
        print(f"{name:<{width}}  {value}  ({row['origin']})")


def _without_secrets(dump: dict[str, Any]) -> dict[str, Any]:
    endpoints = [
        {
            key: "***" if key in ("secret", "secrets", "url") else value
            for key, value in each.items()
        }
        for each in dump["webhooks"]
    ]
    return dump | {"webhooks": endpoints}


def _flat(values: dict[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{at}{key}.")
        else:
            yield f"{at}{key}", value
