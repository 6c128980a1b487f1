"""``goldendog lag``."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer

from streams.cli.log_option import BootstrapOption, DataDirOption
from streams.cli.options import ConfigOption, JsonOption


def lag(
    *,
    max_seconds: Annotated[
        float | None,
        typer.Option(
            "--max-seconds", metavar="N", min=0, help="Exit 1 if any input is further behind."
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Of workers; kafka.group.")
    ] = None,
    bootstrap: BootstrapOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Tell how far workers are behind each input, in records and in seconds.

    Seconds are what counts: they are 0 where nothing waits, though transactions fill offsets.
    """
    from schemas.errors import UserError
    from streams.operate.lag import lag_of
    from streams.settings_load import load_settings

    if data_dir is not None and (bootstrap is not None or group is not None):
        raise UserError("both --data-dir and a group on Kafka", "name one of them")
    kafka = load_settings(config, {"kafka.bootstrap": bootstrap, "kafka.group": group}).kafka
    behind = asyncio.run(lag_of(data_dir or kafka.connection(), kafka.group))
    name = str(data_dir) if data_dir is not None else kafka.group
    worst = max((each.seconds for each in behind.inputs), default=0.0)
    beyond = max_seconds is not None and worst > max_seconds
    if as_json:
        report = {
            "group": name,
            "state": behind.group.state,
            "members": behind.group.members,
            "max_seconds": worst,
            "inputs": [asdict(each) for each in behind.inputs],
        }
        print(json.dumps(report))
        return 1 if beyond else 0
    told = f"group {name}: {behind.group.state.lower()}, {len(behind.group.members)} workers"
    if data_dir is not None:
        told = f"the run in {name}"
    print(f"{told}; at most {worst:,.1f} s behind")
    print(
        f"{'input':28} {'next':>13} {'records':>11} {'seconds':>10} {'a restart reads again':>22}"
    )
    for each in behind.inputs:
        name = f"{each.topic}/{each.partition}"
        print(
            f"{name:28} {each.next_offset:>13,} {each.records:>11,} {each.seconds:>10,.1f} "
            f"{each.replayed:>22,}"
        )
    return 1 if beyond else 0
