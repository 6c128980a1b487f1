"""Functions of several items at once, compiled: each beside what it means in numpy.

Loops of a dozen rounds compile to as many branches, which nobody can foretell, and numba has no vectors
of its own; LLVM has, for whatever processor it compiles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils
from numpy.typing import NDArray

from detectors.jit import WORD, Int64, int64


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
