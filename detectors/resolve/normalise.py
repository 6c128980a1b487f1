"""The matching copy of a text: what a reader sees, in one spelling.

Lexicon and posts pass through the same function, so a fold need only be consistent, not reversible.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from detectors.resolve.han import SIMPLIFIED

_LOOKALIKES: Final = dict(
    zip(
        "авеіјкмнорстухѕԁһԛԝӏ" + "αβεζηικμνορτυχ",
        "abeijkmhopctyxsdhqwl" + "abezhikmnoptyx",
        strict=True,
    )
)
"""Cyrillic and Greek letters that pass for Latin ones, after casefold; ambiguous ones by their
capitals, which is how tickers are written (Н is h, Ν is n, Ρ is p)."""
_HARAKAT: Final = (
    *range(0x0610, 0x061B),
    0x0640,  # tatweel
    *range(0x064B, 0x0653),  # not U+0653 to U+0655: madda and hamza make other letters
    *range(0x0656, 0x0660),
    0x0670,
    *range(0x06D6, 0x06DD),
    *range(0x06DF, 0x06E5),
    0x06E7,
    0x06E8,
    *range(0x06EA, 0x06EE),
)
_INVISIBLE: Final = (
    *(c for c in range(0x110000) if unicodedata.category(chr(c)) == "Cf"),
    0x034F,  # combining grapheme joiner
    *range(0x115F, 0x1161),  # Hangul fillers
    *range(0x17B4, 0x17B6),
    *range(0x180B, 0x1810),
    0x3164,
    *range(0xFE00, 0xFE10),  # variation selectors
    0xFFA0,
    *range(0xE0100, 0xE01F0),
)


def _class_of(points: Iterable[int]) -> str:
    """Regular expression class of code points, as ranges: a long list of single ones is slow."""
    spans: list[list[int]] = []
    for point in sorted(set(points)):
        if spans and spans[-1][1] == point - 1:
            spans[-1][1] = point
        else:
            spans.append([point, point])
    return f"[{''.join(f'{chr(a)}-{chr(b)}' for a, b in spans)}]"


# Two classes, because one that reaches beyond U+FFFF is ten times slower to search.
_INVISIBLE_LOW: Final = re.compile(_class_of(c for c in _INVISIBLE if c <= 0xFFFF))
_INVISIBLE_HIGH: Final = re.compile(_class_of(c for c in _INVISIBLE if c > 0xFFFF))
_FOLDS: Final[dict[int, str]] = {
    **{ord(char): simple for char, simple in SIMPLIFIED.items()},
    **{ord(char): latin for char, latin in _LOOKALIKES.items()},
    **dict.fromkeys(_HARAKAT, ""),
}
_FOLDED: Final = re.compile(_class_of(_FOLDS) + "+")
MARKS_RUN: Final = 128
"""Marks in a row from which on they are put in canonical order here: ``unicodedata`` sorts them by insertion,
and 20,000 on one letter, as a record may hold, took it half a second."""
_MARKS: Final = re.compile(rf"[^\0]{{{MARKS_RUN},}}".encode())
"""Such a run in the combining classes of a text."""
_APART: Final = {
    char: unicodedata.normalize("NFKD", char) for char in "\u0f73\u0f75\u0f81\uff9e\uff9f"
}
"""Characters that are no marks by their class, and nothing but marks when taken apart."""
LINK: Final = re.compile(r"[a-z][a-z0-9+.-]{1,15}://[!-~]*")
"""A link in a matching copy."""


def visible(text: str) -> str:
    r"""The text without characters that show nothing: zero-width, bidi controls, selectors.

    >>> visible("mo\u200bmo \u202ehi")
    'momo hi'
    """
    if text.isascii():
        return text
    text = _INVISIBLE_LOW.sub("", text)
    # UTF-16 tells in one fast pass whether anything lies beyond U+FFFF.
    if len(text.encode("utf-16-le", "surrogatepass")) != 2 * len(text):
        text = _INVISIBLE_HIGH.sub("", text)
    return text


def normalise(text: str) -> str:
    """The matching copy; the same text gives the same copy, and a copy gives itself.

    Invisible characters go; NFKC; casefold; Cyrillic and Greek lookalikes become Latin, traditional
    Chinese becomes simplified, Arabic vowel marks and tatweel go; white space becomes one space.

    >>> normalise("ＰＥＰＥ РЕРЕ 小紅書  مــومو")
    'pepe pepe 小红书 مومو'
    """
    return fold(visible(text))


def fold(seen: str) -> str:
    """The matching copy of a text that is ``visible`` already."""
    if seen.isascii():
        return _spaced(seen.lower())
    seen = _nfkc(seen)
    while True:
        copy = _spaced(_folds(seen))
        if unicodedata.is_normalized("NFKC", copy):
            return copy
        # A mark gone or a letter changed lets its neighbours compose: fold what became of them too.
        copy = _nfkc(copy)
        if copy == seen:
            return copy
        seen = copy


def fold_once(seen: str) -> str:
    """One round of ``fold`` with white space as it is: all that most texts need."""
    return _folds(unicodedata.normalize("NFKC", seen))


def _nfkc(text: str) -> str:
    """The text in NFKC, in time that grows with its length alone."""
    some = text[:: MARKS_RUN // 2]
    if len(some) > 1 and (
        any(map(unicodedata.combining, some)) or not _APART.keys().isdisjoint(some)
    ):
        text = _in_order(text)
    return unicodedata.normalize("NFKC", text)


def _in_order(text: str) -> str:
    """The same to NFKC, with long runs of marks taken apart and in the order of their classes."""
    for char, marks in _APART.items():
        text = text.replace(char, marks)
    parts, at = [], 0
    for run in _MARKS.finditer(bytes(map(unicodedata.combining, text))):
        marks = "".join(unicodedata.normalize("NFKD", c) for c in text[run.start() : run.end()])
        parts += [text[at : run.start()], *sorted(marks, key=unicodedata.combining)]
        at = run.end()
    return "".join([*parts, text[at:]])


def _folds(text: str) -> str:
    return _FOLDED.sub(_folded, text.casefold())


def _spaced(text: str) -> str:
    # No white space but " " is printable: most texts are spared the split.
    return text.strip() if text.isprintable() and "  " not in text else " ".join(text.split())


def _folded(match: re.Match[str]) -> str:
    return match[0].translate(_FOLDS)
