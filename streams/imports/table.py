"""The columns of a source's file, Parquet or CSV, a batch at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from schemas.errors import InputFileError
from streams.file_names import refuse_no_utf8
from streams.files.kinds import recognise
from streams.imports.tally import Tally

Kind = Literal["int", "float", "text", "bool"]
BATCH_ROWS: Final = 65_536
_TYPES: Final[dict[str, pa.DataType]] = {
    "int": pa.int64(), "float": pa.float64(), "text": pa.string(), "bool": pa.bool_(),
}  # fmt: skip
_WORDS: Final = {
    "int": "an integer", "float": "a number", "text": "text", "bool": "true or false",
}  # fmt: skip
_CSV_ENDINGS: Final = (".csv", ".csv.gz", ".csv.zst")
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True)
class Rows:
    """Some rows: ``first`` is the number of the first in the source, from 1.

    ``batch`` has a column for each that was asked for and is there, of its plain type. Text that
    is none of that type is null, or NaN where numbers were asked for; what is not given is null.
    """

    first: int
    batch: pa.RecordBatch

    def ints(self, name: str) -> NDArray[np.int64]:
        """A column of integers; null is -1."""
        return np.asarray(self.batch[name].fill_null(-1).to_numpy(zero_copy_only=False), np.int64)

    def floats(self, name: str) -> NDArray[np.float64]:
        """A column of numbers; null is NaN, and so is all of a column that is not there."""
        if name not in self.batch.schema.names:
            return np.full(self.batch.num_rows, np.nan)
        return np.asarray(self.batch[name].to_numpy(zero_copy_only=False), np.float64)

    def texts(self, name: str) -> list[str | None]:
        """A column of text."""
        found: list[str | None] = self.batch[name].to_pylist()
        return found

    def take(self, mask: NDArray[np.bool_]) -> pa.RecordBatch:
        """Rows where the mask is true."""
        return self.batch.filter(pa.array(mask))


class Rejecter:
    """Rejects rows of one batch, each for the first thing that is wrong with it."""

    def __init__(self, rows: Rows, tally: Tally) -> None:
        self._rows, self._tally = rows, tally
        self.good = np.ones(rows.batch.num_rows, np.bool_)
        tally.took(rows.batch.num_rows)

    def unless(
        self, ok: NDArray[np.bool_], reason: str, problem: str, remedy: str, column: str = ""
    ) -> None:
        """Reject the rows that are still good and for which ``ok`` is false."""
        wrong = self.good & ~ok
        if wrong.any():
            at = np.flatnonzero(wrong)
            self._tally.reject(
                reason, problem, remedy, (at + self._rows.first).tolist(),
                self._rows.take(wrong).to_pylist(), column,
            )  # fmt: skip
            self.good &= ok


@dataclass(frozen=True)
class Table:
    """A file with named columns.

    Parameters
    ----------
    path : ``.parquet``, ``.csv``, ``.csv.gz`` or ``.csv.zst``.
    needs : the columns it must have, and what each holds.
    may : the columns it may have.
    layout : what the source is called, and where it is described, for messages.
    names : of the columns of a CSV without a header.
    """

    path: Path
    needs: Mapping[str, Kind]
    may: Mapping[str, Kind]
    layout: str
    names: Sequence[str] = ()

    def total_rows(self) -> int | None:
        """Rows of the file, where that is known beforehand."""
        if not is_parquet(self.path):
            return None
        with _reading(self.path):
            return int(pq.read_metadata(self.path).num_rows)

    def read(self, tally: Tally) -> Iterator[Rows]:
        """Batches in the file's order.

        Raises InputFileError on a missing or mistyped column, and on a file that cannot be read.
        """
        with _reading(self.path):
            first = 1
            for batch in self._parquet() if is_parquet(self.path) else self._csv(tally):
                if batch.num_rows:
                    yield Rows(first, batch)
                    first += batch.num_rows

    def _wanted(self, names: Sequence[str]) -> dict[str, Kind]:
        for name in self.needs:
            if name not in names:
                has = ", ".join(repr(each) for each in list(names)[:12]) or "none"
                raise InputFileError(
                    f"{self.path} has no column {name!r}; its columns are {has}", self.layout
                )
        both = {**self.needs, **self.may}
        return {name: kind for name, kind in both.items() if name in names}

    def _parquet(self) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(self.path, pre_buffer=False) as file:
            wanted = self._wanted(file.schema_arrow.names)
            for name, kind in wanted.items():
                got = file.schema_arrow.field(name).type
                if not _fits(kind, got):
                    raise InputFileError(
                        f"{self.path}: column {name!r} is {got}, not {_WORDS[kind]}", self.layout
                    )
            for batch in file.iter_batches(BATCH_ROWS, columns=list(wanted), use_threads=False):
                yield pa.RecordBatch.from_arrays(
                    [_plain(batch[name], kind) for name, kind in wanted.items()],
                    names=list(wanted),
                )

    def _csv(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        def skip(row: Any) -> str:
            tally.took(1)
            tally.reject(
                "columns", f"{row.actual_columns} fields, not {row.expected_columns}",
                "quote fields that hold the delimiter; is the line cut short?",
                [row.number or 0], [{"line": row.text}],
            )  # fmt: skip
            return "skip"

        with pa.input_stream(str(self.path), compression="detect") as stream:
            reader = pyarrow.csv.open_csv(
                stream,
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False, block_size=1 << 22, column_names=list(self.names) or None
                ),
                parse_options=pyarrow.csv.ParseOptions(
                    invalid_row_handler=skip, newlines_in_values=True
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    default_column_type=pa.string(),
                    null_values=[""],
                    strings_can_be_null=True,
                    check_utf8=False,
                ),
            )
            wanted = self._wanted(reader.schema.names)
            for batch in reader:
                yield pa.RecordBatch.from_arrays(
                    [_of_text(batch[name], kind) for name, kind in wanted.items()],
                    names=list(wanted),
                )


def is_parquet(path: Path) -> bool:
    """Whether a source is Parquet rather than CSV; InputFileError where it is neither."""
    refuse_no_utf8(path)
    name = path.name.lower()
    if name.endswith(_CSV_ENDINGS):
        try:
            with path.open("rb") as file:
                head = file.read(4096)
        except FileNotFoundError:
            raise InputFileError(f"no such file: {path}", "check the path") from None
        except OSError as error:
            raise InputFileError(
                f"{path} cannot be read: {error.strerror}", "check its permissions"
            ) from None
        if not head:
            raise InputFileError(f"{path} is empty", "copy or export it again")
        if name.endswith(".csv") and (head.startswith(b"PAR1") or b"\0" in head):
            raise InputFileError(f"{path} is named as CSV but holds binary data", "rename it")
        return False
    if path.is_dir():
        raise InputFileError(f"{path} is a folder", "name the file in it")
    if path.exists() and not name.endswith(".parquet"):
        raise InputFileError(
            f"{path} is of no kind that is imported", "name a .parquet or .csv file (or .csv.gz)"
        )
    if recognise(path).size == 0:
        raise InputFileError(f"{path} is empty", "copy or export it again")
    return True


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise InputFileError(
            f"{path} is cut short, damaged or no table ({str(error).splitlines()[0][:160]})",
            "copy or export it again",
        ) from None
    except (pa.ArrowException, OSError) as error:
        raise InputFileError(
            f"{path} cannot be read: {str(error).splitlines()[0][:160]}", "check the file and disk"
        ) from None


def _fits(kind: str, got: pa.DataType) -> bool:
    types = pa.types
    if types.is_dictionary(got):
        got = got.value_type
    if kind == "text":
        return bool(types.is_string(got) or types.is_large_string(got) or types.is_string_view(got))
    if kind == "bool":
        return bool(types.is_boolean(got))
    if kind == "int":
        return bool(types.is_integer(got))
    return bool(types.is_floating(got) or types.is_integer(got) or types.is_decimal(got))


def _plain(column: pa.Array, kind: str) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    wanted = _TYPES[kind]
    return column if column.type == wanted else column.cast(wanted, safe=kind != "float")


def _of_text(column: pa.Array, kind: str) -> pa.Array:
    """Text as a type; what is none of it is null, or NaN."""
    if kind == "text":
        return _utf8(column)
    trimmed = pc.utf8_trim_whitespace(_utf8(column))
    if kind != "bool":
        try:
            return trimmed.cast(_TYPES[kind])
        except pa.ArrowInvalid:
            pass
    convert = _CONVERT[kind]
    values = [None if text is None else convert(text) for text in trimmed.to_pylist()]
    return pa.array(values, _TYPES[kind])


def _utf8(column: pa.Array) -> pa.Array:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raw = column.cast(pa.binary()).to_pylist()
        return pa.array([None if b is None else b.decode("utf-8", "replace") for b in raw])
    return column


def _int(text: str) -> int | None:
    try:
        value = int(text)
    except ValueError:
        return None
    return value if -(1 << 63) <= value < 1 << 63 else None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _bool(text: str) -> bool | None:
    return _TRUTHS.get(text.lower())


_CONVERT: Final[dict[str, Callable[[str], Any]]] = {"int": _int, "float": _float, "bool": _bool}
