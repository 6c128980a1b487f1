"""``goldendog sweep``."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.exploring import RecordsArgument, answer, opened_material
from streams.cli.options import ConfigOption, JsonOption, LexiconOption, OutOption


def sweep(
    paths: RecordsArgument,
    *,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=A,B,C",
            help="Values of one of the engine's settings; every combination of several is tried.",
        ),
    ] = None,
    lexicon: LexiconOption = None,
    out: OutOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Try up to 100 settings on one log: candidates, alerts a day, precision, price still ahead.

    The alerts under each are those of a replay with it, byte for byte; all take about two readings
    of the log. Precision is the share of candidates after which the price reached 3 times the next
    executable one within 24 h, before it fell by half.
    """
    of = opened_material(paths, lexicon, config)
    from streams.explore.grid import grid
    from streams.explore.sweep import sweep as run
    from streams.explore.sweep_report import as_dict, in_words, refuse_used, write
    from streams.replay.bar import progress_bar

    if out is not None:
        refuse_used(out)
    names, chosen = grid(of.detection.settings, sets or [])
    with progress_bar() as progress:
        found = run(of, names, chosen, progress)
    if out is not None:
        write(found, out)
    answer(as_dict(found) if json else in_words(found))
