"""Writes a scenario to a folder: its records as NDJSON, its lexicon, and what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from schemas.decode import encode_record
from schemas.errors import UserError
from streams.scenario.coins import lexicon_text
from streams.scenario.rednote import rednote
from streams.scenario.variation import Variation

RECORDS: Final = "records.ndjson"
LEXICON: Final = "lexicon.json"
ABOUT: Final = "scenario.json"
_BATCH: Final = 5_000


def export(
    variation: Variation, folder: Path, on_written: Callable[[int], None] | None = None
) -> int:
    """Write the scenario into ``folder``, made where missing; the number of records.

    ``on_written`` is told the number so far. Files of an earlier export are replaced whole. Raises
    UserError where the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{RECORDS}.part"
        written = 0
        source = rednote(variation)
        with part.open("wb") as file:
            while batch := list(islice(source, _BATCH)):
                file.write(b"".join(encode_record(record) + b"\n" for record in batch))
                written += len(batch)
                if on_written is not None:
                    on_written(written)
        part.replace(folder / RECORDS)
        (folder / LEXICON).write_text(lexicon_text(), "utf-8")
        about = {"scenario": "rednote-2025", "variation": asdict(variation), "records": written}
        (folder / ABOUT).write_bytes(msgspec.json.format(msgspec.json.encode(about)) + b"\n")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror or error}", "name another with --write"
        ) from None
    return written
