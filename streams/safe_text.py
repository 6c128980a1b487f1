"""Text from records and files, made safe to show in a terminal or a chat."""

from __future__ import annotations

import unicodedata


def shown(text: str) -> str:
    r"""The text in one line that does what it looks like.

    Control characters could move the cursor, and characters that reverse or hide others could make
    one symbol look like another: each is written as its escape. Spaces of every kind are a space.

    >>> shown("MOMO 小粉龙 🐶")
    'MOMO 小粉龙 🐶'
    >>> print(shown("\x1b[2Jmo\u202eOM\u200dO\u00a0\n"))
    \x1b[2Jmo\u202eOM\u200dO \n
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if unicodedata.category(char) == "Zs":
        return " "
    return char.encode("unicode_escape").decode()
