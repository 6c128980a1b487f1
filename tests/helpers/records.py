"""Strategies for records, and columns that can be compared."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

from detectors.batch.resolver import BatchResolver
from detectors.batch.strings import Strings
from detectors.columns import ARRAYS, Columns, columns_of, columns_of_mentions
from detectors.resolve.lexicon import Lexicon
from detectors.resolve.resolver import Resolver
from schemas.records import (
    CheckedNumber,
    Control,
    Gap,
    Gauge,
    Heartbeat,
    Holders,
    Mention,
    Pool,
    Record,
    Tick,
    TokenInfo,
)
from streams.files.kinds import recognise
from streams.files.order import merged, scan, sources_of
from streams.files.rows import Chunk
from streams.replay.following import Fixed
from streams.replay.steps import gather

T0 = 1_736_812_800_000
TOKENS = (
    "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:So11111111111111111111111111111111111111112",
    "eip155:8453/erc20:0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359",
    "eip155:1/erc20:0x" + "0" * 40,
)
TICK: dict[str, Any] = {
    "type": "tick", "id": "t", "ts_event_ms": T0, "token": TOKENS[0], "price_usd": 0.5,
    "value_usd": 10.0, "side": "buy", "trader_id": "w",
}  # fmt: skip
"""A good tick as JSON or a row has it."""
LEXICON = Lexicon.parse(
    '{"versions": [{"version": 1, "effective_log_ms": 0, "tokens": ['
    f'{{"token": "{TOKENS[1]}", "symbol": "MOMO", "aliases": ["金狗", "the moon"]}}]}}]}}'
)

times = st.integers(T0, T0 + 3_600_000)
maybe_times = st.none() | times
ids = st.text(min_size=1, max_size=12)
orders = st.integers(-(2**62), 2**62)
texts = st.text(max_size=80) | st.sampled_from(["$MOMO 金狗 to the moon", "", "​‮RLO"])
prices = (
    st.floats(1e-18, 1e12)
    | st.integers(1, 10**12)
    | st.decimals("1e-15", "1e9", allow_nan=False, places=24).map(str)
    | st.sampled_from([1e-12, 1e9, "0.000000000001", "1234567.89012345678901", 0.1 + 0.2])
)
money = (
    st.floats(0, 1e12)
    | st.integers(0, 10**12)
    | st.decimals("0", "1e9", allow_nan=False, places=6).map(str)
    | st.sampled_from([0.0000005, 0.0000015, 2.5e-6, "0.0000025", 999999999999.9999])
)
mentions = st.builds(
    Mention,
    id=ids,
    ts_event_ms=times,
    platform=st.sampled_from(["x", "telegram", "RedNote", "usenet"]),
    author_id=ids,
    text=texts,
    tokens=st.lists(st.sampled_from(TOKENS), max_size=3, unique=True).map(
        lambda found: tuple(sorted(found))
    ),
    reach=st.integers(0, 10**12),
    lang=st.none() | st.just("zh"),
    order=orders,
    ts_post_ms=maybe_times,
    ts_log_ms=maybe_times,
)
ticks = st.builds(
    Tick,
    id=ids,
    ts_event_ms=times,
    token=st.sampled_from(TOKENS),
    price_usd=prices,
    value_usd=money,
    side=st.sampled_from(["buy", "sell"]),
    trader_id=ids,
    liquidity_usd=st.none() | money,
    venue=st.none() | st.just("raydium"),
    usd_rate=st.none() | st.sampled_from([181.25, "181.25", "0.1234567890123456789"]),
    order=orders,
    ts_log_ms=maybe_times,
)
infos = st.builds(
    TokenInfo,
    id=ids,
    ts_event_ms=times,
    token=st.sampled_from(TOKENS),
    ts_created_ms=maybe_times,
    supply=st.none() | st.builds(CheckedNumber, st.integers(0, 2**61), times),
    pools=st.lists(st.builds(Pool, st.just("p"), st.just("raydium"), times), max_size=1).map(tuple),
    holders=st.none() | st.builds(Holders, times, st.integers(0, 9)),
    ts_log_ms=maybe_times,
)
others = st.one_of(
    st.builds(Heartbeat, id=ids, ts_event_ms=times, log_start_ms=maybe_times, ts_log_ms=maybe_times),
    st.builds(Gap, id=ids, ts_event_ms=times, ts_from_ms=times, ts_until_ms=times, reason=texts),
    st.builds(
        Gauge, id=ids, ts_event_ms=times, narrative=ids, name=ids,
        value=st.floats(-1e9, 1e9), cumulative=st.booleans(),
    ),
    st.builds(
        Control, id=ids, ts_event_ms=times, effective_log_ms=times, setting=ids, value=texts
    ),
)  # fmt: skip
records: st.SearchStrategy[Record] = st.one_of(mentions, ticks, infos, others)


def prints_of(resolver: BatchResolver, texts: Sequence[str]) -> list[int]:
    """Fingerprints of texts, each of which a source says to be about a token."""
    about = dict.fromkeys(range(len(texts)), (TOKENS[0],))
    found = resolver.resolve(Strings.of(texts), np.zeros(len(texts), np.int64), about)
    prints: list[int] = found.prints.tolist()
    return prints


def plain(columns: Columns | None) -> list[tuple[Any, ...]]:
    """Rows of columns, tokens by name: equal only if every bit is."""
    if columns is None:
        return []
    for name in ARRAYS:
        array = getattr(columns, name)
        assert array.flags.c_contiguous, name
        assert array.dtype == {"token": np.int32, "kind": np.uint8, "aux": np.uint8}.get(
            name, np.int64
        ), name
    assert columns.ids is not None
    names = [columns.tokens[i] for i in columns.token.tolist()]
    rest = [getattr(columns, name).tolist() for name in ARRAYS if name != "token"]
    return list(zip(names, columns.ids, *rest, strict=True))


def same_value(a: Any, b: Any) -> bool:
    """Whether two numbers of a record say the same, as text or not."""
    return a is b or (None not in (a, b) and Decimal(str(a)) == Decimal(str(b)))


def log_ms(record: Record) -> int:
    return record.ts_event_ms if record.ts_log_ms is None else record.ts_log_ms


def rows_one_by_one(found: Sequence[Record]) -> list[tuple[Any, ...]]:
    """Rows of columns of records, by the core's functions for one record."""
    resolver = Resolver(LEXICON)
    kept = [r for r in found if isinstance(r, Tick | TokenInfo)]
    named = [
        (token, record, log_ms(record))
        for record in found
        if isinstance(record, Mention)
        for token in resolver.resolve(record, log_ms(record))
    ]
    return plain(columns_of(kept, list(map(log_ms, kept)))) + plain(columns_of_mentions(named))


def chunks_of(path: Path) -> list[Chunk]:
    """A file's records as a replay reads them, one chunk after the other."""
    sources = sources_of(scan(recognise(path)), path.parent / "spill")
    return [chunk for chunks in merged(sources) for chunk in chunks]


def rows_of_chunks(chunks: Sequence[Chunk]) -> list[tuple[Any, ...]]:
    """Rows of the columns that a replay makes of chunks side by side."""
    columns = gather(chunks, Fixed(BatchResolver(LEXICON)))[0] if chunks else None
    if columns is not None:
        assert (np.diff(columns.ts_log_ms) >= 0).all()
    return plain(columns)
