"""``goldendog replay``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.log_option import BootstrapOption
from streams.cli.options import ConfigOption, JsonOption, LexiconOption


def replay(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH",
            help="Files of records (.ndjson, .jsonl, also .gz and .zst; .parquet), folders of "
            "them, a recording of topics, or the data folder of an embedded run.",
        ),
    ] = None,
    *,
    kafka: Annotated[
        bool, typer.Option("--kafka", help="Read the topics of the brokers themselves.")
    ] = False,
    offsets: Annotated[
        list[str] | None,
        typer.Option(
            "--offsets",
            metavar="TOPIC/P=FIRST:NEXT",
            help="With --kafka: read these offsets of a partition, NEXT excluded; either may be left "
            "out. May be given again.",
        ),
    ] = None,
    bootstrap: BootstrapOption = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder to write to; made if missing.")
    ],
    scores: Annotated[
        str,
        typer.Option(
            "--scores",
            metavar="all|gated|alerts",
            help="Score rows to keep: of every bar, of bars past the gate, or none.",
        ),
    ] = "alerts",
    lexicon: LexiconOption = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help="Tell of bars that end after this time (ISO 8601)."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="And not after this one.")
    ] = None,
    warmup: Annotated[
        str | None,
        typer.Option(
            "--warmup",
            metavar="DURATION",
            help="Read so much of the log before --from, such as 25h, to fill baselines; 0 for none.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier replay's output in DIR.")
    ] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Run recorded files, or topics, through the same detectors, and write what they find.

    Writes alerts.ndjson and alerts.parquet, scores.parquet, universe.parquet, dead_letters.ndjson
    and summary.json. The folder appears when it is whole; nothing else is ever replaced.
    """
    from schemas.errors import UserError
    from streams.cli.times import duration_ms, instant_ms
    from streams.numba_cache import COMPILING, kernels_are_cached, prepare_numba_cache
    from streams.settings_load import load_settings

    from_ms = None if since is None else instant_ms(since, "--from")
    to_ms = None if until is None else instant_ms(until, "--to")
    warmup_ms = None if warmup is None else duration_ms(warmup, "--warmup")
    settings = load_settings(config, {"lexicon": lexicon, "kafka.bootstrap": bootstrap})
    if kafka == bool(paths):
        raise UserError(
            "both --kafka and a path" if kafka else "nothing to replay is named",
            "name files, or a recording, or --kafka",
        )
    if not kafka and (offsets or bootstrap is not None):
        raise UserError("--offsets and --bootstrap are for topics", "add --kafka")
    spans = dict(_span(text) for text in offsets or ())
    prepare_numba_cache()
    if not kernels_are_cached():
        typer.echo(COMPILING, err=True)
    from streams.replay.api import replay as run
    from streams.replay.bar import progress_bar
    from streams.replay.window import Window

    with progress_bar() as progress:
        result = run(
            settings.kafka.connection() if kafka else paths or (),
            lexicon=settings.lexicon,
            scores=scores,  # type: ignore[arg-type]  # replay() checks it
            settings=settings.engine,
            model=settings.model,
            out=out,
            overwrite=overwrite,
            window=Window(from_ms, to_ms, warmup_ms),
            control_files=settings.control_folder(),
            spans=spans,
            progress=progress,
        )
    if json:
        import msgspec

        print(msgspec.json.encode({"out": str(out), **result.summary}).decode())
        return
    from streams.replay.report import in_words

    print(in_words(result.summary, str(out)))


def _span(text: str) -> tuple[tuple[str, int], tuple[int | None, int | None]]:
    """A partition and the offsets to read of it.

    >>> _span("dex.ticks.v1/3=100:200"), _span("dex.ticks.v1/3=:200")[1]
    ((('dex.ticks.v1', 3), (100, 200)), (None, 200))
    """
    from schemas.errors import UserError
    from schemas.topics import MENTIONS, TOKEN_INPUTS

    match = re.fullmatch(r"([a-z.0-9]+)/(\d{1,9})=(\d{0,18}):(\d{0,18})", text.strip())
    if match is None or match[1] not in (MENTIONS, *TOKEN_INPUTS):
        raise UserError(
            f"--offsets is {text[:80]!r}", "write a raw topic, such as dex.ticks.v1/0=1200:3400"
        )
    first, end = (int(part) if part else None for part in match.group(3, 4))
    return (match[1], int(match[2])), (first, end)
