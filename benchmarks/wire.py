"""The records of ``workload`` as producers send them: string ids, authors, posts' texts, prices.

Posts name their coin by cashtag, alias or contract address, in English and Chinese; one in ten names
none. Posts have numbers, authors names, fills Solana's signatures, traders addresses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.workload import workload
from schemas.platforms import PLATFORMS
from streams.files.schema import RECORD_SCHEMA, STORED
from streams.scenario.coins import Coin
from streams.scenario.talk import CHATTER, chatter_texts, coin_texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROW_GROUP: Final = 65_536
_LETTERS: Final = np.frombuffer(
    b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", np.uint8
)
_SYLLABLES: Final = (
    "mo", "ka", "zu", "pi", "re", "no", "ta", "li", "bo", "shi", "fu", "ga", "ne", "wa",
)  # fmt: skip
_HAN: Final = "金狗龙猫兔熊鱼鹤虎象鸭鹅狐狼鹿鲸"
_MOTHER: Final = "zzmother"
_POOL: Final = 60_000
"""Posts that differ before each coin's own words come in."""


def coins(n: int, seed: int = 7) -> list[Coin]:
    """Invented coins: a third has a Chinese alias, a quarter an ambiguous name."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        name = "".join(_SYLLABLES[k] for k in rng.integers(0, len(_SYLLABLES), 3)) + _word(i)
        han = "".join(_HAN[k] for k in rng.integers(0, len(_HAN), 3))
        aliases = (name, f"{name} cat", han) if i % 3 == 0 else (name, f"baby {name}")
        out.append(Coin(name.upper()[:12], name, aliases, i % 4 == 0, "high", key=str(i)))
    return out


def lexicon_text(of: list[Coin]) -> str:
    """Their lexicon, as JSON."""
    tokens = [
        {
            "token": coin.token,
            "symbol": coin.symbol,
            "name": coin.name,
            "aliases": list(coin.aliases),
            "ambiguous": coin.ambiguous,
            "liquidity_class": coin.liquidity_class,
        }
        for coin in of
    ]
    return json.dumps({"versions": [{"version": 1, "effective_log_ms": 0, "tokens": tokens}]})


def wire_table(n: int, n_tokens: int, hours: float = 24.0, seed: int = 7) -> pa.Table:
    """``n`` records of ``workload`` in log order, as a Parquet file of records holds them."""
    rows, rng = workload(n, n_tokens, hours, seed), np.random.default_rng(seed)
    named = coins(n_tokens)
    tick = rows.kind == 1
    price = (rows.a >> 8) * 1e-12
    columns: dict[str, Any] = {
        name: pa.nulls(n, RECORD_SCHEMA.field(name).type) for name in RECORD_SCHEMA.names
    }
    columns["type"] = _picked(tick.astype(np.int64), ["mention", "tick"])
    columns["id"] = _either(
        tick, _signatures(rng, int(tick.sum())), _numbers(rng, int((~tick).sum()))
    )
    columns["ts_event_ms"] = pa.array(rows.ts_event_ms)
    columns["ts_log_ms"] = pa.array(rows.ts_log_ms)
    columns["order"] = pa.array(np.where(tick, np.arange(n), 0))
    who = rows.who % 500_000
    authors = [f"user{number}" for number in range(500_000)]
    traders = _signatures(rng, 500_000, 44)
    columns["author_id"] = _masked(_picked(who, authors), tick)
    columns["trader_id"] = _masked(_picked(who, traders), ~tick)
    columns["platform"] = _masked(_picked(rows.aux.astype(np.int64), list(PLATFORMS)), tick)
    columns["text"] = _masked(pa.array(_texts(rng, rows.token, tick, named)), tick)
    columns["reach"] = pa.array(rows.b, mask=tick)
    columns["token"] = _masked(
        _picked(rows.token.astype(np.int64), [c.token for c in named]), ~tick
    )
    columns["price_usd"] = pa.array(
        np.array([float(f"{x:.6g}") for x in price.tolist()]), mask=~tick
    )
    columns["value_usd"] = pa.array(np.round(rows.b / 1e6, 2), mask=~tick)
    columns["side"] = _masked(_picked((rows.aux == 1).astype(np.int64), ["buy", "sell"]), ~tick)
    columns["liquidity_usd"] = pa.array(np.round(rows.c / 1e6), mask=~tick)
    return pa.table([columns[name] for name in RECORD_SCHEMA.names], schema=RECORD_SCHEMA)


def write_wire(table: pa.Table, path: Path) -> None:
    """A file as ``streams.files.write`` makes it."""
    pq.write_table(table, path, row_group_size=ROW_GROUP, **STORED)


def wire_lines(table: pa.Table) -> Iterator[bytes]:
    """The records as JSON, as producers send them."""
    encode = msgspec.json.Encoder().encode
    for batch in table.to_batches(max_chunksize=10_000):
        for row in batch.to_pylist():
            yield encode({name: value for name, value in row.items() if value is not None})


def _texts(
    rng: np.random.Generator, token: NDArray[np.int32], tick: NDArray[np.bool_], named: list[Coin]
) -> list[str | None]:
    """A post a row, None for ticks: a post about some coin, with this coin's words put in."""
    mother = Coin(_MOTHER.upper(), _MOTHER, (_MOTHER, "鑫鑫鑫"))
    pool = coin_texts(rng, mother, _POOL)
    chatter = [text for subject in CHATTER for text in chatter_texts(rng, subject, 3_000)]
    which = rng.integers(0, _POOL, len(token)).tolist()
    talk = rng.integers(0, len(chatter), len(token)).tolist()
    silent = (rng.random(len(token)) < 0.1).tolist()
    mint = mother.mint
    mints = [coin.mint for coin in named]
    out: list[str | None] = []
    for i, (t, is_tick) in enumerate(zip(token.tolist(), tick.tolist(), strict=True)):
        if is_tick:
            out.append(None)
        elif silent[i]:
            out.append(chatter[talk[i]])
        else:
            coin = named[t]
            text = pool[which[i]]
            if mint in text:
                text = text.replace(mint, mints[t])
            else:
                text = text.replace(mother.symbol, coin.symbol).replace(_MOTHER, coin.name)
                text = text.replace("鑫鑫鑫", coin.aliases[-1])
            out.append(text)
    return out


def _word(number: int) -> str:
    """A number in letters, so that a name stays one word."""
    out = ""
    while number:
        number, digit = divmod(number, 20)
        out += "bcdfghjklmnpqrstvwxz"[digit]
    return out


def _picked(codes: NDArray[np.int64], names: Any) -> pa.Array:
    names = names if isinstance(names, pa.Array) else pa.array(names, pa.string())
    return names.take(pa.array(codes))


def _masked(column: pa.Array, hide: NDArray[np.bool_]) -> pa.Array:
    return pa.compute.if_else(pa.array(hide), pa.scalar(None, pa.string()), column)


def _either(tick: NDArray[np.bool_], ticks: pa.Array, mentions: pa.Array) -> pa.Array:
    both = pa.concat_arrays([mentions, ticks])
    at = np.where(tick, len(mentions) + np.cumsum(tick) - 1, np.cumsum(~tick) - 1)
    return both.take(pa.array(at))


def _signatures(rng: np.random.Generator, n: int, chars: int = 88) -> pa.Array:
    letters = _LETTERS[rng.integers(0, 58, (n, chars), np.uint8)]
    texts = np.ascontiguousarray(letters).view(f"S{chars}").reshape(-1).tolist()
    return pa.array([raw.decode() for raw in texts], pa.string())


def _numbers(rng: np.random.Generator, n: int) -> pa.Array:
    numbers = 1_879_000_000_000_000_000 + rng.integers(1, 1 << 20, n).cumsum()
    return pa.array(numbers).cast(pa.string())
