"""Compilation of the kernels. Uncompiled (``NUMBA_DISABLE_JIT=1``) they give the same bytes.

Rules that keep that true: no fastmath, no libm beyond sqrt, no unsigned 64-bit arithmetic, no
product that wraps, narrow fields widened before arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeAlias, TypeVar

import numba
import numpy as np

P = ParamSpec("P")
R = TypeVar("R")
Int64: TypeAlias = Any
"""A whole number: int64 when compiled, int or a numpy scalar when not, which mypy keeps apart."""
int64: Any = np.int64
"""The same as a call: a variable that begins so is one type from its first use, so that what it is
passed to is compiled once, not for a literal too."""
Record: TypeAlias = Any
"""One record of a structured array: numpy types its fields as Any, numba knows them exactly."""


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a kernel; on disk between runs where a cache folder is set (by the caller)."""
    compiled: Callable[P, R] = numba.njit(
        cache=bool(numba.config.CACHE_DIR), fastmath=False, error_model="numpy", nogil=True
    )(function)
    return compiled
