"""``goldendog why``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import ConfigOption, JsonOption


def why(
    token: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN", help="CAIP-19 id, contract address, or symbol of the lexicon."
        ),
    ],
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR|PATH...", help="Output of a replay, or files of records as replay takes."
        ),
    ],
    *,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="TIME",
            help="The bar that ends then, or next after it: ISO 8601, or milliseconds.",
        ),
    ],
    lexicon: Annotated[
        Path | None, typer.Option("--lexicon", metavar="FILE", help="Words for tokens, JSON.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tell which gates and thresholds a token passed or missed at a bar, and by how much.

    Runs the token's records through the engine up to that bar. With the output of a replay, its
    own settings, model and lexicon hold.
    """
    from streams.cli.times import instant_ms
    from streams.numba_cache import prepare_numba_cache
    from streams.settings_load import load_settings

    at_ms = instant_ms(at, "--at")
    settings = load_settings(config, {"lexicon": lexicon})
    prepare_numba_cache()
    from streams.explore.material import material
    from streams.explore.why import why as explain
    from streams.explore.why_words import in_words
    from streams.replay.bar import progress_bar

    of = material(paths, lexicon=settings.lexicon, model=settings.model, settings=settings.engine)
    with progress_bar() as progress:
        found = explain(of, token, at_ms, progress)
    if json:
        import msgspec

        print(msgspec.json.encode(found).decode())
        return
    print(in_words(found))
