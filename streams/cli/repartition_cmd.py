"""``goldendog topics repartition``."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_option import BootstrapOption
from streams.cli.options import ConfigOption, JsonOption
from streams.safe_text import shown

if TYPE_CHECKING:
    from streams.operate.repartition import Report
    from streams.settings import Settings


def repartition(
    *,
    partitions: Annotated[
        int, typer.Option("--partitions", metavar="N", help="Of topics by token, from now on.")
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="For a recording of the topics; kept."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, it is only said.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even where alerts may be lost or differ.")
    ] = False,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Give the topics by token another number of partitions; every worker and producer is stopped.

    Records what they hold, makes them anew, and deals the records over them with their log times.
    Cut short, the same command goes on. Exit 1 where nothing was done.
    """
    from streams.settings_load import load_settings

    settings = load_settings(config, {"kafka.bootstrap": bootstrap})
    report = asyncio.run(_run(settings, partitions, out, yes=yes, force=force))
    if as_json:
        print(json.dumps(asdict(report)))
    else:
        _tell(report, out)
    return 0 if report.done else 1


async def _run(settings: Settings, partitions: int, out: Path, *, yes: bool, force: bool) -> Report:
    from streams.operate.repartition import repartition as work
    from streams.progress_line import progress_line

    with progress_line("dealing") as show:

        def on_progress(topic: str, done: int) -> None:
            show("dealing", done, None, f"{done:,} records of {topic}", last=False)

        return await work(
            settings.kafka.connection(),
            settings.kafka.group,
            partitions,
            out,
            history_ms=settings.engine.history_ms,
            yes=yes,
            force=force,
            say=_say,
            on_progress=on_progress,
        )


def _say(text: str) -> None:
    print(f"goldendog: {shown(text)}", file=sys.stderr)


def _tell(report: Report, out: Path) -> None:
    for topic, count in report.dealt.items():
        print(f"{topic:28} {count:>13,} records")
    if report.done:
        print(
            f"{report.was} partitions are {report.now} now; the recording in {out} may go when all is "
            f"well\nnext: write kafka.partitions = {report.now} into the settings, and start the workers"
        )
        return
    for reason in report.reasons:
        print(f"not done: {reason}")
    if report.cut_short:
        print("an earlier run was cut short; --yes goes on with it")
    elif report.reasons:
        print("--yes --force does it anyway")
    else:
        print(
            f"this would make {report.was} partitions {report.now}; stop every producer and worker, and "
            "--yes does it"
        )
