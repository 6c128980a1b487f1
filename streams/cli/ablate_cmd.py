"""``goldendog ablate``."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.exploring import RecordsArgument, answer, opened_material
from streams.cli.options import ConfigOption, JsonOption, LexiconOption


def ablate(
    paths: RecordsArgument,
    *,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            "--drop",
            metavar="platform=NAME|kind=NAME",
            help="Without the mentions of a platform, or the records of a kind.",
        ),
    ] = None,
    delay: Annotated[
        list[str] | None,
        typer.Option(
            "--delay",
            metavar="NAME=DURATION",
            help="With a platform or kind observed later, such as telegram=30s.",
        ),
    ] = None,
    together: Annotated[
        bool, typer.Option("--together", help="All changes at once, rather than one at a time.")
    ] = False,
    lexicon: LexiconOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tell which alerts each source is worth: those lost without it, gained, earlier or later.

    Runs the log as it is and with each change, and says how much of the price was still ahead at
    every alert.
    """
    of = opened_material(paths, lexicon, config)
    from streams.explore.ablate import ablate as run
    from streams.explore.ablate_words import as_dict, in_words
    from streams.explore.change import changes
    from streams.replay.bar import progress_bar

    wanted = changes(drop or [], delay or [], together=together)
    with progress_bar() as progress:
        found = run(of, wanted, progress)
    answer(as_dict(found) if json else in_words(found))
