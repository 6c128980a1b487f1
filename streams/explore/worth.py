"""What an alert was worth, by the prices that could be had after it was known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

import numpy as np
from numpy.typing import NDArray

from detectors.columns import TICK, Columns
from detectors.labels import DAY_MS, UNKNOWN, YES, barrier_labels
from streams.scenario.judge import PricePath

I8 = NDArray[np.int64]


@dataclass(frozen=True)
class Worth:
    """One alert's outcome.

    Parameters
    ----------
    label : 1 where the price reached 3 times the next executable one within 24 h before it fell by
        half, 0 where not, -1 where the log ends too early to tell, or nothing traded after it.
    multiple_ahead : highest price of those 24 h over the next executable one; None without a trade.
    """

    label: int
    multiple_ahead: float | None


@dataclass
class Prices:
    """Executed prices of tokens, gathered as their ticks go by.

    ``add`` keeps the ticks of tokens that are followed, and of all others those not older than
    ``since_ms``: a token that is followed from an alert on has all its prices after the alert.
    """

    followed: set[str] = field(default_factory=set)
    _parts: dict[str, list[tuple[I8, NDArray[np.float64]]]] = field(default_factory=dict)
    _recent: list[tuple[list[str], NDArray[np.int32], I8, I8]] = field(default_factory=list)
    _paths: dict[str, PricePath] = field(default_factory=dict)

    def add(self, columns: Columns | None, since_ms: int) -> None:
        """Take in the ticks of some rows, and forget others' from before ``since_ms``."""
        if columns is not None and len(columns):
            at = np.flatnonzero(columns.kind == TICK)
            self._recent.append(
                (columns.tokens, columns.token[at], columns.ts_event_ms[at], columns.a[at])
            )
        kept = []
        for tokens, token, ts_ms, packed in self._recent:
            if len(ts_ms) and int(ts_ms.max()) >= since_ms:
                kept.append((tokens, token, ts_ms, packed))
                continue
            self._keep(tokens, token, ts_ms, packed)
        self._recent = kept

    def path(self, token: str) -> PricePath:
        """Prices of a followed token by time; call it when all is taken in."""
        for part in self._recent:
            self._keep(*part)
        self._recent = []
        if token not in self._paths:
            parts = self._parts.get(token, [])
            ts_ms = np.concatenate([np.empty(0, np.int64), *(ts for ts, _ in parts)])
            price = np.concatenate([np.empty(0), *(p for _, p in parts)])
            order = np.argsort(ts_ms, kind="stable")
            self._paths[token] = PricePath(ts_ms[order], price[order])
        return self._paths[token]

    def _keep(self, tokens: list[str], token: NDArray[np.int32], ts_ms: I8, packed: I8) -> None:
        present = np.unique(token).tolist()
        for k in present:
            if tokens[k] in self.followed:
                rows = token == k
                self._parts.setdefault(tokens[k], []).append((ts_ms[rows], dollars(packed[rows])))


def dollars(packed: I8) -> NDArray[np.float64]:
    """Packed prices as doubles, in US dollars.

    >>> from detectors.price import pack_price
    >>> dollars(np.array([pack_price("0.0015"), pack_price(2)])).tolist()
    [0.0015, 2.0]
    """
    exponent = (packed & 255) - 128
    mantissa = (packed >> 8).astype(np.float64)
    small = mantissa / np.power(10.0, np.maximum(-exponent, 0))
    return np.asarray(small * np.power(10.0, np.maximum(exponent, 0)))


def worth(path: PricePath, available_ms: int, end_ms: int) -> Worth:
    """Outcome of an alert of a token that could be known at an instant; the log ends at ``end_ms``.

    >>> path = PricePath(np.array([10, 20, 30]), np.array([1.0, 4.0, 2.0]))
    >>> worth(path, 5, end_ms=100), worth(path, 35, end_ms=100)
    (Worth(label=1, multiple_ahead=4.0), Worth(label=-1, multiple_ahead=None))
    """
    at = np.array([available_ms], np.int64)
    (label,) = barrier_labels(at, path.ts_ms, path.price, end_ms=end_ms).tolist()
    return Worth(label, path.multiple_ahead(available_ms, available_ms + DAY_MS))


@dataclass(frozen=True)
class Record:
    """How a number of candidates turned out.

    ``low`` and ``high`` are the 95 % interval (Wilson 1927) of ``precision`` as a share of the
    ``known`` ones; None where none is known.
    """

    hits: int
    known: int
    unknown: int
    precision: float | None
    low: float | None
    high: float | None
    median_multiple_ahead: float | None


def record(found: Iterable[Worth]) -> Record:
    """Sum outcomes up.

    >>> record([Worth(1, 4.0), Worth(0, 1.0), Worth(-1, None)]).precision
    0.5
    """
    all_of = list(found)
    known = [each for each in all_of if each.label != UNKNOWN]
    hits = sum(each.label == YES for each in known)
    multiples = [each.multiple_ahead for each in all_of if each.multiple_ahead is not None]
    low, high = _wilson(hits, len(known)) if known else (None, None)
    return Record(
        hits,
        len(known),
        len(all_of) - len(known),
        round(hits / len(known), 4) if known else None,
        low,
        high,
        round(median(multiples), 4) if multiples else None,
    )


def _wilson(hits: int, n: int) -> tuple[float, float]:
    z = 1.959964
    share = hits / n
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return round(max(middle - half, 0.0), 4), round(min(middle + half, 1.0), 4)
