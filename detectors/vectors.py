"""Functions of several items at once, compiled: each beside what it means in numpy.

Loops of a dozen rounds compile to as many branches, which nobody can foretell, and numba has no vectors
of its own; LLVM has, for whatever processor it compiles.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import lower_builtin, type_callable
from numpy.typing import NDArray

from detectors.jit import Int64, int64

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


def place_of(  # pragma: no cover - runs in numba's compiler alone
    context: Any, builder: Any, kind: Any, array: Any, of: Any
) -> Any:
    """Where an array's items lie, as a pointer to vectors or words of type ``of``."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(data, of.as_pointer())


def every(builder: Any, item: Any, of: Any) -> Any:  # pragma: no cover - the same
    """One int64 in every lane of a vector of type ``of``, cut to the lanes' width."""
    nothing, firsts = ir.Constant(of, ir.Undefined), ir.VectorType(ir.IntType(32), of.count)
    one = item if of.element == WORD else builder.trunc(item, of.element)
    single = builder.insert_element(nothing, one, ir.IntType(32)(0))
    return builder.shuffle_vector(single, nothing, ir.Constant(firsts, [0] * of.count))


def same(of: Any, value: int) -> Any:  # pragma: no cover - the same
    """A constant in every lane."""
    return ir.Constant(of, [value] * of.count)


def bits_among(builder: Any, marks: Any) -> Any:  # pragma: no cover - the same
    """Marks as the bits of an int64, the first the lowest."""
    return builder.zext(builder.bitcast(marks, ir.IntType(marks.type.count)), WORD)


def asked(  # pragma: no cover - the same
    builder: Any, name: str, result: Any, lanes: Any
) -> Any:
    """What one of LLVM's own functions gives of a vector."""
    kind = ir.FunctionType(result, [lanes.type])
    full = f"llvm.{name}.v{lanes.type.count}i{lanes.type.element.width}"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, full), [lanes])


def as_bits(marks: NDArray[np.bool_]) -> Int64:
    """``bits_among`` in numpy.

    >>> int(as_bits(np.array([False, True, True])))
    6
    """
    return int64(int.from_bytes(np.packbits(marks, bitorder="little").tobytes(), "little"))
