"""TokenInfo records of invented coins."""

from __future__ import annotations

from schemas.records import CheckedNumber, CheckedText, TokenInfo


def token_info(
    tag: str,
    token: str,
    symbol: str,
    name: str,
    created_ms: int,
    supply: float,
    log_ms: int,
    look: int = 0,
) -> TokenInfo:
    """What a directory says of a coin at ``log_ms``; ``supply`` in whole tokens.

    ``look`` numbers the times it was looked up, from 0.

    >>> token_info("x", "t", "MOMO", "momo", 0, 1e9, 5).ts_created_ms
    0
    """
    return TokenInfo(
        id=f"{tag}i{token.rpartition(':')[2][:12]}" + (f".{look}" if look else ""),
        ts_event_ms=log_ms,
        token=token,
        symbol=CheckedText(symbol, log_ms),
        name=CheckedText(name, log_ms),
        ts_created_ms=created_ms,
        supply=CheckedNumber(int(supply), log_ms),
        ts_log_ms=log_ms,
    )
