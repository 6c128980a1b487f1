"""Trades of Binance's spot markets, in two layouts.

*Recordings around events*: ``event`` (a coin's ticker, ``_``, and a label, such as the time of an
announcement), ``ts_ms``, ``side`` of the taker, ``price`` and ``amount``.

*Binance's own files* (data.binance.vision, spot trades): ``id``, ``price``, ``qty``, ``quote_qty``,
``time`` (ms, since 2025 microseconds), ``is_buyer_maker``; with or without that header. The market
is in the file's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from schemas.decode import MAX_VALUE_USD, MIN_PRICE_USD
from schemas.errors import InputFileError, UserError
from streams.imports.adapter import Adapter, check_times, positive_rate
from streams.imports.delays import Delays
from streams.imports.sink import rows_of
from streams.imports.table import Rejecter, Rows, Table, is_parquet
from streams.imports.tally import Tally
from streams.imports.tickers import is_ticker, ticker_token

LAYOUT: Final = "docs/import.md lists the columns of binance-trades"
DOLLARS: Final = ("USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USD")
_QUOTES: Final = (*DOLLARS, "BTC", "ETH", "BNB")
_MARKET: Final = re.compile(rf"([A-Z0-9]{{1,20}}?)({'|'.join(_QUOTES)})-trades-")
_DUMP: Final = ("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match")
_MICRO: Final = 100_000_000_000_000
"""Times above this are microseconds: as milliseconds it is the year 5138."""
I8 = NDArray[np.int64]


class BinanceTrades(Adapter):
    """Trades in a quote currency to ticks in US dollars.

    Parameters
    ----------
    quote_usd : US dollars per unit of the quote currency, one rate for the whole file.
    event : take this event's rows alone.
    """

    name: ClassVar[str] = "binance-trades"

    def __init__(
        self, path: Path, delays: Delays, *, quote_usd: float | None, event: str | None = None
    ) -> None:
        self._market = _market(path)
        if self._market is not None and self._market[1] in DOLLARS and quote_usd is None:
            quote_usd = 1.0
        quote = "1 BTC" if self._market is None else f"1 {self._market[1]}"
        self._rate = positive_rate(quote_usd, "--quote-usd", quote)
        super().__init__(path, delays, self._rate)
        if event is not None and self._market is not None:
            raise UserError("--event is for files of several events", "leave it out")
        self._event = event
        self._table = self._layout()
        self._covered: dict[str, dict[str, tuple[int, int]]] = {}
        self._seen: dict[str, int] = {}

    def _layout(self) -> Table:
        if self._market is None:
            return Table(
                self.path,
                {"event": "text", "ts_ms": "int", "side": "text", "price": "float",
                 "amount": "float"},
                {},
                LAYOUT,
            )  # fmt: skip
        names: tuple[str, ...] = ()
        if not is_parquet(self.path):
            with pa.input_stream(str(self.path), compression="detect") as stream:
                head = stream.read(64)
            names = () if head[:1].isalpha() or head[:1] == b'"' else _DUMP
        return Table(
            self.path,
            {"id": "int", "price": "float", "qty": "float", "time": "int",
             "is_buyer_maker": "bool"},
            {},
            LAYOUT,
            names,
        )  # fmt: skip

    def assumptions(self) -> list[str]:
        """What stands in for what the source does not say."""
        found = [
            f"one rate for the whole file: 1 unit of the quote currency = {self.usd_rate} US dollars",
            "coins have no contract: a token id is made of the ticker",
            (
                "trades have no trader: all fills of one millisecond and side are one taker's order, and "
                "each order a trader of its own, so traders are as many as orders"
            ),
            "liquidity, supply and a coin's age are unknown",
        ]
        if self._market is None:
            found.append(
                "ids number an event's rows; where two recordings of one coin overlap, the later one "
                "is left out for as long as the earlier lasts"
            )
            if self._event is None:
                found.append(
                    "recordings of many times make one log: before its own recording begins, a coin "
                    "looks silent, not unknown; --event makes a log of one"
                )
        return found

    def total_rows(self) -> int | None:
        """Rows of the file."""
        return self._table.total_rows()

    def batches(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Ticks, in the file's order."""
        found = 0
        for rows in self._table.read(tally):
            batch = self._dump(rows, tally) if self._market else self._recording(rows, tally)
            found += batch.num_rows
            yield batch
            if self._event is None:
                tally.check()
        if self._event is not None and not found:
            names = ", ".join(repr(name) for name in list(self._seen)[:3])
            raise UserError(
                f"no event {self._event!r} in {self.path}", f"its events are {names}, ..."
            )

    def _dump(self, rows: Rows, tally: Tally) -> pa.RecordBatch:
        assert self._market is not None
        check = Rejecter(rows, tally)
        raw = rows.ints("time")
        ms = np.where(raw > _MICRO, raw // 1000, raw)
        maker = rows.batch["is_buyer_maker"]
        check.unless(~np.asarray(maker.is_null()), "bad_side", "neither true nor false",
                     "copy the file again", "is_buyer_maker")  # fmt: skip
        number = rows.ints("id")
        check.unless(number >= 0, "bad_id", "no trade id", "copy the file again", "id")
        sell = np.asarray(maker.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)
        coin = self._market[0]
        n = rows.batch.num_rows
        ids = pc.binary_join_element_wise(
            f"binance:{''.join(self._market)}", pc.cast(pa.array(number), pa.string()), ":"
        )
        return self._ticks(
            rows, check, ms, sell, rows.floats("qty"), "time", [coin] * n, ids, number, [coin] * n
        )

    def _recording(self, rows: Rows, tally: Tally) -> pa.RecordBatch:
        labels = rows.texts("event")
        if self._event is not None:
            wanted = np.array([label == self._event for label in labels], np.bool_)
            for label in dict.fromkeys(labels):
                self._seen.setdefault(label or "", 0)
            tally.notes["rows_of_other_events"] += int((~wanted).sum())
            rows = Rows(rows.first, rows.take(wanted))
            labels = rows.texts("event")
        check = Rejecter(rows, tally)
        coins = [None if label is None else label.partition("_")[0].strip() for label in labels]
        check.unless(np.array([c is not None and is_ticker(c) for c in coins], np.bool_), "bad_event",
                     "no ticker before the _", "write TICKER_LABEL", "event")  # fmt: skip
        sides = rows.batch["side"]
        known = np.asarray(pc.is_in(sides, pa.array(["buy", "sell"])))
        check.unless(known, "bad_side", "neither buy nor sell", "write the taker's side", "side")
        ms = rows.ints("ts_ms")
        fresh, number = self._places(labels, coins, ms)
        check.unless(fresh, "overlap", "an earlier recording of this coin has this time",
                     "nothing to do", "event")  # fmt: skip
        sell = np.asarray(pc.equal(sides, "sell").fill_null(False))
        ids = pc.binary_join_element_wise(
            "binance", pa.array(labels, pa.string()).fill_null(""),
            pc.cast(pa.array(number), pa.string()), ":",
        )  # fmt: skip
        return self._ticks(
            rows, check, ms, sell, rows.floats("amount"), "ts_ms", coins, ids, number, labels
        )

    def _places(
        self, labels: list[str | None], coins: list[str | None], ms: I8
    ) -> tuple[NDArray[np.bool_], I8]:
        """Which rows no earlier recording of their coin has, and every row's number in its own."""
        fresh = np.ones(len(ms), np.bool_)
        number = np.zeros(len(ms), np.int64)
        codes: dict[str, int] = {}
        code = np.array([codes.setdefault(label or "", len(codes)) for label in labels], np.int64)
        for label, k in codes.items():
            at = np.flatnonzero(code == k)
            number[at] = self._seen.get(label, 0) + np.arange(len(at))
            self._seen[label] = self._seen.get(label, 0) + len(at)
            spans = self._covered.setdefault(coins[at[0]] or "", {})
            for other, (first, last) in spans.items():
                if other != label:
                    fresh[at] &= (ms[at] < first) | (ms[at] > last)
            low, high = int(ms[at].min()), int(ms[at].max())
            old = spans.get(label, (low, high))
            spans[label] = (min(low, old[0]), max(high, old[1]))
        return fresh, number

    def _ticks(
        self,
        rows: Rows,
        check: Rejecter,
        ms: I8,
        sell: NDArray[np.bool_],
        amount: NDArray[np.float64],
        time_column: str,
        coins: list[str | None] | list[str],
        ids: pa.Array,
        number: I8,
        labels: list[Any],
    ) -> pa.RecordBatch:
        check_times(check, ms, time_column, "milliseconds")
        usd = rows.floats("price") * self._rate
        check.unless((usd >= MIN_PRICE_USD) & (usd <= 1e12), "bad_number",
                     "no price above zero", "write the price in the quote currency", "price")  # fmt: skip
        value = usd * amount
        check.unless((value >= 0) & (value <= MAX_VALUE_USD), "bad_number", "no amount",
                     "write the amount of the coin", "amount")  # fmt: skip
        good = np.flatnonzero(check.good)
        tokens = {coin: ticker_token(coin) for coin in {coins[i] for i in good} if coin}
        self.symbols |= {token: coin.upper() for coin, token in tokens.items()}
        at = ms[good]
        taken = pa.array(good)
        who = pc.binary_join_element_wise(
            pa.array([labels[i] for i in good], pa.string()),
            pc.cast(pa.array(at), pa.string()),
            pa.array(np.where(sell[good], "s", "b")),
            ":",
        )
        return rows_of(
            "tick",
            len(good),
            {
                "id": ids.take(taken),
                "ts_event_ms": at + self.delays.event_ms("ticks"),
                "ts_log_ms": at + self.delays.log_ms("ticks"),
                "order": number[good],
                "token": [tokens[coins[i] or ""] for i in good],
                "price_usd": usd[good],
                "value_usd": value[good],
                "side": np.where(sell[good], "sell", "buy"),
                "trader_id": who,
                "venue": pa.repeat(pa.scalar("binance"), len(good)),
                "usd_rate": np.full(len(good), self._rate),
            },
        )


def _market(path: Path) -> tuple[str, str] | None:
    """Coin and quote currency in the name of one of Binance's own files."""
    found = _MARKET.match(path.name)
    if found is None and "-trades-" in path.name:
        raise InputFileError(
            f"{path.name} names no market quoted in {', '.join(_QUOTES)}",
            "name it as Binance does, such as APPCBTC-trades-2020-11.csv",
        )
    return None if found is None else (found[1], found[2])
