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
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

from detectors.jit import Int64, int64

BLOCK: Final = 32
"""Bytes or characters looked at together."""


def _is_plain(array: Any, kind: Any) -> bool:  # pragma: no cover - runs in numba's compiler alone
    """Whether a type is one of arrays that lie in memory as blocks are read: numba refuses others."""
    return isinstance(array, types.Array) and array.layout == "C" and array.dtype == kind


def _place(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, signature: Any, args: Any
) -> Any:
    """Where the item begins whose number comes behind an array's."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


def _block(builder: Any, place: Any, bits: int) -> Any:  # pragma: no cover - the same
    """BLOCK items from a place on."""
    many = ir.VectorType(ir.IntType(bits), BLOCK)
    return builder.load(builder.bitcast(place, many.as_pointer()), align=bits // 8)


def _every(builder: Any, item: Any, bits: int) -> Any:  # pragma: no cover - the same
    """BLOCK times one int64, cut to so many bits."""
    one, many = ir.IntType(bits), ir.VectorType(ir.IntType(bits), BLOCK)
    nothing, firsts = ir.Constant(many, ir.Undefined), ir.VectorType(ir.IntType(32), BLOCK)
    single = builder.insert_element(nothing, builder.trunc(item, one), ir.IntType(32)(0))
    return builder.shuffle_vector(single, nothing, ir.Constant(firsts, [0] * BLOCK))


def _bits_among(builder: Any, marks: Any) -> Any:  # pragma: no cover - the same
    """BLOCK marks as the bits of an int64."""
    return builder.zext(builder.bitcast(marks, ir.IntType(BLOCK)), ir.IntType(64))


def _as_bits(marks: NDArray[np.bool_]) -> Int64:
    """The same in numpy."""
    return int64(int.from_bytes(np.packbits(marks, bitorder="little").tobytes(), "little"))


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
    return int64(size), _as_bits(block[:size] >= 128)


@intrinsic
def _marks(  # pragma: no cover - runs in numba's compiler alone
    _: Any,
    data: Any,
    i: Any,  # noqa: ARG001 - numba wants the names of the arguments
) -> Any:
    pair = types.UniTuple(types.int64, 2)  # type: ignore[attr-defined]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        block = _block(builder, _place(context, builder, signature, args), 8)

        def every(byte: int) -> Any:
            return ir.Constant(block.type, [byte] * BLOCK)

        stops = builder.or_(
            builder.or_(
                builder.icmp_unsigned("==", block, every(34)),
                builder.icmp_unsigned("==", block, every(92)),
            ),
            builder.icmp_unsigned("<", block, every(32)),
        )
        beyond = builder.icmp_signed("<", block, every(0))
        stops, beyond = (_bits_among(builder, marks) for marks in (stops, beyond))
        size = builder.cttz(
            builder.or_(stops, ir.Constant(word, 1 << BLOCK)), ir.Constant(ir.IntType(1), 1)
        )
        one = ir.Constant(word, 1)
        before = builder.sub(builder.shl(one, size), one)
        return context.make_tuple(builder, pair, [size, builder.and_(beyond, before)])

    return pair(data, types.int64), generate


@overload(plain_block, inline="always")
def _plain_block(  # pragma: no cover - runs in numba's compiler alone
    data: Any,
    i: Any,  # noqa: ARG001
) -> Any:
    def look(data: Any, i: Any) -> Any:
        return _marks(data, i)

    return look if _is_plain(data, types.uint8) else None


def bytes_between(data: NDArray[Any], i: Int64, low: int, high: int) -> Int64:
    r"""Of the BLOCK bytes from i on those that are ``low`` or more and ``high`` or less, as bits, the first the lowest.

    ``data`` is uint8 and holds them all.

    >>> int(bytes_between(np.frombuffer(b"a\nb\n".ljust(BLOCK), np.uint8), int64(0), 10, 10))
    10
    """
    block = data[int(i) : int(i) + BLOCK]
    some = (block >= low) & (block <= high)
    return _as_bits(some)


@intrinsic
def _between(  # pragma: no cover - runs in numba's compiler alone
    _: Any,
    data: Any,
    i: Any,  # noqa: ARG001 - numba wants the names of the arguments
    low: Any,  # noqa: ARG001
    high: Any,  # noqa: ARG001
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = _block(builder, _place(context, builder, signature, args), 8)
        above = builder.sub(block, _every(builder, args[2], 8))
        room = _every(builder, builder.sub(args[3], args[2]), 8)
        marks = builder.icmp_unsigned("<=", above, room)
        return _bits_among(builder, marks)

    return types.int64(data, types.int64, types.int64, types.int64), generate


@overload(bytes_between, inline="always")
def _bytes_between(  # pragma: no cover - runs in numba's compiler alone
    data: Any,
    i: Any,  # noqa: ARG001
    low: Any,  # noqa: ARG001
    high: Any,  # noqa: ARG001
) -> Any:
    def look(data: Any, i: Any, low: Any, high: Any) -> Any:
        return _between(data, i, low, high)

    return look if _is_plain(data, types.uint8) else None


def bits_of(text: NDArray[Any], i: Int64, bit: int) -> Int64:
    """Of the BLOCK characters from i on those with a bit, as bits, the first the lowest.

    ``text`` is int32 and holds them all.

    >>> int(bits_of(np.arange(BLOCK, dtype=np.int32), int64(0), 16)) == 0xFFFF0000
    True
    """
    some = text[int(i) : int(i) + BLOCK] & np.int32(bit) != 0
    return _as_bits(some)


@intrinsic
def _bits(  # pragma: no cover - runs in numba's compiler alone
    _: Any,
    text: Any,
    i: Any,  # noqa: ARG001 - numba wants the names of the arguments
    bit: Any,  # noqa: ARG001
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = _block(builder, _place(context, builder, signature, args), 32)
        some = builder.and_(block, _every(builder, args[2], 32))
        marks = builder.icmp_unsigned("!=", some, ir.Constant(some.type, [0] * BLOCK))
        return _bits_among(builder, marks)

    return types.int64(text, types.int64, types.int64), generate


@overload(bits_of, inline="always")
def _bits_of(  # pragma: no cover - runs in numba's compiler alone
    text: Any,
    i: Any,  # noqa: ARG001
    bit: Any,  # noqa: ARG001
) -> Any:
    def look(text: Any, i: Any, bit: Any) -> Any:
        return _bits(text, i, bit)

    return look if _is_plain(text, types.int32) else None
