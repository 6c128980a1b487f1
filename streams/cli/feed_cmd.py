"""``goldendog feed``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_option import BootstrapOption
from streams.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.recording.feed import Feeder, Shape
    from streams.recording.read import RecordingReader


def feed(
    recording: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `goldendog record` wrote.")
    ],
    *,
    create: Annotated[
        bool, typer.Option("--create", help="Create the topics, as the recording needs them.")
    ] = False,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a recording back into topics, with its partitions and log times: workers alert alike.

    The topics must be empty, or hold the beginning of the recording: run again after whatever end,
    this goes on, and no record is there twice.
    """
    from schemas.errors import InputFileError
    from streams.kafka.admin import topics_create, topics_describe
    from streams.recording.feed import refuse_topics, shape_of
    from streams.recording.layout import is_recording
    from streams.recording.read import RecordingReader
    from streams.settings_load import load_settings

    kafka = load_settings(config, {"kafka.bootstrap": bootstrap}).kafka
    where = kafka.connection()
    if not is_recording(recording):
        raise InputFileError(f"{recording} is no recording", "name what `goldendog record` wrote")
    reader = RecordingReader(recording)
    shape = shape_of(reader)
    if create:
        from schemas.topics import MENTIONS, TICKS

        topics_create(
            where,
            shape.counts.get(TICKS, 1),
            shape.counts.get(MENTIONS, 1),
            recorded=True,
            log_start_ms=shape.log_start_ms,
            replicas=kafka.replication,
        )
    refuse_topics(topics_describe(where), shape)
    feeder = asyncio.run(_feed(where, reader, shape))
    if as_json:
        print(json.dumps({"sent": feeder.sent, "before": feeder.before}))
        return
    for topic, n in feeder.sent.items():
        print(f"{topic:24} {n:>13,} records sent, {feeder.before[topic]:,} were there")
    if not shape.declared:
        print("note: it does not begin with its topics: baselines start with its first record")


async def _feed(where: Connection, reader: RecordingReader, shape: Shape) -> Feeder:
    from schemas.errors import UserError
    from streams.operate.opened import opened
    from streams.progress_line import progress_line
    from streams.recording.feed import Feeder

    async with opened(where) as log:
        feeder = Feeder(log, reader, shape)
        with progress_line("feeding") as show:

            def on_progress(done: int, total: int) -> None:
                show("feeding", done, total, f"{done:,} records", last=done >= total)

            try:
                await feeder.feed(on_progress)
            except BaseException as error:
                if not isinstance(error, UserError):
                    sent = f"{sum(feeder.sent.values()):,} records were sent and confirmed"
                    typer.echo(f"goldendog: {sent}; run it again to go on", err=True)
                raise
    return feeder
