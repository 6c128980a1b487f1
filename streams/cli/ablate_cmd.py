"""``goldendog ablate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import ConfigOption, JsonOption


def ablate(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR|PATH...", help="Output of a replay, or files of records as replay takes."
        ),
    ],
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
    lexicon: Annotated[
        Path | None, typer.Option("--lexicon", metavar="FILE", help="Words for tokens, JSON.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tell which alerts each source is worth: those lost without it, gained, earlier or later.

    Runs the log as it is and with each change, and says how much of the price was still ahead at
    every alert.
    """
    from streams.explore.change import changes
    from streams.numba_cache import prepare_numba_cache
    from streams.settings_load import load_settings

    settings = load_settings(config, {"lexicon": lexicon})
    prepare_numba_cache()
    wanted = changes(drop or [], delay or [], together=together)
    from streams.explore.ablate import ablate as run
    from streams.explore.ablate_words import as_dict, in_words
    from streams.explore.material import material
    from streams.replay.bar import progress_bar

    of = material(paths, lexicon=settings.lexicon, model=settings.model, settings=settings.engine)
    with progress_bar() as progress:
        found = run(of, wanted, progress)
    if json:
        import msgspec

        print(msgspec.json.encode(as_dict(found)).decode())
        return
    print(in_words(found))
