"""``goldendog incident capture|show|replay``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.log_option import BootstrapOption
from streams.cli.options import ConfigOption, JsonOption, LexiconOption

if TYPE_CHECKING:
    from streams.incident.capture import Wanted
    from streams.incident.files import Incident
    from streams.incident.replay import Verdict
    from streams.kafka.connection import Connection

incident_app = typer.Typer(
    help="Capture a stretch of a live log in one file, and replay it elsewhere.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="What `goldendog incident capture` wrote.")
]


@incident_app.callback()
def _incident() -> None:
    """Capture a stretch of a live log in one file, and replay it elsewhere."""


@incident_app.command()
def capture(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write; a zip.")],
    last: Annotated[
        str | None,
        typer.Option(
            "--last",
            metavar="DURATION",
            help="The last 30m, say; of recorded topics before their end.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Or bars that end after this time (ISO 8601)."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="And not after this one.")
    ] = None,
    lexicon: LexiconOption = None,
    group: Annotated[
        str | None, typer.Option("--group", metavar="NAME", help="Of workers; kafka.group.")
    ] = None,
    bootstrap: BootstrapOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write what workers knew before, read, and alerted of in a stretch of time into one file.

    Give the --config and --lexicon that the workers have. Workers are not disturbed.
    """
    from schemas.errors import UserError
    from streams.cli.run_cmd import lexicon_of, model_of
    from streams.cli.times import duration_ms, instant_ms
    from streams.numba_cache import prepare_numba_cache
    from streams.settings_load import load_settings

    if (last is None) == (since is None):
        raise UserError("it is not said from when", "give --last 30m, or --from TIME")
    given = {"kafka.bootstrap": bootstrap, "kafka.group": group, "lexicon": lexicon}
    settings = load_settings(config, given)
    prepare_numba_cache()
    from detectors.resolve.lexicon import Lexicon
    from streams.detection import Detection
    from streams.incident.capture import Wanted
    from streams.model_store import default_folder
    from streams.replay.window import Window

    from_ms = None if since is None else instant_ms(since, "--from")
    to_ms = None if until is None else instant_ms(until, "--to")
    Window(from_ms, to_ms)  # which refuses a --to before its --from
    words = lexicon_of(settings)
    wanted = Wanted(
        Detection(settings.engine, model_of(settings), Lexicon.parse(words)),
        words,
        settings.model or default_folder(),
        settings.control_folder(),
        settings.kafka.group,
        None if last is None else duration_ms(last, "--last"),
        from_ms,
        to_ms,
    )
    incident = asyncio.run(_capture(settings.kafka.connection(), wanted, out))
    _print(incident, out, as_json=as_json)


@incident_app.command()
def show(file: FileArgument, *, as_json: JsonOption = False) -> None:
    """Show what an incident file holds: its time, states, records, alerts, versions, and the lag then."""
    from streams.incident.files import read_incident

    _print(read_incident(file), file, as_json=as_json)


@incident_app.command()
def replay(
    file: FileArgument,
    *,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Keep what a replay writes in this folder."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier replay's output in DIR.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Replay an incident, and compare with the alerts that the workers wrote; exit 1 if any differs.

    Needs nothing but the file. Another version of the code is told.
    """
    from tempfile import TemporaryDirectory

    from streams.numba_cache import COMPILING, kernels_are_cached, prepare_numba_cache

    prepare_numba_cache()
    if not kernels_are_cached():
        typer.echo(COMPILING, err=True)
    from streams.incident.files import unpacked
    from streams.incident.replay import replay_incident
    from streams.replay.bar import progress_bar
    from streams.replay.output import refuse_taken, whole_folder

    if out is not None:
        refuse_taken(out, overwrite=overwrite)
    with unpacked(file) as (incident, folder), progress_bar() as progress:
        if out is None:
            with TemporaryDirectory(prefix="goldendog-incident-") as name:
                verdict, summary = replay_incident(incident, folder, Path(name), progress)
        else:
            with whole_folder(out, overwrite=overwrite) as part:
                verdict, summary = replay_incident(incident, folder, part, progress)
    if as_json:
        import msgspec

        print(msgspec.json.encode({"verdict": verdict, "summary": summary}).decode())
    else:
        _judge(verdict, summary)
    return 0 if verdict.same else 1


async def _capture(where: Connection, wanted: Wanted, out: Path) -> Incident:
    from streams.incident.capture import capture as write
    from streams.progress_line import progress_line

    with progress_line("capturing") as show_progress:

        def on_progress(done: int, total: int) -> None:
            told = f"{done:,} records"
            show_progress("capturing", done, total, told, last=done >= total)

        return await write(where, wanted, out, on_progress)


def _print(incident: Incident, file: Path, *, as_json: bool) -> None:
    if as_json:
        import msgspec

        told: dict[str, Any] = {"file": str(file), "bytes": file.stat().st_size}
        print(msgspec.json.encode(told | msgspec.to_builtins(incident)).decode())
        return
    from streams.incident.words import in_words

    print(in_words(incident, file))


def _judge(verdict: Verdict, summary: dict[str, Any]) -> None:
    from streams.cli.diff_cmd import place_of
    from streams.incident.words import differing

    for line in differing(verdict.parts):
        print(line)
    records = summary["records"]["read"]
    print(f"{records:,} records in {summary['seconds']:.1f} s")
    if verdict.same:
        how = "but for the fingerprint they carry" if verdict.parts else "byte for byte"
        print(f"same: {verdict.alerts} alerts as the workers wrote them, {how}")
    elif verdict.difference is None:
        print("alerts differ in the fingerprint they carry")
    else:
        print(f"first alert that differs (A: the workers, B: here): {place_of(verdict.difference)}")
    if verdict.not_written:
        print(f"{verdict.not_written} more that workers had not come to when it was captured")
    if verdict.later:
        print(f"{verdict.later} more of the workers', of bars that close after the slice")
    for note in summary["warnings"]:
        print(f"note: {note}")
