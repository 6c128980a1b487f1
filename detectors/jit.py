"""Compilation of the kernels. Uncompiled (``NUMBA_DISABLE_JIT=1``) they give the same bytes.

Rules that keep that true: no fastmath, no libm beyond sqrt, no unsigned 64-bit arithmetic, no
product that wraps, narrow fields widened before arithmetic. ``detectors.batch.xxh64`` says which modules do without
two of them, and how.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import lower_builtin, type_callable
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


WORD: Final = ir.IntType(64)
Generator = Callable[[Any, Any, Any, Any], Any]


def compiled(
    python: Callable[..., Any], result: Callable[..., Any]
) -> Callable[[Generator], Generator]:
    """Let kernels call what a generator makes, where Python calls ``python``.

    ``result`` tells the type that numba expects for those of the arguments; None where it refuses
    them. The generator gets numba's context and builder, the types and the values.
    """

    def register(generate: Generator) -> Generator:
        @type_callable(python)
        def typing(_: Any) -> Any:  # pragma: no cover - runs in numba's compiler alone
            def typer(*kinds: Any) -> Any:
                return result(*kinds)

            typer.__signature__ = inspect.signature(python)  # type: ignore[attr-defined]
            return typer

        @lower_builtin(python, types.VarArg(types.Any))  # type: ignore[attr-defined]
        def lower(  # pragma: no cover - runs in numba's compiler alone
            context: Any, builder: Any, signature: Any, args: Any
        ) -> Any:
            made = generate(context, builder, signature.args, args)
            return context.get_dummy_value() if made is None else made

        return generate

    return register


def of_int64(*_: Any) -> Any:  # pragma: no cover - runs in numba's compiler alone
    """The type of what gives an int64, whatever it is given."""
    return types.int64


def of_none(*_: Any) -> Any:  # pragma: no cover - runs in numba's compiler alone
    """The type of what gives nothing."""
    return types.void


def prefetch(array: NDArray[Any], row: Int64, byte: int = 0) -> None:
    """Fetch the cache line of a row of a one-dimensional array; a hint, no more."""


@compiled(prefetch, of_none)
def _prefetch(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> None:
    data = context.make_array(kinds[0])(context, builder, args[0])
    row, *rest = (
        context.cast(builder, value, kind, types.int64)
        for value, kind in zip(args[1:], kinds[1:], strict=True)
    )
    pointer = ir.IntType(8).as_pointer()
    place = builder.mul(row, builder.extract_value(data.strides, 0))
    for byte in rest:
        place = builder.add(place, byte)
    line = builder.gep(builder.bitcast(data.data, pointer), [place])
    number = ir.IntType(32)
    function = builder.module.declare_intrinsic(
        "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), [pointer] + [number] * 3)
    )
    builder.call(function, [line, number(0), number(3), number(1)])


def popcount(x: Int64) -> Int64:
    """Ones among the bits of an integer that is not negative; one instruction where processors have it.

    >>> [int(popcount(x)) for x in (0, 0b1011, (1 << 63) - 1)]
    [0, 3, 63]
    """
    return int64(int(x).bit_count())


@compiled(popcount, of_int64)
def _popcount(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kinds: Any, args: Any
) -> Any:
    return builder.ctpop(context.cast(builder, args[0], kinds[0], types.int64))


@jit
def lowest(bits: Int64) -> tuple[Int64, Int64]:
    """The place of the lowest of some bits, and the others.

    >>> [int(x) for x in lowest(0b1100)]
    [2, 8]
    """
    rest = bits & (bits - 1)
    return popcount((bits ^ rest) - 1), rest
