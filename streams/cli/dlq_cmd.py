"""``goldendog dlq list|show|replay``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_option import BootstrapOption, DataDirOption, log_of
from streams.cli.options import ConfigOption, JsonOption

if TYPE_CHECKING:
    from streams.kafka.connection import Connection
    from streams.operate.letters import Letter, Sent, Wanted

dlq_app = typer.Typer(
    help="List, show and send again what could not be used.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
TopicOption = Annotated[
    str | None, typer.Option("--topic", metavar="TOPIC", help="Of records of this topic alone.")
]
CodeOption = Annotated[
    str | None, typer.Option("--code", metavar="CODE", help="With this code alone.")
]
FromOption = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="Kept at or after: ISO 8601 or ms.")
]
ToOption = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Kept before.")]
_SHOWN_BYTES = 2_000


@dlq_app.callback()
def _dlq() -> None:
    """List, show and send again what could not be used."""


@dlq_app.command("list")
def list_(
    *,
    topic: TopicOption = None,
    code: CodeOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="The newest N; counts are of all.")
    ] = 20,
    bootstrap: BootstrapOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List dead letters: how many of each topic and code, and the newest of them."""
    from streams.operate.letters import counts_of
    from streams.run.report import utc
    from streams.safe_text import shown

    _, where = log_of(config, bootstrap, data_dir)
    wanted = _wanted(topic, code, from_, to)
    found = [each for each in asyncio.run(_letters(where)) if wanted.takes(each)]
    newest = found[len(found) - limit :] if limit < len(found) else found
    if as_json:
        counts = [{"topic": t, "code": c, "letters": n} for t, c, n in counts_of(found)]
        print(json.dumps({"counts": counts, "letters": [each.as_dict() for each in newest]}))
        return
    if not found:
        print("no dead letter" + ("" if wanted == _wanted(None, None, None, None) else " is so"))
        return
    for name, why, n in counts_of(found):
        print(f"{n:>9,}  {name}  {why}")
    print(f"\n{'letter':10} {'kept':20} {'code':13} place: problem")
    for each in newest:
        sent = f" (sent again to {each.sent_to})" if each.sent_to else ""
        told = f"{each.letter.place}: {each.letter.problem}{sent}"
        print(f"{each.name:10} {utc(each.kept_ms):20} {each.letter.code:13} {shown(told[:160])}")


@dlq_app.command()
def show(
    letter: Annotated[str, typer.Argument(metavar="LETTER", help="PARTITION/OFFSET, or a place.")],
    *,
    bootstrap: BootstrapOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one dead letter: what was wrong, where, what to write instead, and the record."""
    from streams.operate.letters import named
    from streams.run.report import utc
    from streams.safe_text import shown

    _, where = log_of(config, bootstrap, data_dir)
    found = named(asyncio.run(_letters(where)), letter)
    if as_json:
        print(json.dumps(found.as_dict()))
        return
    raw = found.letter.raw.decode(errors="backslashreplace")
    lines = {
        "letter": found.name,
        "place": found.letter.place,
        "kept": utc(found.kept_ms),
        "log time": utc(found.letter.ts_log_ms),
        "code": found.letter.code,
        "field": found.letter.field or "-",
        "problem": found.letter.problem,
        "remedy": found.letter.remedy or "-",
        "sent again": found.sent_to or "no",
        "record": raw[:_SHOWN_BYTES] + ("..." if len(raw) > _SHOWN_BYTES else ""),
    }
    for name, text in lines.items():
        print(f"{name:11} {shown(text)}")


@dlq_app.command()
def replay(
    letters: Annotated[
        list[str] | None, typer.Argument(metavar="[LETTER]...", help="PARTITION/OFFSET, or places.")
    ] = None,
    *,
    topic: TopicOption = None,
    code: CodeOption = None,
    from_: FromOption = None,
    to: ToOption = None,
    every: Annotated[bool, typer.Option("--all", help="Every letter there is.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")
    ] = False,
    bootstrap: BootstrapOption = None,
    data_dir: DataDirOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> int:
    """Send dead letters to their topics once more, as new records; exit 1 if any is refused.

    Those that still cannot be used are refused, and each is sent once however often this runs.
    """
    from schemas.errors import UserError

    settings, where = log_of(config, bootstrap, data_dir)
    wanted = _wanted(topic, code, from_, to)
    if not (letters or every or wanted != _wanted(None, None, None, None)):
        raise UserError("it is not said which letters", "name some, --topic, --code, or --all")
    limit_ms = settings.engine.backfill_limit_ms
    done = asyncio.run(_send(where, letters or [], wanted, limit_ms, dry=dry_run))
    if as_json:
        report = {
            "sent": [{"letter": each.name, "as": at} for each, at in done.sent],
            "refused": [{"letter": each.name, "why": why} for each, why in done.refused],
            "sent_before": done.before,
            "too_old": done.too_old,
            "dry_run": dry_run,
        }
        print(json.dumps(report))
    else:
        _tell(done, limit_ms, dry=dry_run)
    return 1 if done.refused else 0


def _tell(done: Sent, limit_ms: int, *, dry: bool) -> None:
    from streams.safe_text import shown

    for each, at in done.sent:
        print(f"{each.name:10} {'would be sent to' if dry else 'sent as'} {at}")
    for each, why in done.refused:
        print(f"{each.name:10} refused: {shown(why)}")
    print(
        f"{len(done.sent):,} {'to send' if dry else 'sent'}, {len(done.refused):,} refused, "
        f"{done.before:,} sent before"
    )
    if done.too_old:
        print(
            f"{done.too_old:,} are of events over {limit_ms // 60_000} minutes ago: a live log "
            "counts them as late, and they change no alert"
        )


def _wanted(topic: str | None, code: str | None, from_: str | None, to: str | None) -> Wanted:
    from streams.cli.times import instant_ms
    from streams.operate.letters import Wanted

    return Wanted(
        topic,
        code,
        None if from_ is None else instant_ms(from_, "--from"),
        None if to is None else instant_ms(to, "--to"),
    )


async def _letters(where: Path | Connection) -> list[Letter]:
    from streams.operate.letters import letters_of
    from streams.operate.opened import opened

    async with opened(where) as log:
        return await letters_of(log)


async def _send(
    where: Path | Connection, names: Sequence[str], wanted: Wanted, limit_ms: int, *, dry: bool
) -> Sent:
    from streams.operate.letters import letters_of, named, send_again
    from streams.operate.opened import is_live, opened

    live = await is_live(where)
    async with opened(where, write=not dry) as log:
        found = await letters_of(log)
        chosen = [named(found, name) for name in names] or [f for f in found if wanted.takes(f)]
        return await send_again(log, chosen, live=live, backfill_limit_ms=limit_ms, dry=dry)
