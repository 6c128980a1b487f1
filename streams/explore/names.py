"""Which token a person means: a CAIP-19 id, a contract address or a symbol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from schemas.errors import RecordError, UserError
from schemas.tokens import canonical_token, is_evm_address, is_solana_address

_NEAR: Final = 3
_LOOKED_AT: Final = 5_000


@dataclass(frozen=True)
class Wanted:
    """A token as it was named.

    Parameters
    ----------
    text : what was written.
    ids : the ids it can be, if they are known beforehand: one, unless the symbol is shared.
    address : the contract address it was named by; any chain's will do.
    """

    text: str
    ids: frozenset[str] = frozenset()
    address: str = ""

    def fits(self, token: str) -> bool:
        """Whether an id is the one meant, or one of those.

        >>> Wanted("0xAB", address="0xab").fits("eip155:1/erc20:0xab")
        True
        """
        return token in self.ids or (self.address != "" and address_of(token) == self.address)


def wanted(text: str, symbols: Mapping[str, str]) -> Wanted:
    """Understand what was written; ``symbols`` are those of the lexicon, by token.

    Raises UserError where it is malformed, unknown to the lexicon, or means several tokens.

    >>> wanted("$momo", {"eip155:1/erc20:0xab": "MOMO"}).ids
    frozenset({'eip155:1/erc20:0xab'})
    """
    text = text.strip()
    if "/" in text:
        try:
            return Wanted(text, frozenset({canonical_token(text)}))
        except RecordError as error:
            raise UserError(error.problem, error.remedy) from None
    if is_evm_address(text):
        return Wanted(text, address=text.lower())
    if is_solana_address(text):
        return Wanted(text, address=text)
    symbol = text.removeprefix("$").casefold()
    ids = frozenset(token for token, name in symbols.items() if name.casefold() == symbol)
    if len(ids) > 1:
        raise ambiguous(text, ids)
    if not ids:
        raise _unknown_symbol(text, symbols)
    return Wanted(text, ids)


def ambiguous(text: str, ids: Iterable[str]) -> UserError:
    """Several tokens go by the name."""
    named = ", ".join(sorted(ids)[:8])
    return UserError(f"{text} can be {named}", "name one of them by its whole id")


def not_in_log(text: str, seen: Iterable[str], symbols: Mapping[str, str]) -> UserError:
    """The token has no record; near ones that have are named."""
    known = sorted(seen)
    if shown := near_ids(text, known, symbols):
        return UserError(f"no record up to then names {text}", f"did you mean {shown}")
    remedy = "a mention resolves only by a lexicon: add --lexicon" if not symbols else ""
    return UserError(
        f"no record up to then names {text}",
        remedy
        or f"{len(known):,} other tokens have records; universe.parquet of a replay lists them",
    )


def near_ids(text: str, known: list[str], symbols: Mapping[str, str]) -> str:
    """Those of the known ids that are written much like ``text``, with their symbols, for a remedy."""
    return ", ".join(
        f"{token} ({symbols[token]})" if token in symbols else token
        for token in _near_ids(text, known)
    )


def address_of(token: str) -> str:
    """The last part of a CAIP-19 id.

    >>> address_of("eip155:1/erc20:0xab")
    '0xab'
    """
    return token.rpartition(":")[2]


def _near_ids(text: str, known: list[str]) -> list[str]:
    part = address_of(text)
    alike = [t for t in known if address_of(t)[:4] == part[:4] or t[-4:] == part[-4:]]
    if not alike and len(known) <= _LOOKED_AT:
        alike = known
    by_address = {address_of(token): token for token in alike[:_LOOKED_AT]}
    return [by_address[a] for a in get_close_matches(part, by_address, n=_NEAR, cutoff=0.8)]


def _unknown_symbol(text: str, symbols: Mapping[str, str]) -> UserError:
    if not symbols:
        return UserError(
            f"{text} is no token id, and there is no lexicon to look a symbol up in",
            "write the CAIP-19 id or the contract address, or add --lexicon",
        )
    by_name: dict[str, list[str]] = {}
    for token, name in symbols.items():
        by_name.setdefault(name.upper(), []).append(token)
    near = get_close_matches(text.removeprefix("$").upper(), by_name, n=_NEAR)
    shown = ", ".join(f"{name} ({by_name[name][0]})" for name in near)
    return UserError(
        f"the lexicon has no symbol {text}",
        f"did you mean {shown}" if near else "write the CAIP-19 id or the contract address",
    )
