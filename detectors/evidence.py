"""Ids of records that are held back, so that alerts can name what they rest on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from detectors.kernels.intake import REF_MASK


class Evidence:
    """Ids by reference: each record taken in gets the next one, whether its id is known or not.

    Examples
    --------
    >>> evidence = Evidence()
    >>> evidence.add(2, 7, ["m1", "m2"])
    >>> evidence.add(1, 9, None)
    >>> evidence.of(1), evidence.of(2), evidence.next_ref
    ('m2', None, 3)
    >>> evidence.forget(8)
    >>> evidence.of(1) is None
    True
    """

    def __init__(self) -> None:
        self._taken = 0
        self._firsts: list[int] = []  # of each run how many records came before it, rising
        self._runs: list[tuple[int, Sequence[str]]] = []  # last bar, ids

    @property
    def next_ref(self) -> int:
        """What the next record gets; references begin anew after 2**31."""
        return self._taken & REF_MASK

    def add(self, n: int, last_bar: int, ids: Sequence[str] | None) -> None:
        """Give references to n records, the last of whose bars is ``last_bar``."""
        if ids is not None:
            self._firsts.append(self._taken)
            self._runs.append((last_bar, ids))
        self._taken += n

    def of(self, ref: int) -> str | None:
        """The id of a record; None where it is empty, not known, or forgotten."""
        record = self._taken - 1 - ((self._taken - 1 - ref) & REF_MASK)
        # As many runs may wait as there were pushes since a bar closed: none is looked through.
        k = bisect_right(self._firsts, record) - 1
        if k < 0:
            return None
        at, ids = record - self._firsts[k], self._runs[k][1]
        return (str(ids[at]) or None) if at < len(ids) else None

    def forget(self, end_bar: int) -> None:
        """Forget runs whose records are all of bars before ``end_bar``, the oldest first."""
        old = 0
        while old < len(self._runs) and self._runs[old][0] < end_bar:
            old += 1
        del self._runs[:old], self._firsts[:old]
