"""Cashtags: ``$`` and a ticker, as people write it in several scripts."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Final

from detectors.resolve.terms import in_word, splits

MAX_SYMBOL_CHARS: Final = 15
_CASHTAG: Final = re.compile(r"\$([^\W_]{1,16})")
_MONEY: Final = re.compile(r"[0-9]+(?:[kmbt]|bn|mn|mm|usd|usdt|万|亿)?\Z")


def find_cashtags(copy: str, symbols: Container[str]) -> Iterator[tuple[int, int, str]]:
    """Known symbols behind ``$`` in a matching copy: start of the ``$``, end, symbol.

    The longest known symbol that ends where a word may end; sums of money are none.

    >>> list(find_cashtags("$momo起飞 $momos $100k us$momo", {"momo", "100k"}))
    [(0, 5, 'momo')]
    """
    for match in _CASHTAG.finditer(copy):
        dollar, first = match.start(), match.start(1)
        # Not after a letter, a digit or another $: US$100, A$AP, $$$ are no cashtags.
        before = copy[dollar - 1 : dollar]
        if before and (before == "$" or in_word(before)):
            continue
        for end in range(min(match.end(), first + MAX_SYMBOL_CHARS), first, -1):
            symbol = copy[first:end]
            if symbol in symbols and splits(copy, end):
                if not is_money(symbol):
                    yield dollar, end, symbol
                break


def is_money(symbol: str) -> bool:
    """Whether a symbol reads as a sum of money.

    >>> is_money("100k"), is_money("momo")
    (True, False)
    """
    return _MONEY.match(symbol) is not None
