"""``goldendog run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import ConfigOption, JsonOption, LexiconOption

if TYPE_CHECKING:
    from detectors.model import Model
    from streams.settings import Settings


def run(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PATH...|-]", help="Files and folders to feed; - is stdin."),
    ] = None,
    *,
    embedded: Annotated[
        bool, typer.Option("--embedded", help="Everything in this process, without a broker.")
    ] = False,
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", metavar="HOST:PORT", help="Work on Kafka; kafka.bootstrap."),
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option("--data-dir", metavar="DIR", help="Where the log is; data_dir.")
    ] = None,
    lexicon: LexiconOption = None,
    partitions: Annotated[
        int | None,
        typer.Option("--partitions", metavar="N", help="Token partitions of a new data folder."),
    ] = None,
    mention_partitions: Annotated[
        int | None,
        typer.Option("--mention-partitions", metavar="N", help="Of raw mentions, likewise."),
    ] = None,
    recorded_time: Annotated[
        bool | None,
        typer.Option(
            "--recorded-time/--append-time",
            help="Take each record's own log time (recordings), or stamp it as it comes (live).",
            show_default=False,
        ),
    ] = None,
    http_port: Annotated[
        int | None,
        typer.Option("--http-port", metavar="N", help="Of the HTTP door, 0 for any; http.port."),
    ] = None,
    http: Annotated[
        bool | None,
        typer.Option("--http/--no-http", help="Open the HTTP door.", show_default=False),
    ] = None,
    exit_at_end: Annotated[
        bool, typer.Option("--exit-at-end", help="End when everything fed has been worked on.")
    ] = False,
    scores: Annotated[
        str, typer.Option("--scores", help="Scores kept in scores.v1: alerts (none), gated, all.")
    ] = "alerts",
    role: Annotated[
        list[str] | None,
        typer.Option("--role", help="On Kafka: resolve, detect, dispatch; all where left out."),
    ] = None,
    heartbeats: Annotated[
        bool | None,
        typer.Option(
            "--heartbeats/--no-heartbeats",
            help="On Kafka: tell every input that time passes (if topics stamp their records).",
            show_default=False,
        ),
    ] = None,
    force_new_fingerprint: Annotated[
        bool,
        typer.Option(
            "--force-new-fingerprint",
            help="Go on from state made by other settings, model, lexicon or version.",
        ),
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Detect live, until it is told to stop.

    Embedded, one process holds a durable log and all agents; records come from files, standard
    input and HTTP. With --bootstrap it is a worker on Kafka. Alerts go to standard output.
    """
    from schemas.errors import UserError

    if embedded == (bootstrap is not None):
        raise UserError(
            "it is not clear where to run", "write --embedded, or --bootstrap HOST:PORT"
        )
    if scores not in ("alerts", "gated", "all"):
        raise UserError(f"--scores {scores}", "write alerts, gated or all")
    from streams.run.starting import starting

    with starting() as over:
        from streams.numba_cache import kernels_are_cached, prepare_numba_cache
        from streams.settings_load import load_settings

        settings = load_settings(
            config,
            {
                "kafka.bootstrap": bootstrap,
                "data_dir": data_dir,
                "lexicon": lexicon,
                "http.port": http_port,
                "partitions": partitions,
                "mention_partitions": mention_partitions,
            },
        )
        prepare_numba_cache()
        if embedded or not kernels_are_cached():
            over()  # compiling them makes garbage
        from streams.logs import configure_logs
        from streams.run.quiet import quiet_faust
        from streams.run.report import Reporter

        configure_logs(settings.log.level, settings.log.format)
        quiet_faust(settings.log.level)
        reporter = Reporter(as_json=json)
        if embedded:
            from streams.embedded import EmbeddedOptions
            from streams.run.embedded import EmbeddedPlan, run_plan

            options = EmbeddedOptions(
                settings.data_dir,
                recorded_time=recorded_time,
                partitions=settings.partitions,
                mention_partitions=settings.mention_partitions,
                lexicon=lexicon_of(settings),
                settings=settings.engine,
                model=model_of(settings),
                scores=scores,  # type: ignore[arg-type]
                keep_scores=scores != "alerts",
                force_new_fingerprint=force_new_fingerprint,
                control_files=settings.control_folder(),
                keep_ms=None
                if settings.keep_hours is None
                else round(settings.keep_hours * 3_600_000),
            )
            open_http = http if http is not None else http_port is not None or not exit_at_end
            run_plan(
                EmbeddedPlan(settings, options, tuple(paths or ()), open_http, exit_at_end),
                reporter,
            )
            return
        from streams.run.kafka import KafkaPlan, run_worker

        if paths:
            raise UserError("files are not fed to Kafka", "produce their records to the topics")
        run_worker(
            KafkaPlan(
                settings,
                lexicon_of(settings),
                model_of(settings),
                roles=tuple(role or ()),
                scores=scores,  # type: ignore[arg-type]
                heartbeats=heartbeats,
                http=bool(http) or http_port is not None,
                force_new_fingerprint=force_new_fingerprint,
            ),
            reporter,
            over,
        )


def lexicon_of(settings: Settings) -> bytes:
    """The lexicon's bytes; one without words where none is named."""
    from schemas.errors import LexiconError
    from streams.embedded import EMPTY_LEXICON

    if settings.lexicon is None:
        return EMPTY_LEXICON
    try:
        return settings.lexicon.read_bytes()
    except OSError as error:
        raise LexiconError(
            f"lexicon {settings.lexicon} cannot be read: {error.strerror}", "check the path"
        ) from None


def model_of(settings: Settings) -> Model:
    """The model named, or the shipped one."""
    from streams.model_store import default_folder, load_model

    return load_model(default_folder() if settings.model is None else settings.model)
