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
_SAMPLED_RUN: Final = re.compile(r"[0-9A-Za-z]{8}")
"""Every fourth character of a run of 32: most texts have none, and are searched six times faster."""
PLACES: Final = (
    "account", "address", "addr", "wallet", "profile", "user", "u", "maker", "trader", "tx",
    "pool", "pools", "pair", "pairs",
)  # fmt: skip
"""What stands in a link or query before an address that is no token's; ``/`` or ``=`` follows."""
PAIR_LINK: Final = "dexscreener.com/solana/"
_NOT_A_TOKEN: Final = re.compile(
    rf"(?:{'|'.join(PLACES)})[/=]\Z|{re.escape(PAIR_LINK)}\Z", re.IGNORECASE | re.ASCII
)
_LOOK_BACK: Final = 24
MAX_ADDRESS_CHARS: Final = 44
EVERYDAY: Final = frozenset(
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
    """An address at ``start`` of a text, as the directory writes it (EVM ones in lower case)."""

    text: str
    start: int
    solana: bool


def find_addresses(seen: str) -> list[Address]:
    """Addresses in a visible text, in order; case is kept, for Solana's is part of the address.

    >>> find_addresses("ca: 0x6982508145454Ce325dDbE47a25d4ec3d2311933")
    [Address(text='0x6982508145454ce325ddbe47a25d4ec3d2311933', start=4, solana=False)]
    """
    if not _SAMPLED_RUN.search(seen[::4]):
        return []
    found = []
    for run in _RUN.finditer(seen):
        text = run[0]
        if len(text) > MAX_ADDRESS_CHARS:
            continue
        if is_solana_address(text):
            found.append(Address(text, run.start(), solana=True))
        elif is_evm_address(text):
            found.append(Address(text.lower(), run.start(), solana=False))
    return found


def may_be_token(seen: str, address: Address) -> bool:
    """Whether an address that the directory does not know may be a token's all the same.

    >>> mint = "2M4QNeba4PAorsCmi6gkg3Gn7NvBqnL9A6BTj9zApump"
    >>> [may_be_token(t, find_addresses(t)[0]) for t in (f"ca {mint}", f"solscan.io/tx/{mint}")]
    [True, False]
    """
    text = address.text
    # Of random keys 1 in 1,700 has no digit; what people type to laugh or to shout has none.
    typed = text.isalpha() or text in (text.lower(), text.upper())
    if text in EVERYDAY or (address.solana and typed):
        return False
    return not _NOT_A_TOKEN.search(seen[max(0, address.start - _LOOK_BACK) : address.start])
