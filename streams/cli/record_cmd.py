"""``goldendog record``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_option import BootstrapOption
from streams.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from streams.recording.kafka import Wanted
    from streams.recording.record import Tale


def record(
    topics: Annotated[
        list[str] | None,
        typer.Argument(metavar="TOPIC", help="The raw inputs and control.v1 if left out."),
    ] = None,
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder of the recording; gone on with if there."
        ),
    ],
    alerts: Annotated[bool, typer.Option("--alerts", help="Keep alerts.v1 too.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until stopped, not to the topics' present ends.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="From this log time on (ISO 8601); a partition recorded before goes on where it ended.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Up to this log time, excluded.")
    ] = None,
    roll: Annotated[
        str,
        typer.Option(
            "--roll", metavar="DURATION", help="With --follow: write files this often, such as 5m."
        ),
    ] = "5m",
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Keep what is in Kafka topics as Parquet files, by topic and day; exit 1 if some of it was lost.

    Run it again, after whatever end, and it goes on: each record is kept once, and none is left out.
    The folder is for ``goldendog replay``, ``goldendog feed``, and whatever reads Parquet.
    """
    from schemas.errors import UserError
    from streams.cli.times import duration_ms, instant_ms
    from streams.recording.kafka import Wanted
    from streams.settings_load import load_settings

    if follow and until is not None:
        raise UserError("both --follow and --to", "name one of them")
    settings = load_settings(config, {"kafka.bootstrap": bootstrap})
    if follow:
        from streams.logs import configure_logs
        from streams.run.quiet import quiet_faust

        configure_logs(settings.log.level, settings.log.format)
        quiet_faust(settings.log.level)  # a broker that is down is told of many times a second
    wanted = Wanted(
        topics=_topics(topics or (), alerts=alerts),
        from_ms=None if since is None else instant_ms(since, "--from"),
        to_ms=None if until is None else instant_ms(until, "--to"),
        roll_s=duration_ms(roll, "--roll") / 1000 if follow else None,
    )
    from streams.recording.kafka import record_kafka

    tale = asyncio.run(record_kafka(settings.kafka.connection(), out, wanted, _say))
    if as_json:
        print(json.dumps({"out": str(out), **tale.as_dict()}))
    else:
        _tell(tale, out, wanted)
    return 1 if tale.lost else 0


def _topics(named: Sequence[str], *, alerts: bool) -> tuple[str, ...]:
    from schemas.errors import UserError
    from schemas.topics import ALERTS, BY_NAME, TOPICS
    from streams.settings import did_you_mean

    for name in named:
        if name not in BY_NAME:
            raise UserError(f"goldendog has no topic {name!r}", did_you_mean(name, list(BY_NAME)))
    chosen = list(named) or [spec.name for spec in TOPICS if spec.raw_input]
    return tuple(dict.fromkeys([*chosen, *([ALERTS] if alerts else [])]))


def _tell(tale: Tale, out: Path, wanted: Wanted) -> None:
    for topic, n in tale.records.items():
        bad = tale.undecodable[topic]
        print(f"{topic:24} {n:>13,} records" + (f", {bad:,} that do not decode" if bad else ""))
    for lost in tale.lost:
        print(f"lost: {lost}")
    if not tale.ended and wanted.roll_s is None:
        print("stopped before the end: run it again to go on")
    print(f"{tale.files:,} files written to {out}")


def _say(text: str) -> None:
    from streams.safe_text import shown

    typer.echo(f"goldendog: {shown(text)}", err=True)
