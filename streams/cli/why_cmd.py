"""``goldendog why``."""

from __future__ import annotations

from typing import Annotated

import typer

from streams.cli.exploring import RecordsArgument, answer, opened_material
from streams.cli.options import ConfigOption, JsonOption, LexiconOption


def why(
    token: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN", help="CAIP-19 id, contract address, or symbol of the lexicon."
        ),
    ],
    paths: RecordsArgument,
    *,
    at: Annotated[
        str,
        typer.Option(
            "--at",
            metavar="TIME",
            help="The bar that ends then, or next after it: ISO 8601, or milliseconds.",
        ),
    ],
    lexicon: LexiconOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Tell which gates and thresholds a token passed or missed at a bar, and by how much.

    Runs the token's records through the engine up to that bar. With the output of a replay, its
    own settings, model and lexicon hold.
    """
    from streams.cli.times import instant_ms

    at_ms = instant_ms(at, "--at")
    of = opened_material(paths, lexicon, config)
    from streams.explore.why import why as explain
    from streams.explore.why_words import in_words
    from streams.replay.bar import progress_bar

    with progress_bar() as progress:
        found = explain(of, token, at_ms, progress)
    answer(found if json else in_words(found))
