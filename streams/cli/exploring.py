"""What ``why``, ``ablate`` and ``sweep`` share: the records they take, and how they answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.explore.material import Material

RecordsArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="DIR|PATH...", help="Output of a replay, or files of records as replay takes."
    ),
]


def opened_material(paths: list[Path], lexicon: Path | None, config: Path | None) -> Material:
    """What the paths name, under the settings in force. Call it before importing ``explore``."""
    from streams.numba_cache import prepare_numba_cache
    from streams.settings_load import load_settings

    settings = load_settings(config, {"lexicon": lexicon})
    prepare_numba_cache()
    from streams.explore.material import material

    return material(paths, lexicon=settings.lexicon, model=settings.model, settings=settings.engine)


def answer(told: object) -> None:
    """Print words as they are, and anything else as JSON."""
    import msgspec

    print(told if isinstance(told, str) else msgspec.json.encode(told).decode())
