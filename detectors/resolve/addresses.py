"""Contract addresses in a text.

What looks like one need not be a token. Transaction signatures (64 bytes) and hashes are longer than
addresses and are passed over whole, as are shorter digests. A Solana wallet or pool has the very form of a mint. The
directory decides where it knows the address; an unknown one counts as a mint, because the youngest
coins are the ones nobody has listed yet, unless its surroundings say otherwise: it stands in a
link to an account, transaction or pool, it is a program or a currency, or it is no random key but
letters somebody typed. A wallet that still slips through has mentions but no trades, which is
no golden dog. An EVM address counts only where the directory knows it: nothing in it names its chain.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from schemas.tokens import is_evm_address, is_solana_address

_RUN: Final = re.compile(r"[0-9A-Za-z]{32,}")
_NOT_A_TOKEN: Final = re.compile(
    r"(?:account|address|addr|wallet|profile|user|u|maker|trader|tx|pools?|pairs?)[/=]\Z"
    r"|dexscreener\.com/solana/\Z",
    re.IGNORECASE,
)
_LOOK_BACK: Final = 24
MAX_ADDRESS_CHARS: Final = 44
_EVERYDAY: Final = frozenset(
    {
        "So11111111111111111111111111111111111111112",  # wrapped SOL
        "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v",  # USDC
        "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB",  # USDT
        "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA",  # token program
        "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb",  # token program 2022
        "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL",  # associated token program
        "0x0000000000000000000000000000000000000000",
        "0x000000000000000000000000000000000000dead",  # where liquidity is burnt
        "ComputeBudget111111111111111111111111111111",
        "6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P",  # pump.fun
        "pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA",  # PumpSwap
        "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8",  # Raydium
        "JUP6LkbZbjS1jKKwapdHNy74zcZ3tLUZoi5QNyVTaV4",  # Jupiter aggregator
    }
)
"""Programs and currencies: posts name them without hailing a coin."""


class Address(NamedTuple):
    """An address in a text; ``likely`` where it may be a token nobody has listed."""

    text: str
    solana: bool
    likely: bool


def find_addresses(seen: str) -> list[Address]:
    """Addresses in a visible text, in order; case is kept, for Solana's is part of the address.

    >>> mint = "2M4QNeba4PAorsCmi6gkg3Gn7NvBqnL9A6BTj9zApump"
    >>> [a.likely for a in find_addresses(f"ca: {mint} solscan.io/account/{mint}")]
    [True, False]
    >>> find_addresses("0x6982508145454Ce325dDbE47a25d4ec3d2311933")[0].solana
    False
    """
    found = []
    for run in _RUN.finditer(seen):
        text, before = run[0], seen[max(0, run.start() - _LOOK_BACK) : run.start()]
        if len(text) > MAX_ADDRESS_CHARS:
            continue
        if is_solana_address(text):
            likely = not _is_typed(text) and _is_likely(text, before)
            found.append(Address(text, solana=True, likely=likely))
        elif is_evm_address(text):
            text = text.lower()
            found.append(Address(text, solana=False, likely=_is_likely(text, before)))
    return found


def _is_typed(text: str) -> bool:
    # Of random keys 1 in 1,700 has no digit; what people type to laugh or to shout has none.
    return text.isalpha() or text in (text.lower(), text.upper())


def _is_likely(text: str, before: str) -> bool:
    return text not in _EVERYDAY and not _NOT_A_TOKEN.search(before)
