"""Records as columns: what an engine's push takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.strings import Chained, Strings
from detectors.hashing import hash64, text_fingerprint
from detectors.price import micro_usd, pack_price
from schemas.numbers import parse_decimal
from schemas.platforms import platform_number
from schemas.records import Mention, Tick, TokenInfo

MENTION: Final = 0
TICK: Final = 1
INFO: Final = 2
UNKNOWN: Final = -1


@dataclass
class Columns:
    """N records of any kinds, one array a field, C-contiguous.

    ``token`` indexes ``tokens``, which may hold more than occur. ``id`` and ``who`` are 63-bit hashes. By kind:

    ======== ============================ ==================== ======================
    column   mention (0)                  tick (1)             token info (2)
    ======== ============================ ==================== ======================
    ``aux``  platform number              0 buy, 1 sell        0
    ``a``    text fingerprint             packed price         created, ms, -1 unknown
    ``b``    reach, people                value, micro-USD     supply, -1 unknown
    ``c``    0                            liquidity, micro-USD -1
    ======== ============================ ==================== ======================
    """

    tokens: list[str]
    token: NDArray[np.int32]
    kind: NDArray[np.uint8]
    aux: NDArray[np.uint8]
    ts_event_ms: NDArray[np.int64]
    ts_log_ms: NDArray[np.int64]
    order: NDArray[np.int64]
    id: NDArray[np.int64]
    who: NDArray[np.int64]
    a: NDArray[np.int64]
    b: NDArray[np.int64]
    c: NDArray[np.int64]
    ids: Sequence[str] | None = field(default=None)

    def __len__(self) -> int:
        return len(self.token)

    def take(self, rows: NDArray[np.int64] | slice) -> Columns:
        """The same columns with some rows, in the given order; ``tokens`` is shared."""
        arrays = {name: getattr(self, name)[rows] for name in ARRAYS}
        ids = self.ids
        if ids is not None:
            if isinstance(rows, slice):
                ids = ids[rows]
            elif isinstance(ids, (Strings, Chained)):
                ids = ids.take(rows)
            else:
                ids = [ids[i] for i in rows.tolist()]
        return Columns(self.tokens, ids=ids, **arrays)

    def compact(self) -> Columns:
        """The same rows, where ``tokens`` may hold others: then only those that occur, in their order.

        >>> c = Columns(
        ...     ["b", "a", "c"], np.array([2, 0], np.int32), *([np.zeros(2)] * 10)
        ... ).compact()
        >>> c.tokens, c.token.tolist()
        (['b', 'c'], [1, 0])
        """
        new = np.zeros(len(self.tokens), np.int32)
        new[self.token] = 1
        used = np.flatnonzero(new)
        if len(used) == len(new):
            return self
        new[used] = np.arange(len(used))
        return replace(self, tokens=[self.tokens[i] for i in used.tolist()], token=new[self.token])


ARRAYS: Final = tuple(f.name for f in fields(Columns) if f.name not in ("tokens", "ids"))
DTYPES: Final = {"token": np.int32, "kind": np.uint8, "aux": np.uint8}
_ROW = tuple[int, int, int, int, int, int, int, int, int, int, int]


def columns_of(records: Sequence[Tick | TokenInfo], ts_log_ms: Sequence[int]) -> Columns:
    """Columns of ticks and token infos, with their clamped log times.

    >>> tick = Tick("t1", 1_736_812_800_000, "eip155:1/erc20:0x" + "0" * 40, "0.5", 10, "sell", "w")
    >>> c = columns_of([tick], [1_736_812_800_100])
    >>> c.aux.tolist(), c.b.tolist(), c.c.tolist()
    ([1], [10000000], [-1])
    """
    numbers: dict[str, int] = {}
    rows = [
        _tick_row(numbers, record, log_ms)
        if isinstance(record, Tick)
        else _info_row(numbers, record, log_ms)
        for record, log_ms in zip(records, ts_log_ms, strict=True)
    ]
    return _build(numbers, rows, [record.id for record in records])


def columns_of_mentions(rows: Sequence[tuple[str, Mention, int]]) -> Columns:
    """Columns of resolved mentions: (token id, mention, clamped log time).

    >>> m = Mention("m1", 1_736_812_800_000, "x", "alice", "to the moon")
    >>> columns_of_mentions([("eip155:1/erc20:0x" + "0" * 40, m, 1_736_812_800_000)]).kind.tolist()
    [0]
    """
    numbers: dict[str, int] = {}
    out = [
        (
            numbers.setdefault(token, len(numbers)),
            MENTION,
            platform_number(mention.platform),
            mention.ts_event_ms,
            log_ms,
            mention.order,
            hash64(mention.id),
            hash64(mention.author_id),
            text_fingerprint(mention.text),
            mention.reach,
            0,
        )
        for token, mention, log_ms in rows
    ]
    return _build(numbers, out, [mention.id for _, mention, _ in rows])


def _tick_row(numbers: dict[str, int], tick: Tick, log_ms: int) -> _ROW:
    liquidity = tick.liquidity_usd
    return (
        numbers.setdefault(tick.token, len(numbers)),
        TICK,
        1 if tick.side == "sell" else 0,
        tick.ts_event_ms,
        log_ms,
        tick.order,
        hash64(tick.id),
        hash64(tick.trader_id),
        pack_price(tick.price_usd),
        micro_usd(tick.value_usd, "value_usd"),
        UNKNOWN if liquidity is None else micro_usd(liquidity, "liquidity_usd"),
    )


def _info_row(numbers: dict[str, int], info: TokenInfo, log_ms: int) -> _ROW:
    supply = info.supply
    return (
        numbers.setdefault(info.token, len(numbers)),
        INFO,
        0,
        info.ts_event_ms,
        log_ms,
        info.order,
        hash64(info.id),
        0,
        UNKNOWN if info.ts_created_ms is None else info.ts_created_ms,
        UNKNOWN if supply is None else int(parse_decimal(supply.value, "supply.value")),
        UNKNOWN,
    )


def _build(numbers: dict[str, int], rows: Sequence[_ROW], ids: Sequence[str]) -> Columns:
    table = np.array(rows, np.int64).reshape(len(rows), len(ARRAYS)).T
    arrays = {
        name: np.ascontiguousarray(table[i], DTYPES.get(name, np.int64))
        for i, name in enumerate(ARRAYS)
    }
    return Columns(list(numbers), ids=ids, **arrays)
