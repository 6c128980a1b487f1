"""A group of commands whose modules are imported when one is called, not to list them."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from streams.interrupts import InterruptError


class Lazy(NamedTuple):
    """Where a command lives: ``attribute`` of ``module`` is a function or a ``typer.Typer``."""

    module: str
    attribute: str
    summary: str


def lazy_group(commands: dict[str, Lazy]) -> type[TyperGroup]:
    """Class for ``typer.Typer(cls=...)`` that offers ``commands`` in this order.

    >>> group = lazy_group({"sum": Lazy("builtins", "sum", "Add numbers up.")})(name="demo")
    >>> group.get_command(None, "sum").get_short_help_str()
    'Add numbers up.'
    """

    class LazyGroup(TyperGroup):
        def __init__(self, **attrs: Any) -> None:
            super().__init__(**attrs)
            for name, lazy in commands.items():
                self.add_command(TyperCommand(name, help=lazy.summary), name)

        def list_commands(self, _ctx: Any) -> list[str]:
            return list(commands)

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            name, _, rest = super().resolve_command(ctx, args)
            return name, _load(name, commands[name]) if name else None, rest

        def invoke(self, ctx: Any) -> Any:
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt as error:  # of which Typer would keep the exit code alone
                raise InterruptError(error) from None

    return LazyGroup


def _load(name: str, lazy: Lazy) -> Any:
    found = getattr(import_module(lazy.module), lazy.attribute)
    if not isinstance(found, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name)(found)
        found = app
    command = get_command(found)
    command.name = name
    return command
