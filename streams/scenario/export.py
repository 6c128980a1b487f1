"""Writes a scenario to a folder: its records as NDJSON, its lexicon, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from schemas.decode import encode_record
from schemas.errors import UserError
from streams.interrupts import nothing_written
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

    ``on_written`` is told the number so far. Files of an earlier export are replaced whole, and stay
    as they are where this one does not come to its end. Raises UserError where the folder cannot be
    written.
    """
    try:
        with _whole_files(folder, (RECORDS, LEXICON, ABOUT)) as (records, lexicon, about):
            written = _write_records(variation, records, on_written)
            lexicon.write_text(lexicon_text(), "utf-8")
            told = {"scenario": "rednote-2025", "variation": asdict(variation), "records": written}
            about.write_bytes(msgspec.json.format(msgspec.json.encode(told)) + b"\n")
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written: {error.strerror or error}", "name another with --write"
        ) from None
    return written


@contextmanager
def _whole_files(folder: Path, names: Sequence[str]) -> Iterator[list[Path]]:
    """Files to write, which get their names if all goes well; a folder made for them goes otherwise."""
    made = not folder.exists()
    parts = [folder / f".{name}.part" for name in names]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with nothing_written():
            yield parts
        for part, name in zip(parts, names, strict=True):
            part.replace(folder / name)
    except BaseException:
        with suppress(OSError):
            for part in parts:
                part.unlink(missing_ok=True)
            if made:
                folder.rmdir()
        raise


def _write_records(
    variation: Variation, path: Path, on_written: Callable[[int], None] | None
) -> int:
    written = 0
    source = rednote(variation)
    with path.open("wb") as file:
        while batch := list(islice(source, _BATCH)):
            file.write(b"".join(encode_record(record) + b"\n" for record in batch))
            written += len(batch)
            if on_written is not None:
                on_written(written)
    return written
