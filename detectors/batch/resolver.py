"""Tokens and fingerprints of many posts at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.batch.blocks import BLOCK
from detectors.batch.decide import resolve_rows
from detectors.batch.fold import CHARS_PER_BYTE
from detectors.batch.numbering import Numbering
from detectors.batch.prints import GRAMS_ROOM
from detectors.batch.seek import FIRST_UNKNOWN, SIZE
from detectors.batch.strings import I8, Strings
from detectors.batch.text_table import TextTable
from detectors.batch.unicode import tables
from detectors.batch.words import Words, words_of
from detectors.hashing import text_fingerprint
from detectors.jit import wrapping
from detectors.resolve.lexicon import Lexicon
from detectors.resolve.resolver import Resolver
from schemas.errors import RecordError
from schemas.records import MAX_TEXT_CHARS, MAX_TOKENS_PER_MENTION
from schemas.tokens import SOLANA_MAINNET, canonical_token, token_of_address

_ROOM: Final = 4 * MAX_TEXT_CHARS
"""Bytes of the longest text that a record may have: memory that is written to as texts need it."""
_PAGE: Final = 4_096
_HITS: Final = 1_024
NO_TOKEN: Final = -1


class Found(NamedTuple):
    """Pairs of post and token, by post: rows of the texts given, and numbers of the numbering.

    ``prints`` are fingerprints of texts, int64[N]: of those with a token, and maybe of others.
    """

    row: I8
    token: I8
    prints: I8


class BatchResolver:
    """What ``Resolver`` and ``text_fingerprint`` say of each post, for many at once.

    Parameters
    ----------
    lexicon : what the words mean, and since when.

    Examples
    --------
    >>> lexicon = Lexicon.parse('''{"versions": [{"version": 1, "effective_log_ms": 0, "tokens": [
    ...     {"token": "eip155:1/erc20:0x6982508145454ce325ddbe47a25d4ec3d2311933",
    ...      "symbol": "MOMO", "aliases": ["momo"], "ambiguous": true}]}]}''')
    >>> resolver = BatchResolver(lexicon)
    >>> texts = Strings.of(["who is momo?", "$MOMO", "momo coin", "hi"])
    >>> found = resolver.resolve(texts, np.zeros(4, np.int64), {3: ("eip155:1/erc20:0x00",)})
    >>> found.row.tolist(), resolver.numbering.names[found.token[0]][-6:], found.token.tolist()
    ([1, 2, 3], '311933', [0, 0, 1])
    """

    _pairs: I8
    _unknown: NDArray[np.uint8]

    def __init__(self, lexicon: Lexicon) -> None:
        self.plain = Resolver(lexicon)
        self.numbering = Numbering()
        self.token_numbers = TextTable(self._number_of)
        self._starts = [v.effective_log_ms for v in lexicon.versions]
        self._scratch = _scratch(_ROOM)
        self._n_room = -1
        self._words: dict[int, Words] = {}
        self._numbers: dict[int, I8] = {}

    def begin(self) -> None:
        """Begin a batch: numbers of earlier ones may no longer hold."""
        if self.numbering.is_full(sum(len(numbers) - 1 for numbers in self._numbers.values())):
            self.numbering = Numbering()
            self.token_numbers = TextTable(self._number_of)
            self._numbers = {}

    def _number_of(self, token: str) -> int:
        """Number of a token as a record writes it; -1 where it is none."""
        try:
            return self.numbering.number(canonical_token(token))
        except RecordError:
            return NO_TOKEN

    def resolve(
        self, texts: Strings, ts_log_ms: I8, named: Mapping[int, Sequence[str]] | None = None
    ) -> Found:
        """Tokens of posts, with their clamped log times; ``named`` by row where the source knows."""
        n = len(texts)
        named = named or {}
        is_named = np.zeros(n, np.bool_)
        if named:
            is_named[list(named)] = True
        out = self._room(n)
        n_out = n_unknown = n_unsure = 0
        bounds: list[tuple[int, int, int]] = []
        for version, rows in self._by_version(ts_log_ms):
            before = n_out
            given: tuple[Any, ...] = (texts.data, texts.starts, texts.ends, rows, is_named)
            given += (tables(), *self._arrays(version), *self._scratch, *out, n_out, n_unknown)
            with wrapping():
                n_out, n_unknown, more = resolve_rows(*given)
            n_unsure += more
            bounds.append((version, before, n_out))
        rows, pairs = out.pairs[:n_out].T.copy()
        parts = [
            self._numbers[version].take(pairs[start:stop], mode="clip")
            for version, start, stop in bounds
        ]
        tokens = parts[0] if len(parts) == 1 else np.concatenate([pairs[:0], *parts])
        if n_unknown:
            unlisted = np.flatnonzero(pairs < 0)
            mints = self.numbering.of(_tokens(out, n_unknown))
            tokens[unlisted] = mints[FIRST_UNKNOWN - pairs[unlisted]]
        odd = [(row, self.numbering.number(name)) for row, names in named.items() for name in names]
        if n_unsure:
            unsure = np.flatnonzero(out.unsure)
            odd += self._plainly(texts, ts_log_ms, unsure, is_named, out.prints)
        if odd or len(bounds) > 1:
            more = np.array(odd, np.int64).reshape(len(odd), 2)
            rows = np.concatenate([rows, more[:, 0]])
            order = np.argsort(rows, kind="stable")
            rows, tokens = rows[order], np.concatenate([tokens, more[:, 1]])[order]
        return Found(rows, tokens, out.prints)

    def _room(self, n: int) -> _Out:
        """Where to write what n texts give; what is read of it at once is used again."""
        if n > self._n_room:
            self._n_room = n
            self._pairs = np.empty((n * MAX_TOKENS_PER_MENTION, 2), np.int64)
            self._unknown = np.empty((n + MAX_TOKENS_PER_MENTION, SIZE + 1), np.uint8)
        return _Out(
            self._pairs,
            self._unknown[: n + MAX_TOKENS_PER_MENTION],
            np.zeros(n, np.uint8),
            np.zeros(n, np.int64),
        )

    def _by_version(self, ts_log_ms: I8) -> list[tuple[int, I8]]:
        """Rows by the version of the lexicon in force at their log times; -1 is before the first."""
        if not len(ts_log_ms):
            return []
        if self._starts == [0]:  # as most lexicons are; no log time is less
            return [(0, np.arange(len(ts_log_ms)))]
        ends = int(ts_log_ms.min()), int(ts_log_ms.max())
        low, high = (bisect_right(self._starts, end) - 1 for end in ends)
        if low == high:
            return [(low, np.arange(len(ts_log_ms)))]
        which = np.searchsorted(self._starts, ts_log_ms, side="right") - 1
        return [(k, rows) for k in range(low, high + 1) if len(rows := np.flatnonzero(which == k))]

    def _arrays(self, version: int) -> Words:
        index = self.plain.index(version)
        if version not in self._words:
            self._words[version] = words_of(index)
        if version not in self._numbers:
            self._numbers[version] = np.append(self.numbering.of(index.tokens), 0)
        return self._words[version]

    def _plainly(
        self, texts: Strings, ts_log_ms: I8, rows: I8, is_named: NDArray[np.bool_], prints: I8
    ) -> list[tuple[int, int]]:
        """Decide rows that are not sure, the way one post is decided."""
        found = []
        for row in rows.tolist():
            text = texts[row]
            prints[row] = text_fingerprint(text)
            if not is_named[row]:
                tokens = self.plain.named(text, int(ts_log_ms[row]))
                found += [(row, self.numbering.number(token)) for token in tokens]
        return found


class _Out(NamedTuple):
    """What ``resolve_rows`` writes, in its order."""

    pairs: I8
    unknown: NDArray[np.uint8]
    unsure: NDArray[np.uint8]
    prints: I8


def _scratch(longest: int) -> tuple[NDArray[Any], ...]:
    """What ``resolve_rows`` needs for one text of so many bytes, in its order."""
    chars = CHARS_PER_BYTE * longest + BLOCK
    return (
        _apart(0, chars, np.int32),
        _apart(1, chars, np.int32),
        np.empty(chars // BLOCK + 1, np.int64),
        np.empty(chars // BLOCK + 1, np.int64),
        _apart(2, 2 * chars, np.uint16),
        _apart(3, chars, np.uint8),
        np.empty((_HITS, 3), np.int32),
        np.empty((_HITS, 3), np.int32),
        np.empty(_HITS, np.int32),
        np.empty(9, np.int64),
        np.empty(GRAMS_ROOM, np.uint64),
    )


def _apart(k: int, n: int, kind: Any) -> NDArray[Any]:
    """Room that begins at another place of a page for each of a few k.

    Large arrays all begin at the same, and a processor takes a read for one of what was just written to another
    where the low twelve bits of their addresses are equal: it then waits.
    """
    begin = _PAGE // 8 * k // np.dtype(kind).itemsize
    return np.empty(begin + n, kind)[begin:]


def _tokens(out: _Out, n: int) -> list[str]:
    sizes = out.unknown[:n, SIZE].tolist()
    texts = [out.unknown[k, :size].tobytes().decode() for k, size in enumerate(sizes)]
    return [token_of_address(SOLANA_MAINNET, text) for text in texts]
