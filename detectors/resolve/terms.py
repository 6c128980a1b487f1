"""Many terms sought in one pass over a text, as whole words."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar

import ahocorasick

T = TypeVar("T")
MAX_TERM_CHARS: Final = 64
UNSPACED: Final = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul letters
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),  # Hangul: particles follow without a space
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
"""Scripts that put no space between words, or none before a particle."""


@lru_cache(maxsize=8_192)
def in_word(char: str) -> bool:
    """Whether a character joins its neighbours to one word.

    Letters, digits, marks and ``_`` do, in scripts that put spaces between words.

    >>> [in_word(c) for c in "a7_و龙 -!"]
    [True, True, True, True, False, False, False, False]
    """
    if any(low <= ord(char) <= high for low, high in UNSPACED):
        return False
    return char == "_" or unicodedata.category(char)[0] in "LNM"


def splits(text: str, at: int) -> bool:
    """Whether a word may end or begin between ``text[at - 1]`` and ``text[at]``.

    >>> [splits("MOMO头像 ok", at) for at in (0, 2, 4, 5, 9)]
    [True, False, True, True, True]
    """
    return at <= 0 or at >= len(text) or not in_word(text[at - 1]) or not in_word(text[at])


class Hit(NamedTuple, Generic[T]):
    """A term found in ``text[start:end]``, and what it stands for."""

    start: int
    end: int
    value: T


class Terms(Generic[T]):
    """Finds terms as whole words; a term right after ``@`` is an account's name and no hit.

    Parameters
    ----------
    values : what each term stands for; terms in their matching form, not empty.

    Examples
    --------
    >>> terms = Terms({"momo": 1, "小粉龙": 2})
    >>> terms.find("momo, momos, @momo, 小粉龙起飞")
    [Hit(start=0, end=4, value=1), Hit(start=20, end=23, value=2)]
    """

    def __init__(self, values: Mapping[str, T]) -> None:
        self.values = values
        self._automaton: Any = None
        if values:
            self._automaton = ahocorasick.Automaton()
            for term in sorted(values):
                self._automaton.add_word(term, (len(term), values[term]))
            self._automaton.make_automaton()

    def find(self, text: str) -> list[Hit[T]]:
        """Every whole-word occurrence, overlapping ones too, by end and then by length."""
        if self._automaton is None:
            return []
        hits = []
        for last, (length, value) in self._automaton.iter(text):
            start, end = last + 1 - length, last + 1
            if splits(text, start) and splits(text, end) and text[start - 1 : start] != "@":
                hits.append(Hit(start, end, value))
        return hits


def longest(hits: list[Hit[T]]) -> list[Hit[T]]:
    """The hits that do not lie within a longer one, by start.

    >>> longest([Hit(5, 9, "momo"), Hit(0, 9, "baby momo"), Hit(12, 14, "红书")])
    [Hit(start=0, end=9, value='baby momo'), Hit(start=12, end=14, value='红书')]
    """
    if len(hits) < 2:
        return hits
    kept: list[Hit[T]] = []
    for hit in sorted(hits, key=lambda h: (h.start, -h.end)):
        if not kept or hit.end > kept[-1].end:
            kept.append(hit)
    return kept
