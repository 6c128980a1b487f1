"""Token identity: CAIP-19, with EVM (EIP-55) and Solana addresses checked.

References
----------
CAIP-2, CAIP-19 (chain and asset ids); EIP-55 (mixed-case checksum); Solana's account addresses
are 32 bytes in base58 (Bitcoin's alphabet), case-sensitive.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from Crypto.Hash import keccak

from schemas.errors import RecordError

SOLANA_MAINNET: Final = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"
_BASE58: Final = {
    c: i for i, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
}
_EVM: Final = re.compile(r"0[xX][0-9a-fA-F]{40}\Z")
_EVM_CHAIN: Final = re.compile(r"eip155:[1-9][0-9]{0,31}\Z")
_SOLANA_CHAIN: Final = re.compile(r"solana:[1-9A-HJ-NP-Za-km-z]{32}\Z")
_EXAMPLE: Final = (
    f"write {SOLANA_MAINNET}/token:<mint> or eip155:<chain number>/erc20:0x<40 hex digits>"
)


def base58_bytes(text: str) -> bytes | None:
    r"""Decode base58; None where a character is not of its alphabet.

    >>> base58_bytes("2g"), base58_bytes("1"), base58_bytes("0")
    (b'a', b'\x00', None)
    """
    number = 0
    for char in text:
        digit = _BASE58.get(char)
        if digit is None:
            return None
        number = number * 58 + digit
    body = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return b"\0" * (len(text) - len(text.lstrip("1"))) + body


@lru_cache(maxsize=65_536)
def is_solana_address(text: str) -> bool:
    """Whether the text is base58 of exactly 32 bytes.

    >>> is_solana_address("So11111111111111111111111111111111111111112")
    True
    >>> is_solana_address("So1111111111111111111111111111111111111111I")
    False
    """
    if not 32 <= len(text) <= 44:
        return False
    raw = base58_bytes(text)
    return raw is not None and len(raw) == 32


def evm_checksum(address: str) -> str:
    """Write an EVM address in EIP-55's mixed case.

    >>> evm_checksum("0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359")
    '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359'
    """
    lower = address[2:].lower()
    digest = keccak.new(digest_bits=256, data=lower.encode()).hexdigest()
    return "0x" + "".join(
        c.upper() if int(h, 16) >= 8 else c for c, h in zip(lower, digest, strict=False)
    )


def is_evm_address(text: str) -> bool:
    """Whether the text is 0x and 40 hex digits: all lower, all upper, or rightly mixed (EIP-55).

    >>> is_evm_address("0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")
    True
    >>> is_evm_address("0xFb6916095ca1df60bB79Ce92cE3Ea74c37c5d359")
    False
    """
    if not _EVM.match(text):
        return False
    digits = text[2:]
    return digits in (digits.lower(), digits.upper()) or evm_checksum(text)[2:] == digits


def token_of_address(chain: str, address: str) -> str:
    """CAIP-19 id of a contract on a chain given by its CAIP-2 id; RecordError where it is none.

    >>> token_of_address("eip155:8453", "0xFB6916095CA1DF60BB79CE92CE3EA74C37C5D359")
    'eip155:8453/erc20:0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359'
    """
    kind = "erc20" if chain.startswith("eip155:") else "token"
    return canonical_token(f"{chain}/{kind}:{address}")


@lru_cache(maxsize=65_536)
def canonical_token(text: str) -> str:
    """Check a CAIP-19 token id and return its canonical form (EVM addresses in lower case).

    Raises RecordError naming what is wrong.

    >>> canonical_token("eip155:1/erc20:0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359")
    'eip155:1/erc20:0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359'
    >>> canonical_token("MOMO")
    Traceback (most recent call last):
    schemas.errors.RecordError: token: 'MOMO' is no CAIP-19 token id; write ...
    """
    chain, slash, asset = text.partition("/")
    namespace, colon, address = asset.partition(":")
    if not slash or not colon:
        raise _bad_token(f"{text[:80]!r} is no CAIP-19 token id")
    if _EVM_CHAIN.match(chain):
        if namespace != "erc20":
            raise _bad_token(f"{namespace[:20]!r} is no token kind of {chain}")
        if not _EVM.match(address):
            raise _bad_token(f"{address[:60]!r} is not 0x and 40 hex digits")
        if not is_evm_address(address):
            raise _bad_token(f"{address} has a wrong EIP-55 checksum: a digit may be mistyped")
        return f"{chain}/erc20:0x{address[2:].lower()}"
    if _SOLANA_CHAIN.match(chain):
        if namespace != "token":
            raise _bad_token(f"{namespace[:20]!r} is no token kind of Solana")
        if not is_solana_address(address):
            raise _bad_token(f"{address[:60]!r} is not base58 of 32 bytes")
        return text
    raise _bad_token(f"chain {chain[:60]!r} is not known")


def is_token(text: str) -> bool:
    """Whether the text is a token id that ``canonical_token`` takes.

    >>> is_token("eip155:1/erc20:0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359"), is_token("MOMO")
    (True, False)
    """
    try:
        canonical_token(text)
    except RecordError:
        return False
    return True


def _bad_token(problem: str) -> RecordError:
    return RecordError("bad_token", problem, field="token", remedy=_EXAMPLE)
