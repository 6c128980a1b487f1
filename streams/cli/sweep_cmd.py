"""``goldendog sweep``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import ConfigOption, JsonOption, OutOption


def sweep(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR|PATH...", help="Output of a replay, or files of records as replay takes."
        ),
    ],
    *,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=A,B,C",
            help="Values of one of the engine's settings; every combination of several is tried.",
        ),
    ] = None,
    lexicon: Annotated[
        Path | None, typer.Option("--lexicon", metavar="FILE", help="Words for tokens, JSON.")
    ] = None,
    out: OutOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Try up to 100 settings on one log: candidates, alerts a day, precision, price still ahead.

    The alerts under each are those of a replay with it, byte for byte; all take about two readings
    of the log. Precision is the share of candidates after which the price reached 3 times the next
    executable one within 24 h, before it fell by half.
    """
    from streams.numba_cache import prepare_numba_cache
    from streams.settings_load import load_settings

    settings = load_settings(config, {"lexicon": lexicon})
    prepare_numba_cache()
    from streams.explore.grid import grid
    from streams.explore.material import material
    from streams.explore.sweep import sweep as run
    from streams.explore.sweep_report import as_dict, in_words, write
    from streams.replay.bar import progress_bar
    from streams.replay.output import refuse_taken

    if out is not None:
        refuse_taken(out, overwrite=False)
    of = material(paths, lexicon=settings.lexicon, model=settings.model, settings=settings.engine)
    names, chosen = grid(of.detection.settings, sets or [])
    with progress_bar() as progress:
        found = run(of, names, chosen, progress)
    if out is not None:
        write(found, out)
    if json:
        import msgspec

        print(msgspec.json.encode(as_dict(found)).decode())
        return
    print(in_words(found))
