"""Compilation of the kernels. Uncompiled (``NUMBA_DISABLE_JIT=1``) they give the same bytes.

Rules that keep that true: no fastmath, no libm beyond sqrt, no unsigned 64-bit arithmetic, no
product that wraps, narrow fields widened before arithmetic. ``detectors.batch.xxh64`` says which modules do without
two of them, and how.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray

P = ParamSpec("P")
R = TypeVar("R")
Int64: TypeAlias = Any
"""A whole number: int64 when compiled, int or a numpy scalar when not, which mypy keeps apart."""
int64: Any = np.int64
"""The same as a call: a variable that begins so is one type from its first use, so that what it is
passed to is compiled once, not for a literal too."""
nth: Any = np.uintp
"""A place in an array that is certainly not negative: numba then leaves out what would wrap it."""
Record: TypeAlias = Any
"""One record of a structured array: numpy types its fields as Any, numba knows them exactly."""


_MAKERS: Final = frozenset(("empty", "zeros"))


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel; on disk between runs where a cache folder is set (by the caller).

    A kernel that makes no array of its own (``np.empty``, ``np.zeros``) only borrows those it is given,
    and is compiled without counting references to them: each count is an atomic operation, and there
    were several for each text. It cannot return an array.

    A kernel is put into those that call it: arrays are seven words each to pass on, and what a loop
    knows of them is lost in a call.
    """
    makes_arrays = not _MAKERS.isdisjoint(function.__code__.co_names)
    compiled: Callable[P, R] = numba.njit(
        cache=bool(numba.config.CACHE_DIR),
        fastmath=False,
        error_model="numpy",
        nogil=True,
        _nrt=makes_arrays,
        forceinline=True,
    )(function)
    return compiled


_AS_IT_IS: Final = nullcontext()
wrapping: Final[Callable[[], AbstractContextManager[Any]]] = (
    partial(np.errstate, over="ignore") if numba.config.DISABLE_JIT else lambda: _AS_IT_IS
)
"""Around calls of kernels whose unsigned products wrap: numpy warns of that, compiled kernels do not look."""


def prefetch(array: NDArray[Any], row: Int64, byte: int = 0) -> None:
    """Fetch the cache line of a row of a one-dimensional array; a hint, no more."""


@intrinsic
def _fetch_line(  # pragma: no cover - runs in numba's compiler alone
    _: Any,
    array: Any,
    row: Any,  # noqa: ARG001 - numba wants the names of the arguments
    byte: Any,  # noqa: ARG001
) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = ir.IntType(8).as_pointer()
        step = builder.extract_value(data.strides, 0)
        place = builder.add(builder.mul(args[1], step), args[2])
        line = builder.gep(builder.bitcast(data.data, pointer), [place])
        number = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), [pointer] + [number] * 3)
        )
        builder.call(function, [line, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


@overload(prefetch, inline="always")
def _prefetch(  # pragma: no cover - runs in numba's compiler alone
    array: Any,  # noqa: ARG001 - numba wants the names of the arguments
    row: Any,  # noqa: ARG001
    byte: Any = 0,  # noqa: ARG001
) -> Any:
    def fetch(array: Any, row: Any, byte: Any = 0) -> None:
        _fetch_line(array, row, byte)

    return fetch


def popcount(x: Int64) -> Int64:
    """Ones among the bits of an integer that is not negative; one instruction where processors have it.

    >>> [int(popcount(x)) for x in (0, 0b1011, (1 << 63) - 1)]
    [0, 3, 63]
    """
    return int64(int(x).bit_count())


@intrinsic
def _count_ones(  # pragma: no cover - runs in numba's compiler alone
    _: Any,
    x: Any,  # noqa: ARG001
) -> Any:
    def generate(_: Any, builder: Any, __: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.int64(types.int64), generate


@overload(popcount, inline="always")
def _popcount(x: Any) -> Any:  # pragma: no cover - runs in numba's compiler alone  # noqa: ARG001
    def count(x: Any) -> Any:
        return _count_ones(x)

    return count


@jit
def lowest(bits: Int64) -> tuple[Int64, Int64]:
    """The place of the lowest of some bits, and the others.

    >>> [int(x) for x in lowest(0b1100)]
    [2, 8]
    """
    rest = bits & (bits - 1)
    return popcount((bits ^ rest) - 1), rest
