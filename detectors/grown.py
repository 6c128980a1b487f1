"""Arrays that grow by doubling."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.layout import LINE

_Item = TypeVar("_Item", bound=np.generic)


def lines(n: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """``n`` items of zeros that begin where a cache line does, so that a record of whole lines shares none.

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
    room = max(size + size // 4, 2 * len(array))  # what comes next is seldom smaller
    out = np.empty((room, *array.shape[1:]), array.dtype)
    copy_records(out, array, keep)
    return out


def copy_records(to: NDArray[Any], of: NDArray[Any], n: int) -> None:
    """Copy the first n items, as bytes: numpy copies records field by field.

    >>> to = np.zeros(3)
    >>> copy_records(to, np.arange(3.0), 2)
    >>> to.tolist()
    [0.0, 1.0, 0.0]
    """
    size = n * of[:1].nbytes
    to.reshape(-1).view(np.uint8)[:size] = of.reshape(-1).view(np.uint8)[:size]
