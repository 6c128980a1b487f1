"""Records as JSON, many at once: those of plain form as columns, the others for ``schemas.decode``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from detectors.batch import scan
from detectors.batch.flat import N_NUMBERS, Flat
from detectors.batch.lines import put_in_lines
from detectors.batch.strings import I8, U1, Strings
from detectors.batch.text_table import PLATFORMS, TOKENS, TextTable
from detectors.columns import MENTION, TICK
from detectors.jit import wrapping

ANY_KIND: Final = -1
_AFTER: Final = np.append(np.arange(1, scan.WIDTH + 1) % scan.WIDTH, 0)
"""Which key may follow which, as most write them; the last is what a record may begin with."""


class Scanned(Struct, frozen=True):
    """N records of which ``plain`` are of plain form, bool[N].

    ``kind`` and ``aux`` are those of ``Columns``, and ``found`` is what ``scan`` gives, int64[FOUND, N]; of records that
    are not plain they say nothing. ``only`` is the kind of all where all are plain and were to be of it, else
    ANY_KIND: whoever takes a record out of ``plain`` says so here too.
    """

    data: U1
    kind: U1
    aux: U1
    found: NDArray[np.int64]
    plain: NDArray[np.bool_]
    only: int

    def part(self, start: int, stop: int) -> Scanned:
        """Some of the records, the last excluded."""
        some = slice(start, stop)
        return self._with(some, self.found[:, some])

    def take(self, rows: I8) -> Scanned:
        """Some of the records, by rising rows."""
        if len(rows) == len(self.plain):
            return self
        return self._with(rows, self.found.take(rows, axis=1))

    def texts(self, begin: int) -> Strings:
        """Texts that begin where a column of ``found`` says, and end where the next one does."""
        return Strings(self.data, self.found[begin], self.found[begin + 1])

    @property
    def ts_log_ms(self) -> I8:
        """Log times of plain records, event times where they have none, int64[N]."""
        return self.found[scan.AT_LOG].copy()

    def flat(self, rows: I8, ts_log_ms: I8, token_numbers: TextTable) -> Flat:
        """Some of the plain records as columns, with their clamped log times and numbers for their ticks' tokens."""
        some = self.take(rows)
        every = np.arange(len(rows))
        ticks, mentions = every, every[:0]
        if self.only == MENTION:
            ticks, mentions = mentions, ticks
        elif self.only != TICK:
            ticks, mentions = np.flatnonzero(some.kind), np.flatnonzero(some.kind == MENTION)
        texts = some.texts(scan.TEXT_START)
        return Flat(
            kind=some.kind,
            aux=some.aux,
            numbers=some.found[:N_NUMBERS],
            ts_log_ms=ts_log_ms,
            ids=some.texts(scan.ID_START),
            token=token_numbers.numbers(texts, ticks),
            texts=texts if len(mentions) == len(rows) else texts.take(mentions),
            mention_at=mentions,
        )

    def _with(self, rows: I8 | slice, found: NDArray[np.int64]) -> Scanned:
        return Scanned(
            self.data, self.kind[rows], self.aux[rows], found, self.plain[rows], self.only
        )


def scan_slices(data: U1, starts: I8, ends: I8, kind: int = ANY_KIND) -> Scanned:
    """Read JSON records, each a slice of ``data``; plain are those of one kind alone, where one is given.

    Whether the tokens of ticks are some is not looked at.
    """
    n = len(starts)
    kinds, aux, plain = np.empty(n, np.uint8), np.empty(n, np.uint8), np.empty(n, np.bool_)
    found, room = np.empty((scan.FOUND, n), np.int64), np.empty(scan.WIDTH, np.int64)
    with wrapping():
        n_plain, n_odd = scan.scan_rows(
            data, starts, ends, kind, room, _AFTER.copy(), kinds, aux, found, plain
        )
    scanned = Scanned(data, kinds, aux, found, plain, kind if n_plain == n else ANY_KIND)
    if n_odd:
        odd = np.flatnonzero(plain & (kinds == MENTION) & (aux == scan.ODD))
        aux[odd] = PLATFORMS.numbers(scanned.texts(scan.NAME_START), odd)[odd]
    return scanned


def scan_records(raws: Sequence[bytes], kind: int = ANY_KIND) -> Scanned:
    """Read JSON records, each a whole one; plain are those of one kind alone, where one is given.

    >>> beat = b'{"type":"heartbeat","id":"h","ts_event_ms":1736812800000}'
    >>> post = b'{"type":"mention","id":"m","ts_event_ms":1736812800000,"platform":"x","author_id":"a"}'
    >>> scan_records([beat, post]).plain.tolist(), scan_records([post], TICK).plain.tolist()
    ([False, True], [False])
    """
    raw, starts, ends = put_in_lines(raws)
    scanned = scan_slices(np.frombuffer(raw, np.uint8), starts, ends, kind)
    if kind == MENTION:
        return scanned
    ticks = np.flatnonzero(scanned.kind)
    sound = TOKENS.numbers(scanned.texts(scan.TEXT_START), ticks)[ticks]
    if sound.all():
        return scanned
    scanned.plain[ticks[sound == 0]] = False
    return replace(scanned, only=ANY_KIND)
