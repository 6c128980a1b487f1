"""Texts as slices of one buffer of UTF-8, as Arrow arrays and lines of JSON hold them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import overload

import numpy as np
from numpy.typing import NDArray

I8 = NDArray[np.int64]
U1 = NDArray[np.uint8]


class Strings(Sequence[str]):
    """N texts: text i is ``data[starts[i]:ends[i]]``, valid UTF-8 (lone surrogates may pass).

    ``data`` is uint8, and only read.

    >>> texts = Strings.of(["momo", "龙"])
    >>> len(texts), texts[1], texts.sizes.tolist(), list(texts.take(np.array([1, 0]))), texts[:1][0]
    (2, '龙', [4, 3], ['龙', 'momo'], 'momo')
    """

    __slots__ = ("data", "ends", "starts")

    def __init__(self, data: U1, starts: I8, ends: I8) -> None:
        if data.flags.writeable:  # kernels are compiled for arrays that are not, alone
            data = data.view()
            data.flags.writeable = False
        self.data = data
        self.starts = starts
        self.ends = ends

    @classmethod
    def of(cls, texts: Iterable[str]) -> Strings:
        """Slices of texts."""
        parts = list(texts)
        whole = "".join(parts)
        if whole.isascii():  # as ids are: a character is a byte
            raw, sizes = whole.encode(), list(map(len, parts))
        else:
            encoded = [text.encode("utf-8", "surrogatepass") for text in parts]
            raw, sizes = b"".join(encoded), list(map(len, encoded))
        bounds = np.zeros(len(parts) + 1, np.int64)
        np.cumsum(np.array(sizes, np.int64), out=bounds[1:])
        return cls(np.frombuffer(raw, np.uint8), bounds[:-1], bounds[1:])

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> Strings: ...
    def __getitem__(self, i: int | slice) -> str | Strings:
        if isinstance(i, slice):
            return Strings(self.data, self.starts[i], self.ends[i])
        raw = self.data[self.starts[i] : self.ends[i]].tobytes()
        return raw.decode("utf-8", "surrogatepass")

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))

    @property
    def sizes(self) -> I8:
        """Length of each text in bytes, int64[N]."""
        return self.ends - self.starts

    def take(self, rows: I8) -> Strings:
        """Some of the texts, over the same buffer."""
        return Strings(self.data, self.starts[rows], self.ends[rows])


class Chained(Sequence[str]):
    """Texts of several sequences, in any order: none is looked up before it is asked for.

    Parameters
    ----------
    parts : where the texts are.
    rows : which of them, counted through all parts; all where None.

    Examples
    --------
    >>> texts = Chained([Strings.of(["a", "b"]), ["c"]])
    >>> list(texts), list(texts.take(np.array([2, 0]))), texts[1:][1], len(texts)
    (['a', 'b', 'c'], ['c', 'a'], 'c', 3)
    """

    __slots__ = ("_ends", "_parts", "_rows")

    def __init__(self, parts: Sequence[Sequence[str]], rows: I8 | None = None) -> None:
        self._parts = parts
        self._ends = list(accumulate(map(len, parts)))
        self._rows = np.arange(self._ends[-1] if parts else 0) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> Chained: ...
    def __getitem__(self, i: int | slice) -> str | Chained:
        if isinstance(i, slice):
            return Chained(self._parts, self._rows[i])
        row = int(self._rows[i])
        part = bisect_right(self._ends, row)
        return self._parts[part][row - self._ends[part]]  # counted from the part's end

    def take(self, rows: I8) -> Chained:
        """Some of the texts."""
        return Chained(self._parts, self._rows[rows])
