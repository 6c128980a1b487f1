"""Tokens of coins that a source knows by their ticker alone."""

from __future__ import annotations

import hashlib
from typing import Final

CHAIN: Final = "eip155:99999999999999999999"
"""No chain can have this number: EIP-2294 bounds chain ids to 2**63 - 1 and below."""


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
