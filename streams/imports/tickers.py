"""Tokens of coins that a source knows by their ticker alone."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

from detectors.resolve.normalise import normalise
from detectors.resolve.terms import MAX_TERM_CHARS

CHAIN: Final = "eip155:99999999999999999999"
"""No chain can have this number: EIP-2294 bounds chain ids to 2**63 - 1 and below."""

MAX_TICKER_CHARS: Final = 32


@lru_cache(4_096)
def is_ticker(text: str) -> bool:
    """Whether a coin may be called so: a lexicon takes it as a symbol.

    >>> is_ticker("$wif"), is_ticker("$"), is_ticker(" "), is_ticker("W" * 33)
    (True, False, False, False)
    """
    name = text.strip().upper()
    matched = normalise(name.removeprefix("$"))
    return len(name) <= MAX_TICKER_CHARS and 0 < len(matched) <= MAX_TERM_CHARS


def ticker_token(ticker: str) -> str:
    """Stand-in CAIP-19 id of a ticker: the same in every import, and of no contract that exists.

    The address is the first 20 bytes of the SHA-256 of ``goldendog:ticker:`` and the ticker in
    upper case.

    >>> ticker_token("appc")
    'eip155:99999999999999999999/erc20:0x2912dd4171553e8db85268d2de2c7c945183fdf4'
    """
    name = ticker.strip().upper()
    digest = hashlib.sha256(f"goldendog:ticker:{name}".encode()).hexdigest()
    return f"{CHAIN}/erc20:0x{digest[:40]}"
