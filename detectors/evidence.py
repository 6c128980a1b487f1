"""Ids of records that are held back, so that alerts can name what they rest on."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from detectors.kernels.intake import REF_MASK


class Evidence:
    """Ids by reference: each record taken in gets the next one, whether its id is known or not.

    Attributes
    ----------
    next_ref : what the next record gets; references begin anew after 2**31.

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
        self.next_ref = 0
        self._runs: deque[tuple[int, int, Sequence[str]]] = deque()  # first ref, last bar, ids

    def add(self, n: int, last_bar: int, ids: Sequence[str] | None) -> None:
        """Give references to n records, the last of whose bars is ``last_bar``."""
        if ids is not None:
            self._runs.append((self.next_ref, last_bar, ids))
        self.next_ref = (self.next_ref + n) & REF_MASK

    def of(self, ref: int) -> str | None:
        """The id of a record; None where it is empty, not known, or forgotten."""
        for first, _, ids in self._runs:
            at = (ref - first) & REF_MASK
            if at < len(ids):
                return str(ids[at]) or None
        return None

    def forget(self, end_bar: int) -> None:
        """Forget runs whose records are all of bars before ``end_bar``, the oldest first."""
        while self._runs and self._runs[0][1] < end_bar:
            self._runs.popleft()
