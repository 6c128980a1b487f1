"""Which tokens a mention names."""

from __future__ import annotations

import re

from detectors.resolve.addresses import find_addresses, may_be_token
from detectors.resolve.cashtags import find_cashtags
from detectors.resolve.context import ANYONE, Context, Owners
from detectors.resolve.index import Index, Sharers
from detectors.resolve.lexicon import Lexicon
from detectors.resolve.normalise import LINK, fold, visible
from detectors.resolve.terms import Hit, longest
from schemas.errors import RecordError
from schemas.records import MAX_TOKENS_PER_MENTION, Mention
from schemas.tokens import SOLANA_MAINNET, canonical_token, token_of_address


class Resolver:
    """From a mention's text to tokens, by the lexicon version in force at its log time.

    1. The tokens its source named, if any are valid.
    2. Contract addresses (see ``addresses``). Beside one that the directory does not know, cashtags
       and aliases name nothing: a copycat's post must not feed the coin it copies.
    3. Cashtags. Of several tokens with one symbol the one whose address is in the post, else that
       of the highest liquidity class, else the one whose own context words are near, else none.
    4. Aliases, as whole words, the longest at a place. An ambiguous one, or one that several tokens
       share, counts only near a context word.

    A post that names more than 16 tokens is a list, not talk of any of them: it names none. The
    result depends on the arguments alone.

    Parameters
    ----------
    lexicon : what the words mean, and since when.

    Examples
    --------
    >>> lexicon = Lexicon.parse('''{"versions": [{"version": 1, "effective_log_ms": 0, "tokens": [
    ...     {"token": "eip155:1/erc20:0x6982508145454ce325ddbe47a25d4ec3d2311933",
    ...      "symbol": "MOMO", "aliases": ["momo"], "ambiguous": true}]}]}''')
    >>> resolver = Resolver(lexicon)
    >>> def names(text: str) -> int:
    ...     return len(resolver.resolve(Mention("1", 0, "x", "ann", text), 0))
    >>> names("who is momo?"), names("$MOMO"), names("momo coin just launched on solana")
    (0, 1, 1)
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._indexes: dict[int, Index] = {}
        self.index(len(lexicon.versions) - 1)  # while nobody waits yet

    def resolve(self, mention: Mention, ts_log_ms: int) -> tuple[str, ...]:
        """Canonical ids of the tokens named, sorted, each once; empty where there are none.

        ``ts_log_ms`` is the mention's clamped log time.
        """
        if mention.tokens:
            named = _valid(mention.tokens)
            if named:
                return named
        return self.named(mention.text, ts_log_ms)

    def named(self, text: str, ts_log_ms: int) -> tuple[str, ...]:
        """As ``resolve``, of a text whose source names no token."""
        tokens = _tokens_of(text, self.index(self._lexicon.in_force(ts_log_ms)))
        return tuple(sorted(tokens)) if len(tokens) <= MAX_TOKENS_PER_MENTION else ()

    def index(self, version: int) -> Index:
        """What words stand for in a version of the lexicon; -1 is before the first.

        Made when it is first asked for: a lexicon that was changed often has many that nobody needs.
        """
        if version not in self._indexes:
            tokens = self._lexicon.versions[version].tokens if version >= 0 else ()
            self._indexes[version] = Index(tokens)
        return self._indexes[version]


def _valid(tokens: tuple[str, ...]) -> tuple[str, ...]:
    named = set()
    for token in tokens:
        try:
            named.add(canonical_token(token))
        except RecordError:
            continue
    return tuple(sorted(named))


def _tokens_of(text: str, index: Index) -> set[str]:
    seen = visible(text)
    copy = fold(seen)
    context = Context(index.context, copy)
    tokens, unlisted = _by_address(seen, index, context)
    if unlisted:
        return tokens
    words = LINK.sub(_blank, copy) if "://" in copy else copy
    addressed = frozenset(tokens)
    # Thousands of coins share a symbol, and a post says it a thousand times: each is decided once.
    told: dict[tuple[int, Owners], Sharers] = {}
    for start, end, sharers in _cashtags(words, index):
        if len(sharers) == 1:
            tokens.add(sharers[0])
        elif not addressed or addressed.isdisjoint(sharers):
            near = context.near(start, end)
            if (id(sharers), near) not in told:
                told[id(sharers), near] = index.strongest(sharers, near)
            tokens.update(told[id(sharers), near])
    told = {}
    for start, end, sharers in longest(index.aliases.find(words)):
        if tokens and not tokens.isdisjoint(sharers):
            continue
        if not index.is_ambiguous(sharers):
            tokens.update(sharers)
            continue
        near = context.near(start, end)
        if (id(sharers), near) not in told:
            meant = ANYONE in near or not near.isdisjoint(sharers)
            told[id(sharers), near] = index.strongest(sharers, near) if meant else ()
        tokens.update(told[id(sharers), near])
    return tokens


def _by_address(seen: str, index: Index, context: Context) -> tuple[set[str], bool]:
    """Tokens named by address, and whether an address may be of a token nobody has listed."""
    tokens: set[str] = set()
    unlisted = False
    for address in find_addresses(seen):
        sharers = index.addresses.get(address.text)
        if sharers and len(sharers) == 1:
            tokens.add(sharers[0])
        elif sharers:
            tokens.update(index.strongest(sharers, context.anywhere()))
        elif may_be_token(seen, address):
            unlisted = True
            if address.solana:
                tokens.add(token_of_address(SOLANA_MAINNET, address.text))
    return tokens, unlisted


def _cashtags(copy: str, index: Index) -> list[Hit[Sharers]]:
    if "$" not in copy:
        return []
    found = find_cashtags(copy, index.symbols)
    return [Hit(start, end, index.symbols[symbol]) for start, end, symbol in found]


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])  # places stay what they were
