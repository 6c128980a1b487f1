"""Many values put one a line, and where each of them is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.batch.blocks import BLOCK, bytes_between
from detectors.batch.strings import I8
from detectors.jit import int64, jit, lowest

_LINE_END = 10


@jit
def _split(data: NDArray[Any], starts: NDArray[Any], ends: NDArray[Any]) -> bool:
    """Write where lines begin and end; whether there are just as many as asked for."""
    n, size, k = starts.shape[0], data.shape[0], int64(0)
    starts[0] = 0
    for i in range(0, size, BLOCK):
        marks = int64(0)
        if i + BLOCK <= size:
            marks = bytes_between(data, i, _LINE_END, _LINE_END)
        else:
            for at in range(i, size):
                marks |= int64(data[at] == _LINE_END) << (at - i)
        while marks:
            place, marks = lowest(marks)
            if k == n - 1:
                return False
            ends[k] = i + place
            k += 1
            starts[k] = i + place + 1
    ends[k] = size
    return bool(k == n - 1)


def put_in_lines(values: Sequence[bytes]) -> tuple[bytes, I8, I8]:
    r"""Values with a line's end between each two, and where each begins and ends; they may hold line ends too.

    >>> raw, starts, ends = put_in_lines([b"{}", b"", b"a"])
    >>> raw, starts.tolist(), ends.tolist()
    (b'{}\n\na', [0, 3, 4], [2, 3, 5])
    >>> put_in_lines([b"a\nb", b"c"])[2].tolist(), put_in_lines([])
    ([3, 5], (b'', array([], dtype=int64), array([], dtype=int64)))
    """
    n = len(values)
    raw = b"\n".join(values)
    starts, ends = np.empty(n, np.int64), np.empty(n, np.int64)
    if n and not _split(np.frombuffer(raw, np.uint8), starts, ends):
        # Asking each value for its size is slower, and of use only where one holds a line's end.
        sizes = np.fromiter(map(len, values), np.int64, n)
        ends = np.cumsum(sizes + 1) - 1
        starts = ends - sizes
    return raw, starts, ends
