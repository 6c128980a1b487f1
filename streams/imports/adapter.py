"""What an adapter of one source is: how it reads, and what it takes for granted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.decode import MAX_TIME_MS, MIN_TIME_MS
from schemas.errors import UserError
from streams.imports.delays import Delays
from streams.imports.table import Rejecter
from streams.imports.tally import Tally

I8 = NDArray[np.int64]


class Adapter(ABC):
    """One source's file as record batches.

    Parameters
    ----------
    path : the file.
    delays : declared delays.
    usd_rate : US dollars per unit the source counts in; None where there is none.
    """

    name: ClassVar[str]
    check_ids: ClassVar[bool] = False
    settles: ClassVar[bool] = False

    def __init__(self, path: Path, delays: Delays, usd_rate: float | None = None) -> None:
        self.path, self.delays, self.usd_rate = path, delays, usd_rate
        self.symbols: dict[str, str] = {}

    @property
    def sources(self) -> list[Path]:
        """Every file that was read."""
        return [self.path]

    @abstractmethod
    def assumptions(self) -> list[str]:
        """What the source does not say, and what stands in; for the manifest."""

    @abstractmethod
    def batches(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Rows of ``RECORD_SCHEMA`` with their log times, in the source's order."""

    @abstractmethod
    def total_rows(self) -> int | None:
        """Rows of the source, where that is known beforehand."""

    def settle(self, batch: pa.RecordBatch, _tally: Tally) -> pa.RecordBatch:
        """Rows in order of log time, made final; called where ``settles``."""
        return batch


def positive_rate(value: float | None, option: str, what: str) -> float:
    """The value of an option that has to be a positive rate; UserError where it is not.

    >>> positive_rate(150.0, "--sol-usd", "1 SOL")
    150.0
    """
    remedy = f"give the price of {what} in US dollars in those days, such as {option} 150"
    if value is None:
        raise UserError(f"{option} is missing, and prices are counted in dollars", remedy)
    if not 0 < value < 1e12:
        raise UserError(f"{option} is {value}", remedy)
    return value


_UNITS: Final = {
    "minutes": 60_000.0, "seconds": 1_000.0, "milliseconds": 1.0, "microseconds": 1e-3,
    "nanoseconds": 1e-6,
}  # fmt: skip


def check_times(check: Rejecter, raw: I8, column: str, unit: str) -> I8:
    """Milliseconds of a column of times in ``unit``; rows that no record can have are rejected.

    The message tells a wrong unit apart.
    """
    factor = int(_UNITS[unit])
    ms = np.where(np.abs(raw) < MAX_TIME_MS, raw, -1) * factor
    ok = (ms >= MIN_TIME_MS) & (ms < MAX_TIME_MS)
    wrong = raw[~ok & check.good & (raw > 0)]
    remedy = f"write {unit} since 1970, UTC, of 2009 to 2100"
    if len(wrong):
        value = float(wrong[0])
        meant = [u for u, f in _UNITS.items() if MIN_TIME_MS <= value * f < MAX_TIME_MS]
        remedy = f"write {unit}: these look like {meant[0]}" if meant else remedy
    check.unless(ok, "bad_time", "a time that no record can have", remedy, column)
    return ms
