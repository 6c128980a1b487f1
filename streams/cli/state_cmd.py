"""``goldendog state show``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.log_option import BootstrapOption, DataDirOption, log_of
from streams.cli.options import ConfigOption, JsonOption, LexiconOption

if TYPE_CHECKING:
    from streams.detection import Detection
    from streams.kafka.connection import Connection
    from streams.operate.token_state import TokenState

state_app = typer.Typer(
    help="Look into the detector's state.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)


@state_app.callback()
def _state() -> None:
    """Look into the detector's state."""


@state_app.command()
def show(
    token: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN", help="CAIP-19 id, contract address, or symbol of the lexicon."
        ),
    ],
    *,
    bootstrap: BootstrapOption = None,
    data_dir: DataDirOption = None,
    lexicon: LexiconOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is known of a token now: counts, baselines, z-scores, price, episode.

    From the newest checkpoint of its partition, which workers write every ten seconds while
    records come. Scores are told where settings, model and lexicon are those of the workers.
    """
    from streams.cli.run_cmd import lexicon_of, model_of
    from streams.numba_cache import prepare_numba_cache

    settings, where = log_of(config, bootstrap, data_dir, lexicon)
    prepare_numba_cache()
    from detectors.resolve.lexicon import Lexicon
    from streams.cli.exploring import answer
    from streams.detection import Detection
    from streams.operate.token_words import in_words

    words = Lexicon.parse(lexicon_of(settings))
    detection = Detection(settings.engine, model_of(settings), words)
    found = asyncio.run(_found(where, token, detection))
    answer(found if as_json else in_words(found))


async def _found(where: Path | Connection, token: str, detection: Detection) -> TokenState:
    from streams.operate.opened import opened
    from streams.operate.token_state import token_state

    async with opened(where) as log:
        return await token_state(log, token, detection)
