"""Numbers for token ids, kept from batch to batch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

KEPT: Final = 200_000
"""Tokens numbered at once, besides those of the lexicon: when more were seen, numbering begins anew
at the next batch."""


class Numbering:
    """Token ids by number, in order of appearance.

    ``names`` is one list that only grows: columns of many batches share it, and whoever looks tokens up
    looks up each once.

    >>> numbering = Numbering()
    >>> numbering.of(["b", "a", "b"]).tolist(), numbering.names
    ([0, 1, 0], ['b', 'a'])
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._number: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Number of one token, a new one where it is new."""
        found = self._number.setdefault(name, len(self.names))
        if found == len(self.names):
            self.names.append(name)
        return found

    def of(self, names: Iterable[str]) -> NDArray[np.int64]:
        """Numbers of tokens, int64[N]."""
        return np.array([self.number(name) for name in names], np.int64)

    def is_full(self, needed: int = 0) -> bool:
        """Whether it is time to begin anew, so that memory does not grow with the tokens ever seen.

        ``needed`` are tokens that would be numbered again at once.
        """
        return len(self.names) > KEPT + needed
