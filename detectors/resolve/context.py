"""Context: words that say that an ambiguous word near them means a coin."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Final

from detectors.resolve.terms import MAX_TERM_CHARS, Hit, Terms

NEAR_CHARS: Final = 48
"""How far from an alias a context word may stand: a clause or two."""
ANYONE: Final = "*"
"""Owner of the default context words."""

Owners = frozenset[str]


class Context:
    """Whose context words stand near a place in one text; the text is searched when first asked.

    Parameters
    ----------
    terms : context words, each with the tokens it speaks for.
    copy : a matching copy.

    Examples
    --------
    >>> context = Context(Terms({"coin": frozenset({ANYONE})}), "momo coin, " + "x" * 48 + " momo")
    >>> context.near(0, 4), context.near(60, 64)
    (frozenset({'*'}), frozenset())
    """

    __slots__ = ("_copy", "_ends", "_found", "_terms")

    def __init__(self, terms: Terms[Owners], copy: str) -> None:
        self._terms = terms
        self._copy = copy
        self._found: list[Hit[Owners]] | None = None
        self._ends: list[int] = []

    def anywhere(self) -> Owners:
        """Owners of all context words of the text."""
        return frozenset().union(*(hit.value for hit in self._hits()))

    def near(self, start: int, end: int) -> Owners:
        """Owners of the words at most ``NEAR_CHARS`` from ``[start, end)`` and no part of it."""
        hits = self._hits()
        # Hits come by their end: those that can be near are neighbours.
        first = bisect_left(self._ends, start - NEAR_CHARS)
        last = bisect_right(self._ends, end + NEAR_CHARS + MAX_TERM_CHARS)
        owners: Owners = frozenset()
        for hit_start, hit_end, value in hits[first:last]:
            if hit_end <= start or end <= hit_start <= end + NEAR_CHARS:
                owners = owners | value if owners else value
        return owners

    def _hits(self) -> list[Hit[Owners]]:
        if self._found is None:
            self._found = self._terms.find(self._copy)
            self._ends = [hit.end for hit in self._found]
        return self._found
