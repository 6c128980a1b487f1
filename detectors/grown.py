"""Arrays that grow by doubling."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Item = TypeVar("_Item", bound=np.generic)


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
