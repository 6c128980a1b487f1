"""Arrays that grow by doubling."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.layout import LINE

_Item = TypeVar("_Item", bound=np.generic)


def lines(n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """``n`` items of zeros that begin where a cache line does: a write to one line is seen at once.

    >>> lines(3, np.dtype("i8")).tolist(), lines(1, np.dtype("i8")).ctypes.data % LINE
    ([0, 0, 0], 0)
    """
    memory = np.zeros(n * dtype.itemsize + LINE, np.uint8)
    start = -memory.ctypes.data % LINE
    return memory[start : start + n * dtype.itemsize].view(dtype)


def grown(array: NDArray[_Item], size: int, keep: int | None = None) -> NDArray[_Item]:
    """The array, or a larger one with its first ``keep`` items; all of them where None.

    >>> grown(np.arange(3), 2).tolist(), len(grown(np.arange(3), 4))
    ([0, 1, 2], 6)
    """
    if len(array) >= size:
        return array
    keep = len(array) if keep is None else keep
    out = np.empty((max(size, 2 * len(array)), *array.shape[1:]), array.dtype)
    out[:keep] = array[:keep]
    return out
