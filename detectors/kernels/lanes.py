"""A token's rings looked at as a whole: sums, marks and sets without a branch."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numpy.typing import NDArray

from detectors.jit import WORD, Int64, compiled, int64, of_int64, of_none
from detectors.layout import LP_RING, M_COLS, SHORT, TEXTS
from detectors.simhash import LONG
from detectors.vectors import (
    as_bits,
    asked,
    bits_among,
    every,
    place_of,
    same,
)

SET_WORDS = 4
"""Words of 64 bits of a set of 256 bits, which is eight of 32 in a token's state."""


def _two_int64(*_: Any) -> Any:  # pragma: no cover - runs in numba's compiler alone
    return types.UniTuple(types.int64, 2)  # type: ignore[attr-defined]


def _lanes(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kind: Any, array: Any, count: int
) -> tuple[Any, Any]:
    """The first items of an array as one vector, and where they lie."""
    of = ir.VectorType(context.get_value_type(kind.dtype), count)
    place = place_of(context, builder, kind, array, of)
    return builder.load(place, align=kind.dtype.bitwidth // 8), place


def sums_since(
    bars: NDArray[Any], since: Int64, a: NDArray[Any], b: NDArray[Any]
) -> tuple[Int64, Int64]:
    """Sums of two rings of SHORT items, of those whose bar is later than ``since``.

    >>> bars = np.arange(SHORT, dtype=np.int32)
    >>> [int(x) for x in sums_since(bars, int64(9), bars, 2 * bars)]
    [21, 42]
    """
    some = bars > since
    return int64(a[some].sum()), int64(b[some].sum())


@compiled(sums_since, _two_int64)
def _sums_since(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> Any:
    bars, _ = _lanes(context, builder, kinds[0], args[0], SHORT)
    some = builder.icmp_signed(">", bars, every(builder, args[1], bars.type))
    wide = ir.VectorType(WORD, SHORT)
    sums = []
    for kind, array in zip(kinds[2:], args[2:], strict=True):
        items, _ = _lanes(context, builder, kind, array, SHORT)
        counted = builder.select(some, items, same(items.type, 0))
        if items.type != wide:
            counted = builder.sext(counted, wide)
        sums.append(asked(builder, "vector.reduce.add", WORD, counted))
    return context.make_tuple(builder, _two_int64(), sums)


def marks_since(bars: NDArray[Any], since: Int64, counts: NDArray[Any]) -> Int64:
    """Bits of those of SHORT bars that are later than ``since`` and have anything counted.

    >>> bin(marks_since(np.arange(SHORT), int64(5), np.arange(SHORT) % 2))
    '0b101010000000'
    """
    return as_bits((bars > since) & (counts > 0))


@compiled(marks_since, of_int64)
def _marks_since(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> Any:
    bars, _ = _lanes(context, builder, kinds[0], args[0], SHORT)
    counts, _ = _lanes(context, builder, kinds[2], args[2], SHORT)
    late = builder.icmp_signed(">", bars, every(builder, args[1], bars.type))
    some = builder.icmp_signed(">", counts, same(counts.type, 0))
    return bits_among(builder, builder.and_(late, some))


def hold(ring: NDArray[Any], newest: Int64, passed: Int64, value: Int64) -> None:
    """Write a value to the last ``passed`` places, up to ``newest``, of a ring of LP_RING items.

    >>> ring = np.zeros(LP_RING, np.int32)
    >>> hold(ring, int64(1), int64(3), int64(7))
    >>> ring.tolist()
    [7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]
    """
    age = (int(newest) - np.arange(LP_RING)) % LP_RING
    ring[:LP_RING][age < passed] = value


@compiled(hold, of_none)
def _hold(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> None:
    items, place = _lanes(context, builder, kinds[0], args[0], LP_RING)
    of = items.type
    since = builder.sub(every(builder, args[1], of), ir.Constant(of, list(range(LP_RING))))
    age = builder.and_(since, same(of, LP_RING - 1))
    new = builder.icmp_signed("<", age, every(builder, args[2], of))
    builder.store(builder.select(new, every(builder, args[3], of), items), place, align=4)


def near_marks(
    texts: NDArray[Any], bars: NDArray[Any], text: Int64, most: Int64, oldest: Int64
) -> Int64:
    """Bits of those of TEXTS fingerprints that are near a text's, and of bar ``oldest`` or later.

    Near are those that differ from it in ``most`` bits or fewer, where both are of long texts or neither.

    >>> texts = np.array([9, 13, 29, 61, 9, 9, 9, 11])
    >>> bars = np.array([5, 5, 5, 5, 4, 3, 5, 5], np.int32)
    >>> bin(near_marks(texts, bars, int64(9), int64(2), int64(4)))
    '0b1010111'
    """
    differ = texts ^ text
    far = np.bitwise_count(differ) + (differ & LONG) * WORD.width
    return as_bits((far <= most) & (bars >= oldest))


@compiled(near_marks, of_int64)
def _near_marks(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> Any:
    texts, _ = _lanes(context, builder, kinds[0], args[0], TEXTS)
    bars, _ = _lanes(context, builder, kinds[1], args[1], TEXTS)
    of = texts.type
    differ = builder.xor(texts, every(builder, args[2], of))
    kind = builder.mul(builder.and_(differ, same(of, LONG)), same(of, WORD.width))
    far = builder.add(asked(builder, "ctpop", of, differ), kind)
    near = builder.icmp_signed("<=", far, every(builder, args[3], of))
    late = builder.icmp_signed(">=", bars, every(builder, args[4], bars.type))
    return bits_among(builder, builder.and_(near, late))


def add_row(total: NDArray[Any], squares: NDArray[Any], row: NDArray[Any], sign: Int64) -> None:
    """Add M_COLS values to their sums and sums of squares; with sign -1 instead of 1 take them out.

    >>> total, squares = np.zeros(M_COLS, np.int64), np.zeros(M_COLS, np.int64)
    >>> add_row(total, squares, np.arange(M_COLS, dtype=np.int32), int64(-1))
    >>> total.tolist(), squares.tolist()
    ([0, -1, -2, -3, -4, -5, -6], [0, -1, -4, -9, -16, -25, -36])
    """
    x = row.astype(np.int64)
    total += sign * x
    squares += sign * (x * x)


@compiled(add_row, of_none)
def _add_row(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> None:
    row, _ = _lanes(context, builder, kinds[2], args[2], M_COLS)
    of = ir.VectorType(WORD, M_COLS)
    x = builder.sext(row, of)
    flip = every(builder, builder.ashr(args[3], WORD(63)), of)
    for k, added in enumerate((x, builder.mul(x, x))):
        sums, place = _lanes(context, builder, kinds[k], args[k], M_COLS)
        signed = builder.sub(builder.xor(added, flip), flip)
        builder.store(builder.add(sums, signed), place, align=8)


def unite(people: NDArray[Any], more: NDArray[Any]) -> None:
    """Add a set of 256 bits to another; each is 32 bytes, or an array that begins with them.

    >>> people = np.zeros(SET_WORDS, np.int64)
    >>> unite(people, np.arange(8, dtype=np.uint32))
    >>> int(ones(people))
    12
    """
    people.view(np.int64)[:SET_WORDS] |= more.view(np.int64)[:SET_WORDS]


def ones(people: NDArray[Any]) -> Int64:
    """How many bits of a set of 256 are there; it is 32 bytes, or an array that begins with them."""
    return int64(np.bitwise_count(people.view(np.uint64)[:SET_WORDS]).sum())


@compiled(unite, of_none)
def _unite(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> None:
    of = ir.VectorType(WORD, SET_WORDS)
    to, more = (place_of(context, builder, *pair, of) for pair in zip(kinds, args, strict=True))
    both = builder.or_(builder.load(to, align=4), builder.load(more, align=4))
    builder.store(both, to, align=4)


@compiled(ones, of_int64)
def _ones(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> Any:
    words = place_of(context, builder, kinds[0], args[0], WORD)
    total = WORD(0)
    for k in range(SET_WORDS):
        word = builder.load(builder.gep(words, [WORD(k)]), align=4)
        total = builder.add(total, builder.ctpop(word))
    return total
