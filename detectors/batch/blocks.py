"""Bytes or characters of a text looked at together, compiled: which of them are of some kind.

References
----------
Langdale & Lemire (2019), Parsing gigabytes of JSON per second, The VLDB Journal 28.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numpy.typing import NDArray

from detectors.jit import WORD, Int64, compiled, int64
from detectors.vectors import as_bits, bits_among, every, place_of, same

BLOCK: Final = 32
"""Bytes or characters looked at together."""


def _bits_of_array(dtype: Any) -> Any:
    """The type of a function that asks for bits of arrays that lie in memory as blocks are read; numba refuses others."""

    def result(array: Any, *_: Any) -> Any:  # pragma: no cover - runs in numba's compiler alone
        return types.int64 if _is_plain(array, dtype) else None

    return result


def _is_plain(array: Any, dtype: Any) -> bool:  # pragma: no cover - runs in numba's compiler alone
    return isinstance(array, types.Array) and array.layout == "C" and array.dtype == dtype


def _block(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> Any:
    """BLOCK items of an array from the one on whose number comes behind it."""
    item = context.get_value_type(kinds[0].dtype)
    first = builder.gep(place_of(context, builder, kinds[0], args[0], item), [args[1]])
    many = ir.VectorType(item, BLOCK)
    return builder.load(builder.bitcast(first, many.as_pointer()), align=item.width // 8)


def plain_block(data: NDArray[Any], i: Int64) -> tuple[Int64, Int64]:
    r"""How many of the BLOCK bytes from i on come before a quote, backslash or control; of those, bits of the ones beyond ASCII.

    ``data`` is uint8 and holds them all.

    >>> raw = np.frombuffer('momo 龙"'.encode().ljust(BLOCK, b"\0"), np.uint8)
    >>> [int(x) for x in plain_block(raw, int64(0))]
    [8, 224]
    """
    block = data[int(i) : int(i) + BLOCK]
    stops = np.flatnonzero((block == 34) | (block == 92) | (block < 32))
    size = int(stops[0]) if len(stops) else BLOCK
    return int64(size), as_bits(block[:size] >= 128)


def _two_of_bytes(data: Any, _: Any) -> Any:  # pragma: no cover - runs in numba's compiler alone
    pair = types.UniTuple(types.int64, 2)  # type: ignore[attr-defined]
    return pair if _is_plain(data, types.uint8) else None


@compiled(plain_block, _two_of_bytes)
def _plain_block(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> Any:
    block = _block(context, builder, kinds, args)
    of = block.type
    stops = builder.or_(
        builder.or_(
            builder.icmp_unsigned("==", block, same(of, 34)),
            builder.icmp_unsigned("==", block, same(of, 92)),
        ),
        builder.icmp_unsigned("<", block, same(of, 32)),
    )
    beyond = builder.icmp_signed("<", block, same(of, 0))
    stops, beyond = (bits_among(builder, marks) for marks in (stops, beyond))
    size = builder.cttz(builder.or_(stops, WORD(1 << BLOCK)), ir.IntType(1)(1))
    before = builder.sub(builder.shl(WORD(1), size), WORD(1))
    return context.make_tuple(builder, _two_of_bytes(*kinds), [size, builder.and_(beyond, before)])


def bytes_between(data: NDArray[Any], i: Int64, low: int, high: int) -> Int64:
    r"""Of the BLOCK bytes from i on those that are ``low`` or more and ``high`` or less, as bits, the first the lowest.

    ``data`` is uint8 and holds them all.

    >>> int(bytes_between(np.frombuffer(b"a\nb\n".ljust(BLOCK), np.uint8), int64(0), 10, 10))
    10
    """
    block = data[int(i) : int(i) + BLOCK]
    return as_bits((block >= low) & (block <= high))


@compiled(bytes_between, _bits_of_array(types.uint8))
def _bytes_between(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> Any:
    block = _block(context, builder, kinds, args)
    above = builder.sub(block, every(builder, args[2], block.type))
    room = every(builder, builder.sub(args[3], args[2]), block.type)
    return bits_among(builder, builder.icmp_unsigned("<=", above, room))


def bits_of(text: NDArray[Any], i: Int64, bit: int) -> Int64:
    """Of the BLOCK characters from i on those with a bit, as bits, the first the lowest.

    ``text`` is int32 and holds them all.

    >>> int(bits_of(np.arange(BLOCK, dtype=np.int32), int64(0), 16)) == 0xFFFF0000
    True
    """
    return as_bits(text[int(i) : int(i) + BLOCK] & np.int32(bit) != 0)


@compiled(bits_of, _bits_of_array(types.int32))
def _bits_of(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> Any:
    block = _block(context, builder, kinds, args)
    some = builder.and_(block, every(builder, args[2], block.type))
    return bits_among(builder, builder.icmp_unsigned("!=", some, same(some.type, 0)))
