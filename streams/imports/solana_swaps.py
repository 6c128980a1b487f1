"""Swaps of Solana tokens against SOL, such as indexers of DEXs export.

A row is one swap: ``mint``, ``ts`` (unix seconds), ``side`` (buy or sell, of the token),
``price_sol``, ``sol`` (paid or received), ``trader``; and, where the source has them, ``tokens``,
``tx`` (signature) and ``venue``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from xxhash import xxh64_hexdigest

from schemas.decode import MAX_VALUE_USD, MIN_PRICE_USD, decode_record, encode_record
from schemas.errors import InputFileError, RecordError, UserError
from schemas.records import CheckedNumber, TokenInfo
from schemas.tokens import SOLANA_MAINNET, is_solana_address
from streams.files.write import batch_of
from streams.imports.adapter import Adapter, check_times, positive_rate
from streams.imports.delays import Delays
from streams.imports.sink import rows_of
from streams.imports.table import Rejecter, Rows, Table
from streams.imports.tally import Tally

DUST_SOL: Final = 0.05
LAYOUT: Final = "docs/import.md lists the columns of solana-swaps"


class SolanaSwaps(Adapter):
    """Swaps in SOL to ticks in US dollars.

    Parameters
    ----------
    sol_usd : US dollars per SOL, one rate for the whole file.
    dust_sol : a swap of less SOL than this sets no price.
    tokens : JSON file with ``mint``, ``created`` (unix seconds) and ``supply`` of the tokens.
    """

    name: ClassVar[str] = "solana-swaps"
    check_ids: ClassVar[bool] = True
    settles: ClassVar[bool] = True

    def __init__(
        self,
        path: Path,
        delays: Delays,
        *,
        sol_usd: float | None,
        dust_sol: float = DUST_SOL,
        tokens: Path | None = None,
    ) -> None:
        self._rate = positive_rate(sol_usd, "--sol-usd", "1 SOL")
        super().__init__(path, delays, self._rate)
        if not 0 <= dust_sol < 1e9:
            raise UserError(f"--dust-sol is {dust_sol}", "write an amount of SOL, such as 0.05")
        self._dust, self._tokens = dust_sol, tokens
        self._held: dict[str, float] = {}
        self._table = Table(
            path,
            {"mint": "text", "ts": "int", "side": "text", "price_sol": "float", "sol": "float",
             "trader": "text"},
            {"tokens": "float", "tx": "text", "venue": "text"},
            LAYOUT,
        )  # fmt: skip

    @property
    def sources(self) -> list[Path]:
        """The swaps and, where given, the tokens."""
        return [self.path] if self._tokens is None else [self.path, self._tokens]

    def assumptions(self) -> list[str]:
        """What stands in for what the source does not say."""
        return [
            f"one rate for the whole file: 1 SOL = {self.usd_rate} US dollars",
            (
                f"a swap of less than {self._dust} SOL is dust: it counts as a trade of its value and "
                "of its trader, at the last price that was no dust; before the first one it is left out"
            ),
            (
                "times are whole seconds: swaps of one second are in the file's order, and those of one "
                "trader and second, one after the other, count as fills of one order"
            ),
            (
                "an id is the signature, where there is one, and a hash of the row: rows that are equal "
                "in every column are one swap"
            ),
            "liquidity is unknown",
        ]

    def total_rows(self) -> int | None:
        """Rows of the swaps."""
        return self._table.total_rows()

    def batches(self, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Facts about tokens, then swaps; dust without a price, until ``settle``."""
        if self._tokens is not None:
            yield batch_of(self._infos(self._tokens))
        for rows in self._table.read(tally):
            yield self._ticks(rows, tally)
            tally.check()

    def settle(self, batch: pa.RecordBatch, tally: Tally) -> pa.RecordBatch:
        """Give dust the price of the token's last swap that was none."""
        is_tick = pc.equal(batch["type"], "tick").to_pylist()
        prices = batch["price_usd"].to_pylist()
        keep = np.ones(len(prices), np.bool_)
        held = self._held
        for i, (token, price) in enumerate(zip(batch["token"].to_pylist(), prices, strict=True)):
            if not is_tick[i]:
                continue
            if price is not None:
                held[token] = price
            elif token in held:
                prices[i] = held[token]
                tally.notes["dust_at_last_price"] += 1
            else:
                keep[i] = False
        tally.notes["dust_before_a_price"] += int((~keep).sum())
        at = batch.schema.get_field_index("price_usd")
        priced = batch.set_column(at, batch.schema.field(at), pa.array(prices, pa.float64()))
        return priced.filter(pa.array(keep))

    def _ticks(self, rows: Rows, tally: Tally) -> pa.RecordBatch:
        check = Rejecter(rows, tally)
        n = rows.batch.num_rows
        mints = rows.texts("mint")
        ms = check_times(check, rows.ints("ts"), "ts", "seconds")
        good_mint = np.array([m is not None and is_solana_address(m) for m in mints], np.bool_)
        check.unless(good_mint, "bad_token", "no mint address of 32 bytes in base58",
                     "write the token's mint", "mint")  # fmt: skip
        sides = rows.texts("side")
        check.unless(np.array([s in ("buy", "sell") for s in sides], np.bool_), "bad_side",
                     "neither buy nor sell", "write buy or sell", "side")  # fmt: skip
        traders = rows.texts("trader")
        check.unless(np.array([t is not None and 0 < len(t) <= 256 for t in traders], np.bool_),
                     "bad_trader", "no trader", "write the trader's address", "trader")  # fmt: skip
        sol, price = rows.floats("sol"), rows.floats("price_sol")
        value = sol * self._rate
        check.unless((sol >= 0) & (value <= MAX_VALUE_USD), "bad_number", "no amount of SOL",
                     "write how much SOL was paid or received", "sol")  # fmt: skip
        # a price that is not given is no mistake, and what dust says of it is not looked at
        firm = np.asarray(rows.batch["price_sol"].is_valid()) & (sol >= self._dust)
        usd = price * self._rate
        check.unless(~firm | ((usd >= MIN_PRICE_USD) & (usd <= 1e12)), "bad_number",
                     "a price that no token has", "write SOL per token, or nothing where it is not known",
                     "price_sol")  # fmt: skip
        known = np.isfinite(price) & (price > 0)
        check.unless(known | (sol > 0), "no_price", "neither a price nor an amount of SOL",
                     "nothing to do: such a swap says too little", "price_sol")  # fmt: skip
        good = np.flatnonzero(check.good)
        ids = self._ids(rows)
        at = ms[good]
        return rows_of(
            "tick",
            len(good),
            {
                "id": [ids[i] for i in good],
                "ts_event_ms": at + self.delays.event_ms("ticks"),
                "ts_log_ms": at + self.delays.log_ms("ticks"),
                "order": np.arange(rows.first, rows.first + n)[good],
                "token": [f"{SOLANA_MAINNET}/token:{mints[i]}" for i in good],
                "price_usd": pa.array(usd[good], mask=~firm[good]),
                "value_usd": value[good],
                "side": [sides[i] for i in good],
                "trader_id": [traders[i] for i in good],
                "venue": rows.batch["venue"].take(pa.array(good))
                if "venue" in rows.batch.schema.names
                else None,
                "usd_rate": np.full(len(good), self._rate),
            },
        )

    def _ids(self, rows: Rows) -> list[str]:
        names = [n for n in rows.batch.schema.names if n not in ("tx", "venue")]
        columns = [rows.batch[name].to_pylist() for name in names]
        hashes = [xxh64_hexdigest(repr(row).encode()) for row in zip(*columns, strict=True)]
        if "tx" not in rows.batch.schema.names:
            return [f"solana:{each}" for each in hashes]
        return [
            f"solana:{tx or ''}:{each}" for tx, each in zip(rows.texts("tx"), hashes, strict=True)
        ]

    def _infos(self, path: Path) -> list[Any]:
        try:
            listed = msgspec.json.decode(path.read_bytes(), type=list[_Token])
        except FileNotFoundError:
            raise InputFileError(f"no such file: {path}", "check the path of --tokens") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputFileError(
                f"{path} is no list of tokens ({error})",
                "write a JSON list of objects with mint, created (unix seconds) and supply",
            ) from None
        return [self._info(token, path) for token in listed]

    def _info(self, token: _Token, path: Path) -> Any:
        created = token.created * 1000
        supply = None if token.supply is None else CheckedNumber(token.supply, created)
        info = TokenInfo(
            f"solana:{token.mint}:created",
            created + self.delays.event_ms("ticks"),
            f"{SOLANA_MAINNET}/token:{token.mint}",
            ts_created_ms=created,
            supply=supply,
            ts_log_ms=created + self.delays.log_ms("ticks"),
        )
        try:
            return decode_record(encode_record(info))
        except RecordError as error:
            raise UserError(f"{path}: {token.mint[:60]!r}: {error}", "mend or remove it") from None


class _Token(msgspec.Struct):
    mint: str
    created: int
    supply: float | None = None
