"""Addresses for invented coins: valid in form, derived from a name, held by nobody."""

from __future__ import annotations

import hashlib
from typing import Final

from schemas.tokens import SOLANA_MAINNET, token_of_address

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(raw: bytes) -> str:
    r"""Encode bytes in base58 (Bitcoin's alphabet).

    >>> base58(b"a"), base58(b"\0\0a")
    ('2g', '112g')
    """
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _ALPHABET[digit] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def synthetic_mint(name: str) -> str:
    """A Solana mint address made from a name: the hash of a sentence that says it is invented.

    Nobody holds its key, and no real coin has it.

    >>> synthetic_mint("MOMO") == synthetic_mint("MOMO"), len(synthetic_mint("MOMO")) in (43, 44)
    (True, True)
    """
    return base58(hashlib.sha256(f"goldendog synthetic coin: {name}".encode()).digest())


def synthetic_token(name: str) -> str:
    """The CAIP-19 id of an invented coin.

    >>> synthetic_token("MOMO").startswith("solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp/token:")
    True
    """
    return token_of_address(SOLANA_MAINNET, synthetic_mint(name))
