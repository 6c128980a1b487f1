"""One version of the lexicon, arranged for looking up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from detectors.resolve.context import ANYONE, Owners
from detectors.resolve.lexicon import LIQUIDITY_CLASSES, LexiconToken
from detectors.resolve.normalise import normalise
from detectors.resolve.terms import Terms
from detectors.resolve.words import COIN_WORDS

Sharers = tuple[str, ...]
"""Tokens that share a word or an address, sorted."""


class Index:
    """What addresses, symbols, aliases and context words stand for.

    Parameters
    ----------
    tokens : checked entries: canonical ids, terms in matching form.
    """

    def __init__(self, tokens: Iterable[LexiconToken]) -> None:
        entries = sorted(tokens, key=lambda t: t.token)
        self.tokens = tuple(t.token for t in entries)
        self._rank = {t.token: LIQUIDITY_CLASSES.index(t.liquidity_class) for t in entries}
        self._ambiguous = {t.token for t in entries if t.ambiguous}
        self.addresses = _sharers((t.token.rpartition(":")[2], t.token) for t in entries)
        self.symbols = _sharers((normalise(t.symbol), t.token) for t in entries)
        self.aliases = Terms(_sharers((a, t.token) for t in entries for a in t.aliases))
        context: dict[str, Owners] = dict.fromkeys(COIN_WORDS, frozenset((ANYONE,)))
        for word, owners in _sharers((w, t.token) for t in entries for w in t.context).items():
            context[word] = context.get(word, frozenset()) | frozenset(owners)
        self.context = Terms(context)

    def rank(self, token: str) -> int:
        """Number of its liquidity class, the greater the more liquid."""
        return self._rank[token]

    def is_ambiguous(self, sharers: Sharers) -> bool:
        """Whether an alias of these tokens also means something else, or more than one of them."""
        return len(sharers) > 1 or sharers[0] in self._ambiguous

    def strongest(self, sharers: Sharers, supported: Owners) -> Sharers:
        """Which of the tokens of one word is meant: the one of the highest liquidity class.

        Where that is a tie, the one whose own context words are near (``supported``). Empty where
        none stands out.
        """
        top = max(self._rank[t] for t in sharers)
        leaders = [t for t in sharers if self._rank[t] == top]
        if len(leaders) > 1:
            leaders = [t for t in leaders if t in supported]
        return tuple(leaders) if len(leaders) == 1 else ()


def _sharers(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Sharers]:
    found: dict[str, list[str]] = {}
    for word, token in pairs:
        found.setdefault(word, []).append(token)
    return {word: tuple(tokens) for word, tokens in found.items()}
