"""Which column of a CSV says what: given by flags, a TOML file, or columns of our own names."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal

from schemas.errors import RecordError, UserError
from schemas.tokens import SOLANA_MAINNET, token_of_address
from streams.imports.adapter import positive_rate
from streams.imports.tickers import MAX_TICKER_CHARS, is_ticker, ticker_token

Kind = Literal["mention", "tick"]
_TIMES: Final = ("ts_event_ms", "ts_log_ms", "ts_post_ms")
MENTION: Final = (
    "id", "ts_event_ms", "ts_log_ms", "ts_post_ms", "platform", "author_id", "text", "token",
    "reach", "lang", "order",
)  # fmt: skip
TICK: Final = (
    "id", "ts_event_ms", "ts_log_ms", "token", "price_usd", "value_usd", "amount", "side",
    "trader_id", "liquidity_usd", "venue", "order",
)  # fmt: skip
NEEDS: Final = {
    "mention": ("ts_event_ms", "platform", "author_id"),
    "tick": ("ts_event_ms", "token", "price_usd", "side", "trader_id"),
}
_WRITE: Final = {
    "id": "write an id of its own", "ts_event_ms": "write when it happened",
    "platform": "write where it was posted, such as x", "author_id": "write who wrote it",
    "token": "write which coin was traded", "price_usd": "write the price of one coin",
    "value_usd": "write what was paid", "amount": "write how many coins were traded",
    "trader_id": "write who traded",
}  # fmt: skip
UNITS: Final = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
"""Nanoseconds of each unit; ``iso`` besides."""
CHAINS: Final = ("caip19", "ticker", "solana")
DELIMITERS: Final = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


class RowError(RecordError):
    """A row that no record can be made of; ``code`` is a reason of imports, as docs/import.md has them."""


@dataclass(frozen=True)
class ColumnMap:
    """How rows become records.

    Parameters
    ----------
    kind : what a row is.
    columns : field of the record to column of the file.
    constants : field of the record to the value of every row.
    time_unit : of all times: ``s``, ``ms``, ``us``, ``ns`` or ``iso``.
    naming : how ``token`` is written: ``caip19``, ``ticker``, ``solana`` (mint) or ``eip155:N``
        (contract on that chain).
    buy, sell : what ``side`` says; upper and lower case are alike.
    usd_rate : US dollars per unit of prices and values.
    delimiter : between fields.
    """

    kind: Kind
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)
    time_unit: str = "ms"
    naming: str = "caip19"
    buy: str = "buy"
    sell: str = "sell"
    usd_rate: float = 1.0
    delimiter: str = ","

    def __post_init__(self) -> None:
        if self.kind not in NEEDS:
            raise UserError(f"--kind is {self.kind!r}", "write mention or tick")
        if self.time_unit not in (*UNITS, "iso"):
            raise UserError(
                f"--time-unit is {self.time_unit!r}", f"write one of {', '.join(UNITS)}, iso"
            )
        if self.naming not in CHAINS and not self.naming.startswith("eip155:"):
            raise UserError(
                f"--token-as is {self.naming!r}",
                "write caip19, ticker, solana, or eip155: and a chain number such as eip155:8453",
            )
        if self.buy.lower() == self.sell.lower():
            raise UserError("--buy and --sell are the same", "write what each side is called")
        if len(self.delimiter) != 1:
            raise UserError(
                f"--delimiter is {self.delimiter!r}",
                f"write one character, or {', '.join(DELIMITERS)}",
            )
        positive_rate(self.usd_rate, "--usd-rate", "what prices are counted in")
        for each in (*self.columns, *self.constants):
            if each not in self.fields:
                raise UserError(
                    f"a {self.kind} has no field {each!r}", f"map one of {', '.join(self.fields)}"
                )
        for each in set(self.columns) & set(self.constants):
            raise UserError(f"{each} has both a column and a value", "give it one of them")

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields that a row may fill."""
        return MENTION if self.kind == "mention" else TICK

    def found_in(self, header: Sequence[str], path: Path) -> dict[str, int]:
        """Place in the header of each field's column; a field not named has its own name's.

        Raises UserError on a column that is missing or there twice, and where a field that every
        record needs has neither a column nor a value.
        """
        has = ", ".join(repr(name) for name in list(header)[:12]) or "none"
        hint = ""
        if len(header) == 1:
            other = next((d for d in ";\t|," if d in header[0] and d != self.delimiter), None)
            hint = "" if other is None else f"; is {other!r} the --delimiter?"
        out: dict[str, int] = {}
        for each in self.fields:
            name = self.columns.get(each, each)
            if each in self.constants or (each not in self.columns and name not in header):
                continue
            if header.count(name) != 1:
                what = "no column" if name not in header else "more than one column"
                raise UserError(
                    f"{path} has {what} {name!r}, which {each} is mapped to; its columns are {has}",
                    f"name another with --map {each}=COLUMN{hint}",
                )
            out[each] = header.index(name)
        for each in NEEDS[self.kind]:
            if each not in out and each not in self.constants:
                raise UserError(
                    f"{path} has no column {each!r}; its columns are {has}",
                    f"name one with --map {each}=COLUMN, or give every row a value with "
                    f"--set {each}=VALUE{hint}",
                )
        named = {*out, *self.constants}
        if self.kind == "mention" and not {"text", "token"} & named:
            raise UserError(
                f"{path} does not say which token a post is about; its columns are {has}",
                "name a column with --map text=COLUMN or --map token=COLUMN",
            )
        if self.kind == "tick" and not {"value_usd", "amount"} & named:
            raise UserError(
                f"{path} says neither value_usd nor amount; its columns are {has}",
                "name one with --map value_usd=COLUMN or --map amount=COLUMN",
            )
        return out

    def refuse_empty(self, given: Mapping[str, str]) -> None:
        """Raise RowError where what a row says of a field that its record needs is empty."""
        needs = [*NEEDS[self.kind], *(["id"] if "id" in given else [])]
        if self.kind == "tick" and not (given.get("value_usd") or given.get("amount")):
            needs.append("value_usd" if "value_usd" in given else "amount")
        for each in needs:
            if not given[each]:
                remedy = _WRITE.get(each, f"write {self.buy} or {self.sell}")
                raise RowError("wrong_shape", "is empty", field=each, remedy=remedy)

    def side(self, text: str) -> str:
        """``buy`` or ``sell``; RowError where a row says neither."""
        for side, name in (("buy", self.buy), ("sell", self.sell)):
            if text.lower() == name.lower():
                return side
        raise RowError(
            "bad_side", f"{text[:40]!r} is neither {self.buy!r} nor {self.sell!r}", field="side",
            remedy="say with --buy and --sell what the sides are called",
        )  # fmt: skip

    def token(self, text: str) -> str:
        """Token id of what a row says; RecordError where it is none."""
        if self.naming == "caip19":
            return text
        if self.naming == "ticker":
            ticker = text.removeprefix("$")
            if not is_ticker(ticker):
                raise RowError(
                    "bad_coin", f"{text[:60]!r} is no ticker", field="token",
                    remedy=f"write the coin's ticker, of at most {MAX_TICKER_CHARS} characters",
                )  # fmt: skip
            return ticker_token(ticker)
        chain = SOLANA_MAINNET if self.naming == "solana" else self.naming
        return token_of_address(chain, text)


def read_mapping(path: Path | None, flags: Mapping[str, Any]) -> ColumnMap:
    """A mapping from a TOML file, if there is one, over which flags win.

    ``flags`` has fields of ``ColumnMap``; None is not given. Tables ``[map]`` and ``[set]`` of the
    file are ``columns`` and ``constants``. Raises UserError.
    """
    found: dict[str, Any] = {} if path is None else _toml(path)
    for name, value in flags.items():
        if value is not None:
            both = name in ("columns", "constants")
            found[name] = {**found.get(name, {}), **value} if both else value
    if "kind" not in found:
        raise UserError("--kind is missing", "write --kind mention or --kind tick")
    found["delimiter"] = DELIMITERS.get(found.get("delimiter", ","), found.get("delimiter", ","))
    return ColumnMap(**found)


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """FIELD=TEXT pairs of an option; UserError on what is none.

    >>> pairs(["id=tweet_id"], "--map")
    {'id': 'tweet_id'}
    """
    found: dict[str, str] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals or not name.strip() or not text:
            raise UserError(f"{option} has {each[:60]!r}", f"write it like {option} id=tweet_id")
        if name.strip() in found:
            raise UserError(f"{option} names {name.strip()} twice", "name it once")
        found[name.strip()] = text
    return found


def _toml(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"no such mapping file: {path}", "check the path of --mapping") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no TOML: {error}", "see docs/import.md") from None
    names = {"map": "columns", "set": "constants", "token_as": "naming"}
    types = {f.name: str if f.name != "usd_rate" else (int, float) for f in fields(ColumnMap)}
    found: dict[str, Any] = {}
    keys = [*(n for n in types if n not in names.values()), "token_as"]
    for key, value in document.items():
        name = names.get(key, key)
        if key not in (*keys, *names):
            raise UserError(
                f"{path} has {key!r}, which is no setting of a mapping",
                f"write {', '.join(keys)}, [map] or [set]",
            )
        if key in ("map", "set"):
            if not isinstance(value, dict):
                raise UserError(f"{path}: {key} is no table", f"write [{key}] and pairs under it")
            found[name] = {field_: str(text) for field_, text in value.items()}
        elif isinstance(value, types[name]) and not isinstance(value, bool):
            found[name] = value
        else:
            raise UserError(f"{path}: {key} is {value!r}", "see docs/import.md for what to write")
    return found
