"""``goldendog control set|list``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from schemas.records import Control
    from streams.control.send import Told
    from streams.kafka.connection import Connection
    from streams.settings import Settings

control_app = typer.Typer(
    help="Change settings, model or lexicon of live workers, from a log time on.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

BootstrapOption = Annotated[
    str | None,
    typer.Option("--bootstrap", metavar="HOST:PORT", help="Brokers; setting kafka.bootstrap."),
]


@control_app.callback()
def _control() -> None:
    """Change settings, model or lexicon of live workers, from a log time on."""


@control_app.command(
    name="set",
    context_settings={"ignore_unknown_options": True},  # a value may be negative
)
def set_(
    setting: Annotated[
        str, typer.Argument(metavar="SETTING", help="engine.NAME, lexicon or model.")
    ],
    value: Annotated[
        str, typer.Argument(metavar="VALUE", help="Of lexicon its file, of model its folder.")
    ],
    *,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="TIME", help="From this log time on; a minute from now if left out."
        ),
    ] = None,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the record instead, to POST or to keep.")
    ] = False,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a value in force on all workers alike, at the earliest a minute from now.

    A lexicon or model is copied into the folder of setting control_files under its hash; have that
    folder, or a copy of it, on every worker before.
    """
    from schemas.decode import encode_record
    from streams.cli.times import instant_ms
    from streams.control.files import ControlFiles
    from streams.control.send import new_control
    from streams.log.sqlite import wall_clock_ms

    settings, connection = _settings(config, bootstrap)
    from_ms = None if at is None else instant_ms(at, "--at")
    files = ControlFiles(settings.control_folder())
    control = new_control(setting, value, from_ms, files, wall_clock_ms())
    if print_only:
        print(encode_record(control).decode())
        return
    import asyncio

    told = asyncio.run(_send(connection, control))
    if as_json:
        print(json.dumps(told.as_dict()))
    else:
        print(f"{told.setting} = {told.value} from {_utc(told.in_force_from_ms)} on")


@control_app.command(name="list")
def list_(
    *,
    bootstrap: BootstrapOption = None,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", metavar="DIR", help="Of an embedded run, instead of brokers."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the changes in the control topic: when each came, and from when it is in force."""
    if data_dir is not None:
        from contextlib import closing

        from schemas.topics import CONTROL
        from streams.control.send import told_of
        from streams.log.sqlite_reader import open_readonly

        with closing(open_readonly(data_dir)) as log:
            found = told_of(log.iter_topic(CONTROL, 0))
    else:
        import asyncio

        found = asyncio.run(_listed(_settings(config, bootstrap)[1]))
    if as_json:
        print(json.dumps([told.as_dict() for told in found]))
        return
    for told in found:
        print(f"{_utc(told.in_force_from_ms)}  {told.setting} = {told.value}")
        if told.problem is not None:
            print(f"  not used: {told.problem}")
    if not found:
        print("nothing was changed")


async def _send(connection: Connection, control: Control) -> Told:
    from schemas.errors import UserError
    from streams.control.send import send
    from streams.kafka.log import KafkaLog

    if await _stamp(connection) == "recorded":
        raise UserError(
            "these topics take each record's own time: they hold a recording",
            "put control records among its records (--print), and feed it",
        )
    async with KafkaLog(connection) as log:
        return await send(log, control)


async def _listed(connection: Connection) -> list[Told]:
    from streams.control.send import in_topic
    from streams.kafka.log import KafkaLog

    await _stamp(connection)
    async with KafkaLog(connection) as log:
        return [told async for told in in_topic(log)]


async def _stamp(connection: Connection) -> str:
    """How the control topic is stamped. Raises UserError where there is no broker, or no topic."""
    import asyncio

    from schemas.errors import UserError
    from schemas.topics import CONTROL
    from streams.kafka.admin import topics_describe

    for state in await asyncio.to_thread(topics_describe, connection):
        if state.name == CONTROL:
            return state.stamp
    raise UserError(f"the broker has no topic {CONTROL}", "create it: goldendog topics create")


def _utc(ms: int) -> str:
    from streams.replay.bar import utc_seconds

    return utc_seconds(ms)


def _settings(config: Path | None, bootstrap: str | None) -> tuple[Settings, Connection]:
    from streams.settings_load import load_settings

    settings = load_settings(config, {"kafka.bootstrap": bootstrap})
    return settings, settings.kafka.connection()
