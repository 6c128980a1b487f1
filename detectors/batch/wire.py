"""Records as JSON, many at once: those of plain form as columns, the others for ``schemas.decode``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.batch import scan
from detectors.batch.flat import Flat
from detectors.batch.resolver import BatchResolver
from detectors.batch.strings import I8, U1, Strings
from detectors.batch.text_table import PLATFORMS, TOKENS
from detectors.columns import MENTION, TICK
from detectors.jit import wrapping


@dataclass(frozen=True)
class Scanned:
    """N records of which ``plain`` are of plain form, bool[N]; ``found`` holds what they say."""

    data: U1
    found: NDArray[np.int64]
    plain: NDArray[np.bool_]

    def part(self, start: int, stop: int) -> Scanned:
        """Some of the records, the last excluded."""
        return Scanned(self.data, self.found[:, start:stop], self.plain[start:stop])

    @property
    def ts_log_ms(self) -> I8:
        """Log times of plain records, event times where they have none, int64[N]; 0 for others."""
        return np.where(self.plain, self.found[scan.TS_LOG], 0)

    @property
    def kind(self) -> I8:
        """MENTION or TICK of plain records, int64[N]."""
        return self.found[scan.KIND]

    def flat(self, rows: I8, ts_log_ms: I8, resolver: BatchResolver) -> Flat:
        """Some of the plain records as columns, with their clamped log times."""
        found = self.found if len(rows) == len(self.plain) else self.found.take(rows, axis=1)
        kind = found[scan.KIND]
        ticks, mentions = np.flatnonzero(kind == TICK), np.flatnonzero(kind == MENTION)
        n = len(rows)
        aux, token, a, b, c = np.zeros((5, n), np.int64)
        texts = texts_of(self.data, found[scan.TEXT])
        if len(ticks):
            token = resolver.token_numbers.numbers(texts_of(self.data, found[scan.TOKEN]), ticks)
        if len(ticks) == n:
            aux, a = found[scan.SIDE], found[scan.PRICE]
            b, c = found[scan.VALUE], found[scan.LIQUIDITY]
        elif len(ticks):
            aux[ticks] = found[scan.SIDE][ticks]
            a[ticks] = found[scan.PRICE][ticks]
            b[ticks] = found[scan.VALUE][ticks]
            c[ticks] = found[scan.LIQUIDITY][ticks]
        if len(mentions):
            aux[mentions] = platform_numbers(self.data, found, mentions)
            b[mentions] = found[scan.REACH][mentions]
        return Flat(
            kind=kind.astype(np.uint8),
            aux=aux.astype(np.uint8),
            ts_event_ms=found[scan.TS_EVENT],
            ts_log_ms=ts_log_ms,
            order=found[scan.ORDER],
            ids=texts_of(self.data, found[scan.ID]),
            id=found[scan.ID_HASH],
            who=found[scan.WHO_HASH],
            token=token,
            a=a,
            b=b,
            c=c,
            texts=texts if len(mentions) == n else texts.take(mentions),
            mention_at=mentions,
        )


def scan_records(raws: Sequence[bytes]) -> Scanned:
    """Read JSON records, each a whole one.

    >>> beat = b'{"type":"heartbeat","id":"h","ts_event_ms":1736812800000}'
    >>> post = b'{"type":"mention","id":"m","ts_event_ms":1736812800000,"platform":"x","author_id":"a"}'
    >>> scan_records([beat, post]).plain.tolist()
    [False, True]
    """
    n = len(raws)
    found, plain = np.empty((scan.WIDTH, n), np.int64), np.zeros(n, np.bool_)
    data = np.frombuffer(b"\n".join(raws), np.uint8)
    sizes = np.fromiter(map(len, raws), np.int64, n)
    ends = np.cumsum(sizes + 1) - 1
    with wrapping():
        scan.scan_rows(data, ends - sizes, ends, found, plain)
    ticks = np.flatnonzero(plain & (found[scan.KIND] == TICK))
    if len(ticks):
        plain[ticks] = TOKENS.numbers(texts_of(data, found[scan.TOKEN]), ticks)[ticks] > 0
    return Scanned(data, found, plain)


def platform_numbers(data: U1, found: NDArray[np.int64], rows: I8) -> I8:
    """Numbers of the platforms of some mentions among what was found."""
    numbers = found[scan.PLATFORM_NUMBER][rows]
    odd = rows[numbers < 0]
    if len(odd):
        numbers[numbers < 0] = PLATFORMS.numbers(texts_of(data, found[scan.PLATFORM]), odd)[odd]
    return numbers


def texts_of(data: U1, packed: I8) -> Strings:
    """Texts by their places in the data, as ``scan`` gives them."""
    starts = packed >> scan.SIZE_BITS
    return Strings(data, starts, starts + (packed & ((1 << scan.SIZE_BITS) - 1)))
