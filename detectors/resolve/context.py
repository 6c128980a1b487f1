"""Context: words that say that an ambiguous word near them means a coin."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property
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

    def __init__(self, terms: Terms[Owners], copy: str) -> None:
        self._terms = terms
        self._copy = copy

    @cached_property
    def _hits(self) -> list[Hit[Owners]]:
        return self._terms.find(self._copy)

    @cached_property
    def _ends(self) -> list[int]:
        return [hit.end for hit in self._hits]

    def anywhere(self) -> Owners:
        """Owners of all context words of the text."""
        return frozenset().union(*(hit.value for hit in self._hits))

    def near(self, start: int, end: int) -> Owners:
        """Owners of the words at most ``NEAR_CHARS`` from ``[start, end)`` and no part of it."""
        # Hits come by their end: those that can be near are neighbours.
        first = bisect_left(self._ends, start - NEAR_CHARS)
        last = bisect_right(self._ends, end + NEAR_CHARS + MAX_TERM_CHARS)
        return frozenset().union(
            *(
                hit.value
                for hit in self._hits[first:last]
                if hit.end <= start or end <= hit.start <= end + NEAR_CHARS
            )
        )
