"""A CSV of one's own, by a mapping of its columns to the fields of a record."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
import pyarrow as pa

from schemas.decode import decode_record
from schemas.errors import InputFileError, RecordError
from schemas.records import Record
from streams.files.write import batch_of
from streams.imports.adapter import Adapter
from streams.imports.column_map import UNITS, ColumnMap
from streams.imports.delays import Delays
from streams.imports.table import is_parquet
from streams.imports.tally import Tally
from streams.imports.tickers import ticker_token

BATCH_ROWS: Final = 20_000
MAX_FIELD_CHARS: Final = 1 << 20
_MONEY: Final = ("price_usd", "value_usd", "liquidity_usd")
_WHOLE: Final = ("reach", "order")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class OwnCsv(Adapter):
    """Rows of a CSV to mentions or ticks.

    Parameters
    ----------
    columns : how rows become records.
    """

    name: ClassVar[str] = "csv"
    check_ids: ClassVar[bool] = True

    def __init__(self, path: Path, delays: Delays, columns: ColumnMap) -> None:
        super().__init__(path, delays, columns.usd_rate if columns.kind == "tick" else None)
        if is_parquet(path):
            raise InputFileError(
                f"{path} is Parquet",
                "write it as CSV, or name its columns as docs/records.md does and replay it",
            )
        self._columns = columns
        self._delay = "mentions" if columns.kind == "mention" else "ticks"
        self._numbered = False

    def assumptions(self) -> list[str]:
        """What stands in for what the source does not say."""
        found = [f"the mapping: {msgspec.json.encode(self._columns).decode()}"]
        if self._numbered:
            found.append(
                "there is no id: a record's is the file's name and the row's number, so that a row "
                "that comes again, here or in another file, counts again"
            )
        if self._columns.naming == "ticker":
            found.append("coins have no contract: a token id is made of the ticker")
        if self._columns.usd_rate != 1:
            found.append(f"one rate for the whole file: {self.usd_rate} US dollars a unit")
        return found

    def total_rows(self) -> int | None:
        """Unknown before the file is read."""
        return None

    def batches(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Records, in the file's order."""
        held: list[Record] = []
        with _opened(self.path) as text:
            reader = csv.reader(text, delimiter=self._columns.delimiter, strict=False)
            header = [name.strip() for name in self._next(reader) or []]
            places = self._columns.found_in(header, self.path)
            self._numbered = "id" not in places and "id" not in self._columns.constants
            number = 0
            while (row := self._next(reader)) is not None:
                if not row:
                    continue
                number += 1
                tally.took(1)
                record = self._record(row, header, places, number, tally)
                if record is not None:
                    held.append(record)
                if number % BATCH_ROWS == 0:
                    yield batch_of(held)
                    held = []
                if not number % 1_000:
                    tally.check()
        yield batch_of(held)

    def _next(self, reader: Any) -> list[str] | None:
        try:
            found: list[str] | None = next(reader, None)
        except csv.Error as error:
            raise InputFileError(
                f"{self.path}, line {reader.line_num}: {error}",
                "is a quotation mark left open, or is it no CSV?",
            ) from None
        return found

    def _record(
        self,
        row: list[str],
        header: list[str],
        places: dict[str, int],
        number: int,
        tally: Tally,
    ) -> Record | None:
        raw = dict(zip(header, row, strict=False))
        if len(row) != len(header):
            tally.reject(
                "columns", f"{len(row)} fields, not {len(header)}",
                "quote fields that hold the delimiter; is the line cut short?", [number], [raw],
            )  # fmt: skip
            return None
        try:
            given = {each: row[k].strip() for each, k in places.items()}
            given.update(self._columns.constants)
            "".join(given.values()).encode()
            self._columns.refuse_empty(given)
            return self._made({k: v for k, v in given.items() if v}, number)
        except UnicodeEncodeError:
            tally.reject("not_utf8", "text is not UTF-8", "save the file as UTF-8", [number], [raw])
            return None
        except RecordError as error:
            place = {"token": "token", "tokens[...]": "token"}.get(error.field, error.field)
            column = header[places[place]] if place in places else place
            tally.reject(error.code, error.problem, error.remedy, [number], [raw], column)
            return None

    def _made(self, given: dict[str, Any], number: int) -> Record:
        """The record of one row's texts; RecordError where it is none."""
        columns = self._columns
        for each in ("ts_event_ms", "ts_log_ms", "ts_post_ms"):
            if each in given:
                given[each] = _ms(given[each], columns.time_unit, each)
        if "ts_log_ms" not in given:
            at = given["ts_event_ms"]
            stamp = self.delays.event_ms(self._delay)
            if stamp and self._delay == "mentions":
                given.setdefault("ts_post_ms", at)
            given["ts_event_ms"] = at + stamp
            given["ts_log_ms"] = at + self.delays.log_ms(self._delay)
        if self._numbered:
            given["id"] = f"{self.path.name[:200]}:{number}"
        for each in _WHOLE:
            if each in given:
                given[each] = _number(given[each], each, int)
        if "token" in given:
            given["token"] = self._token(given["token"])
        if columns.kind == "mention":
            if "token" in given:
                given["tokens"] = [given.pop("token")]
        else:
            self._tick(given)
        return decode_record(msgspec.json.encode({"type": columns.kind, **given}))

    def _token(self, text: str) -> str:
        token = self._columns.token(text)
        if self._columns.naming == "ticker":
            self.symbols[ticker_token(text.removeprefix("$"))] = text.removeprefix("$").upper()
        return token

    def _tick(self, given: dict[str, Any]) -> None:
        columns = self._columns
        given["side"] = columns.side(given["side"])
        for each in (*_MONEY, "amount"):
            if each in given:
                given[each] = _number(given[each], each, Decimal)
        amount = given.pop("amount", None)
        if "value_usd" not in given and amount is not None and "price_usd" in given:
            given["value_usd"] = amount * given["price_usd"]
        rate = Decimal(repr(float(columns.usd_rate)))
        for each in _MONEY:
            if each in given:
                # a double, unless the digits are the source's own
                given[each] = str(given[each]) if rate == 1 else float(given[each] * rate)
        if rate != 1:
            given["usd_rate"] = float(rate)


@contextmanager
def _opened(path: Path) -> Iterator[io.TextIOBase]:
    csv.field_size_limit(min(MAX_FIELD_CHARS, sys.maxsize))
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            yield io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
    except (OSError, pa.ArrowException) as error:
        raise InputFileError(
            f"{path} cannot be read: {str(error).splitlines()[0][:160]}", "copy or export it again"
        ) from None


def _ms(text: str, unit: str, name: str) -> int:
    """Milliseconds of a time in a unit.

    >>> _ms("1736812800.5", "s", "t"), _ms("2025-01-14T01:00:00+01:00", "iso", "t")
    (1736812800500, 1736812800000)
    """
    if unit == "iso":
        try:
            read = datetime.fromisoformat(text)
        except ValueError:
            raise RecordError(
                "bad_time", f"{text[:60]!r} is no ISO 8601 time", field=name,
                remedy="write 2025-01-14T08:30:00Z, or name the --time-unit",
            ) from None  # fmt: skip
        at = read.replace(tzinfo=UTC) if read.tzinfo is None else read
        return (at - _EPOCH) // timedelta(milliseconds=1)
    value = _number(text, name, Decimal, "name the --time-unit: s, ms, us, ns or iso")
    ms = value * UNITS[unit] / 1_000_000
    if abs(ms) >= 1 << 62:
        raise RecordError("bad_time", f"{text[:40]!r} is outside 2009 to 2100", field=name,
                          remedy="name the --time-unit: s, ms, us, ns or iso")  # fmt: skip
    return int(ms)


def _number(text: str, name: str, kind: Callable[[str], Any], remedy: str = "") -> Any:
    try:
        value = kind(text)
    except (ValueError, InvalidOperation):
        value = None
    if value is None or (isinstance(value, Decimal) and not value.is_finite()):
        what = "no whole number" if kind is int else "no number"
        raise RecordError(
            "bad_number", f"{text[:60]!r} is {what}", field=name,
            remedy=remedy or "write digits, with a point before decimals",
        )  # fmt: skip
    return value
