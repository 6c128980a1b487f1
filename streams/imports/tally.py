"""What an import counted, and the rows it could not use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from schemas.errors import UserError

GIVE_UP_AFTER: Final = 1_000
"""Rows of which not one can be used, after which the import stops: the rest will be the same."""
REJECTED: Final = "_rejected.ndjson"
"""Begins with ``_`` so that a replay of the folder passes it over."""
MAX_RAW_CHARS: Final = 2_000


class Tally:
    """Counts of rows, and the file of those rejected.

    Parameters
    ----------
    folder : where ``REJECTED`` is written.
    source : the source's path, for messages.
    """

    def __init__(self, folder: Path, source: Path) -> None:
        self._file = (folder / REJECTED).open("wb")
        self._source = source
        self._first = ("", "")
        self.read = 0
        self.rejected: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    @property
    def used(self) -> int:
        """Rows that became records."""
        return self.read - self.rejected.total()

    def took(self, rows: int) -> None:
        """Count rows read, before those of them that are rejected."""
        self.read += rows

    def reject(
        self,
        reason: str,
        problem: str,
        remedy: str,
        numbers: Sequence[int | None],
        rows: Sequence[Mapping[str, Any]],
        column: str = "",
    ) -> None:
        """Count and keep rows; ``numbers`` are theirs in the source, from 1, None where unknown."""
        if not numbers:
            return
        self.rejected[reason] += len(numbers)
        if not self._first[0]:
            at = f", column {column!r}" if column else ""
            self._first = (f"row {numbers[0]}{at}: {problem}", remedy)
        for number, row in zip(numbers, rows, strict=True):
            kept = {
                "row": number, "reason": reason, "column": column, "problem": problem,
                "remedy": remedy, "raw": {name: _short(value) for name, value in row.items()},
            }  # fmt: skip
            self._file.write(msgspec.json.encode(kept) + b"\n")

    def check(self) -> None:
        """Raise UserError where many rows were read and none can be used."""
        if self.read >= GIVE_UP_AFTER and not self.used:
            self._give_up(f"none of the first {self.read:,} rows of {self._source} can be used")

    def check_end(self) -> None:
        """Raise UserError where no row could be used."""
        if not self.read:
            raise UserError(f"{self._source} holds no rows", "is it the right file?")
        if not self.used:
            self._give_up(f"none of the {self.read:,} rows of {self._source} can be used")

    def _give_up(self, what: str) -> None:
        problem, remedy = self._first
        raise UserError(f"{what}; {problem}", remedy)


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if -1e308 < value < 1e308 else str(value)
    text = str(value)[:MAX_RAW_CHARS]
    return text.encode("utf-8", "backslashreplace").decode()
