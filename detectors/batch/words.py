"""One version of the lexicon in flat arrays, as the compiled decision reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.batch.strings import Strings
from detectors.batch.trie import I4, build_trie
from detectors.batch.xxh64 import hashes
from detectors.resolve.addresses import EVERYDAY, MAX_ADDRESS_CHARS
from detectors.resolve.cashtags import is_money
from detectors.resolve.context import ANYONE
from detectors.resolve.index import Index
from detectors.resolve.lexicon import LIQUIDITY_CLASSES

NOTHING: Final = -2
"""Value of what is known to name no token: a sum of money, a program's address."""
ANY: Final = -1
"""The owner who speaks for any coin."""
RANKS: Final = len(LIQUIDITY_CLASSES)


class Words(NamedTuple):
    """What terms and addresses stand for. Tokens are numbers, in the order of their ids.

    Parameters
    ----------
    aliases, symbols : trees, whose values are numbers of sharers, or NOTHING.
    context : a tree, whose values are numbers of owners.
    sharers : of sharers k: at k where their tokens begin, which end where those of k + 1 do; the
        tokens follow. Each token is its number times RANKS, plus its liquidity class.
    owners : the same of owners, each's tokens rising, without the class; ``ANY`` comes first of all.
    doubtful : uint8 by sharers: an alias of theirs also means something else.
    addresses : see ``detectors.batch.addresses.look_up``.
    """

    aliases: I4
    symbols: I4
    context: I4
    sharers: I4
    owners: I4
    doubtful: NDArray[np.uint8]
    addresses: NDArray[np.int64]


def words_of(index: Index) -> Words:
    """Arrays of an index."""
    number = {token: i for i, token in enumerate(index.tokens)} | {ANYONE: ANY}
    sharers: dict[tuple[str, ...], int] = {}

    def shared(by_word: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
        return {word: sharers.setdefault(of, len(sharers)) for word, of in by_word.items()}

    aliases, symbols = shared(index.aliases.values), shared(index.symbols)
    symbols |= {word: NOTHING for word in symbols if is_money(word)}
    places = dict.fromkeys(EVERYDAY, NOTHING) | shared(index.addresses)
    owners: dict[frozenset[str], int] = {}
    context = {w: owners.setdefault(of, len(owners)) for w, of in index.context.values.items()}
    return Words(
        build_trie(aliases),
        build_trie(symbols),
        build_trie(context),
        _flat([number[t] * RANKS + index.rank(t) for t in of] for of in sharers),
        _flat(sorted(number[t] for t in of) for of in owners),
        np.array([index.is_ambiguous(of) for of in sharers], np.uint8),
        _addresses(places),
    )


def _flat(lists: Iterable[Sequence[int]]) -> I4:
    every = list(lists)
    ends = np.cumsum([0, *map(len, every)]) + len(every) + 1
    return np.array([*ends.tolist(), *(x for each in every for x in each)], np.int32)


def _addresses(values: Mapping[str, int]) -> NDArray[np.int64]:
    texts = [text for text in sorted(values) if len(text) <= MAX_ADDRESS_CHARS]
    padded = b"".join(text.encode().ljust(48, b"\0") for text in texts)
    table = np.empty((len(texts), 8), np.int64)
    table[:, 0] = hashes(Strings.of(texts))
    table[:, 1] = [values[text] for text in texts]
    table[:, 2:] = np.frombuffer(padded, "<i8").reshape(len(texts), 6)
    return np.ascontiguousarray(table[np.argsort(table[:, 0], kind="stable")])
