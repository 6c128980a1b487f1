"""Terms as a tree of characters in flat arrays, walked from where a word may begin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.batch.unicode import CHAR, LIMIT
from detectors.jit import Int64, int64, jit

NONE: Final = -1
I4 = NDArray[np.int32]


PAIRS: Final = 1 << 14
FOURS: Final = 1 << 16
_FOURS: Final = PAIRS >> 5
ROOT: Final = _FOURS + (FOURS >> 5)
STATES: Final = ROOT + LIMIT
CHILD, CHILDREN, CHAR_OF, VALUE, STATE = range(5)
"""Where in a tree's array the first states and all states begin, and what a state's places hold."""
_LONG: Final = 4
"""Characters of terms that are not short."""


@jit
def pair_of(first: Int64, second: Int64) -> Int64:
    """Bit of a pair of characters in a filter."""
    return (first * 331 ^ second) & (PAIRS - 1)


@jit
def four_of(first: Int64, second: Int64, third: Int64, fourth: Int64) -> Int64:
    """Bit of four characters in a filter."""
    return (((first * 331 ^ second) * 331 ^ third) * 331 ^ fourth) & (FOURS - 1)


@jit
def _char(text: NDArray[Any], i: Int64) -> Int64:
    return int64(text[np.uint64(i)]) & CHAR


@jit
def may_begin(trie: NDArray[Any], text: NDArray[Any], i: Int64) -> bool:
    """Whether some term may begin at a character of a copy; what lies behind its end does not matter."""
    first, second = _char(text, i), _char(text, i + 1)
    pair = pair_of(first, second)
    four = four_of(first, second, _char(text, i + 2), _char(text, i + 3))
    short = trie[np.uint64(pair >> 5)] >> (pair & 31)
    long = trie[np.uint64(_FOURS + (four >> 5))] >> (four & 31)
    return bool((short | long) & 1)  # one branch: two of them cannot be foretold


def build_trie(values: Mapping[str, int]) -> I4:
    """A tree of terms, not empty; those with a character from ``LIMIT`` on are left out.

    S states are numbered from 1 so that the children of one follow each other by character, and come where
    their parent does among terms in order: what a walk meets lies near. The array holds

    - from 0, a bit for each pair of characters that some term of less than four may begin with, see ``pair_of``, and
      for each four that a longer one may, see ``four_of``: few enough bytes to stay at hand while texts are read;
    - from ROOT, the state behind each first character, 0 for none;
    - from STATES, in STATE places each: a state's first CHILD, how many CHILDREN it has, the
      character that leads to it (CHAR_OF), and the VALUE of the term that ends there, or NONE.
      They lie side by side, because a walk costs what it fetches.

    >>> trie = build_trie({"ab": 7, "a": 5, "龙": 9})
    >>> int(trie[ROOT + ord("a")]), trie[STATES:].reshape(-1, STATE)[1:].tolist()
    (1, [[3, 1, 97, 5], [4, 0, 40857, 9], [4, 0, 98, 7]])
    >>> copy = np.array([ord(c) for c in "abcdabdc"], np.int32)
    >>> [
    ...     bool(may_begin(build_trie({term: 7}), copy, i))
    ...     for term in ("ab", "abcd")
    ...     for i in (0, 1, 4)
    ... ]
    [True, False, True, True, False, False]
    """
    terms = sorted(term for term in values if max(map(ord, term)) < LIMIT)
    sizes = np.array([len(term) for term in terms], np.int64)
    text = np.frombuffer("".join(terms).encode("utf-32-le", "surrogatepass"), "<u4").astype(
        np.int64
    )
    starts = np.cumsum(sizes) - sizes
    told = np.array([values[term] for term in terms], np.int32)
    at = np.zeros(len(terms), np.int64)  # the state each term has come to
    parent, char, first = ([np.zeros(1, np.int64)] for _ in range(3))
    value = [np.full(1, NONE, np.int32)]
    n, depth = 1, 0
    left = np.arange(len(terms))
    while len(left):
        keys, some, which = np.unique(
            at[left] * LIMIT + text[starts[left] + depth], return_index=True, return_inverse=True
        )
        at[left] = n + which
        parent.append(keys // LIMIT)
        char.append(keys % LIMIT)
        first.append(left[some])
        value.append(np.full(len(keys), NONE, np.int32))
        depth += 1
        ended = left[sizes[left] == depth]
        value[-1][at[ended] - n] = told[ended]
        n += len(keys)
        left = left[sizes[left] > depth]
    rank = np.empty(n, np.int64)
    rank[np.argsort(np.concatenate(first), kind="stable")] = np.arange(n)
    above = np.concatenate([[-1], rank[np.concatenate(parent)[1:]]])
    order = np.argsort(above, kind="stable")
    above, rank = above[order], rank[order]
    chars = np.concatenate(char).astype(np.int32)[order]
    child = np.searchsorted(above, rank)
    root = np.zeros(LIMIT, np.int32)
    firsts = np.flatnonzero(above == 0)
    root[chars[firsts]] = firsts
    pairs, fours = np.zeros(PAIRS, np.uint8), np.zeros(FOURS, np.uint8)
    for term in terms:
        codes = list(map(ord, term[:_LONG]))
        if len(codes) == 1:
            pairs[:] = 1  # whatever follows
        elif len(codes) < _LONG:
            pairs[pair_of(codes[0], codes[1])] = 1
        else:
            fours[four_of(codes[0], codes[1], codes[2], codes[3])] = 1
    states = np.empty((n, STATE), np.int32)
    states[:, CHILD], states[:, CHILDREN] = (
        child,
        np.searchsorted(above, rank, side="right") - child,
    )
    states[:, CHAR_OF], states[:, VALUE] = chars, np.concatenate(value)[order]
    filters = np.packbits(np.concatenate([pairs, fours]), bitorder="little").view("<i4")
    return np.concatenate([filters, root, states.reshape(-1)])
