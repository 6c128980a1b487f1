"""``goldendog replay``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import ConfigOption, JsonOption, LexiconOption


def replay(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Files of records (.ndjson, .jsonl, also .gz and .zst; .parquet), folders of "
            "them, or the data folder of an embedded run.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder to write to; made if missing.")
    ],
    *,
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
    """Run recorded files through the same detectors, and write what they find.

    Writes alerts.ndjson and alerts.parquet, scores.parquet, universe.parquet, dead_letters.ndjson
    and summary.json. The folder appears when it is whole; nothing else is ever replaced.
    """
    from streams.cli.times import duration_ms, instant_ms
    from streams.numba_cache import COMPILING, kernels_are_cached, prepare_numba_cache
    from streams.settings_load import load_settings

    from_ms = None if since is None else instant_ms(since, "--from")
    to_ms = None if until is None else instant_ms(until, "--to")
    warmup_ms = None if warmup is None else duration_ms(warmup, "--warmup")
    settings = load_settings(config, {"lexicon": lexicon})
    prepare_numba_cache()
    if not kernels_are_cached():
        typer.echo(COMPILING, err=True)
    from streams.replay.api import replay as run
    from streams.replay.bar import progress_bar
    from streams.replay.window import Window

    with progress_bar() as progress:
        result = run(
            paths,
            lexicon=settings.lexicon,
            scores=scores,  # type: ignore[arg-type]  # replay() checks it
            settings=settings.engine,
            model=settings.model,
            out=out,
            overwrite=overwrite,
            window=Window(from_ms, to_ms, warmup_ms),
            progress=progress,
        )
    if json:
        import msgspec

        print(msgspec.json.encode({"out": str(out), **result.summary}).decode())
        return
    from streams.replay.report import in_words

    print(in_words(result.summary, str(out)))
