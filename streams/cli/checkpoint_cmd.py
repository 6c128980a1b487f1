"""``goldendog checkpoint list|verify|reset``."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_option import BootstrapOption, DataDirOption, log_of
from streams.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.operate.checkpoints import Found, Reset

checkpoint_app = typer.Typer(
    help="List, verify and end the checkpoints of the detector.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@checkpoint_app.callback()
def _checkpoint() -> None:
    """List, verify and end the checkpoints of the detector."""


@checkpoint_app.command("list")
def list_(
    *,
    bootstrap: BootstrapOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every partition's checkpoints: size, age, what they cover, whole or torn."""
    _, where = log_of(config, bootstrap, data_dir)
    _print(asyncio.run(_found(where, verify=False)), as_json=as_json)


@checkpoint_app.command()
def verify(
    *,
    bootstrap: BootstrapOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Read and unpack every checkpoint; exit 1 if one is damaged.

    A torn one, which a crash may leave behind, is told of and counts for nothing.
    """
    _, where = log_of(config, bootstrap, data_dir)
    found = asyncio.run(_found(where, verify=True))
    _print(found, as_json=as_json)
    bad = sum(each.damaged for each in found)
    if not as_json:
        good = sum(each.whole and not each.damaged for each in found)
        print(f"{good:,} whole, {bad:,} damaged")
    return 1 if bad else 0


@checkpoint_app.command()
def reset(
    *,
    partition: Annotated[
        list[int] | None,
        typer.Option("--partition", metavar="N", help="This detector partition; all if left out."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, it is only said.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Even where the log no longer has its first records.")
    ] = False,
    bootstrap: BootstrapOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """End checkpoints, so that the next worker rebuilds its state from the log.

    Refused while workers of the group are alive. Exit 1 where nothing was done.
    """
    from schemas.errors import UserError

    settings, where = log_of(config, bootstrap, data_dir)
    if not isinstance(where, Path):
        from streams.kafka.groups import group_of

        group = group_of(where, settings.kafka.group)
        if group.alive:
            raise UserError(
                f"{len(group.members)} workers of the group {settings.kafka.group} are alive "
                f"({', '.join(group.members[:3])})",
                "stop them first: they would go on from their state, and write it again",
            )
    plan = asyncio.run(_reset(where, partition, yes=yes, force=force))
    refused = bool(plan.lost) and not force
    if as_json:
        report = {
            "partitions": plan.partitions,
            "checkpoints": plan.ended,
            "starts": plan.starts,
            "lost": plan.lost,
            "done": yes and not refused,
        }
        print(json.dumps(report))
    else:
        _tell(plan, yes=yes, refused=refused)
    return 0 if yes and not refused else 1


def _tell(plan: Reset, *, yes: bool, refused: bool) -> None:
    for name, start in plan.starts.items():
        print(f"{name:28} is read again from offset {start:,}")
    for name, start in plan.lost.items():
        print(f"{name:28} has lost what came before {start:,}")
    if refused:
        print(
            "nothing was done: the log no longer has its first records, so the rebuilt state would "
            "lack what they said, and alerts may differ for 25 hours of log (170 with ticks = false); "
            "--force does it anyway"
        )
    elif yes:
        print(f"{plan.ended:,} checkpoints of {len(plan.partitions)} partitions were ended")
    else:
        print(f"this would end {plan.ended:,} checkpoints; --yes does it")


def _print(found: list[Found], *, as_json: bool) -> None:
    from streams.operate.checkpoints import now_ms
    from streams.run.report import utc

    now = now_ms()
    if as_json:
        print(json.dumps([each.as_dict(now) for each in found]))
        return
    if not found:
        print("no checkpoint")
        return
    columns = f"{'part':>4} {'checkpoint':20} {'bytes':>13} {'age':>9} {'bars closed to':20}"
    print(f"{columns} {'fingerprint':16} state")
    for each in found:
        m = each.manifest
        closed = utc(m.closed_ms) if m is not None else "-"
        print(
            f"{each.partition:>4} {each.checkpoint:20} {each.size:>13,} "
            f"{_age(now - each.written_ms):>9} {closed:20} {m.fingerprint if m else '-':16} "
            f"{each.problem or 'whole'}"
        )
        if m is not None:
            at = ", ".join(f"{topic} {offset:,}" for topic, offset in sorted(m.positions.items()))
            print(f"     next offsets: {at}")


def _age(ms: int) -> str:
    """A span in two units at most.

    >>> _age(59_900), _age(3_720_000), _age(90_000_000)
    ('59 s', '1 h 2 m', '1 d 1 h')
    """
    s = max(0, ms) // 1000
    if s < 60:
        return f"{s} s"
    if s < 3_600:
        return f"{s // 60} m {s % 60} s"
    if s < 86_400:
        return f"{s // 3_600} h {s % 3_600 // 60} m"
    return f"{s // 86_400} d {s % 86_400 // 3_600} h"


async def _found(where: Path | Connection, *, verify: bool) -> list[Found]:
    from streams.operate.checkpoints import checkpoints_of
    from streams.operate.opened import opened

    async with opened(where) as log:
        return await checkpoints_of(log, verify=verify)


async def _reset(
    where: Path | Connection, partitions: list[int] | None, *, yes: bool, force: bool
) -> Reset:
    from streams.operate.checkpoints import plan_reset, reset
    from streams.operate.opened import opened

    async with opened(where, write=yes) as log:
        plan = await plan_reset(log, partitions)
        if yes and (force or not plan.lost):
            await reset(log, plan)
        return plan
