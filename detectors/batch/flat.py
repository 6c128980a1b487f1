"""Ticks and mentions as flat columns, to what an engine's push takes: hashed, resolved, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from detectors.batch.resolver import BatchResolver
from detectors.batch.strings import I8, Strings
from detectors.batch.xxh64 import hashes
from detectors.columns import Columns
from schemas.platforms import platform_number
from schemas.records import Mention

NUMBERS: Final = ("ts_event_ms", "order", "id", "who", "a", "b", "c")
"""Columns that lie side by side, so that rows are taken of all of them at once."""
N_NUMBERS: Final = len(NUMBERS)
_A: Final = NUMBERS.index("a")


class Flat(Struct, frozen=True):
    """N checked ticks and mentions in log order; a mention is a row however many tokens it names.

    Parameters
    ----------
    kind, aux, ts_log_ms : as in ``Columns``.
    numbers : the columns NUMBERS, int64[N_NUMBERS, N], by row; ``a`` of mentions is what the text gives.
    ids : ids of the records.
    token : of ticks, numbers of ``BatchResolver.numbering``.
    texts : of mentions, at ``mention_at``.
    mention_at : rows of the mentions, rising.
    named : by place in ``texts``, tokens that the source names, canonical.
    """

    kind: NDArray[np.uint8]
    aux: NDArray[np.uint8]
    ts_log_ms: I8
    numbers: NDArray[np.int64]
    ids: Strings
    token: I8
    texts: Strings
    mention_at: I8
    named: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def columns(self, resolver: BatchResolver) -> tuple[Columns, I8]:
        """Columns of all that names a token, and the row each comes from, never falling.

        Their ``tokens`` are all that the resolver has numbered.
        """
        n = len(self.kind)
        if not len(self.mention_at):
            return side_by_side(
                resolver.numbering.names, self.token, self.kind, self.aux, self.ts_log_ms, self.numbers, self.ids
            ), np.arange(n)  # fmt: skip
        mixed = len(self.mention_at) < n
        log_ms = self.ts_log_ms[self.mention_at] if mixed else self.ts_log_ms
        rows, token, prints = resolver.resolve(self.texts, log_ms, self.named)
        if mixed:
            tick_rows = np.flatnonzero(self.kind)
            rows = np.concatenate([self.mention_at[rows], tick_rows])
            order = np.argsort(rows, kind="stable")
            rows, token = rows[order], np.concatenate([token, self.token[tick_rows]])[order]
            of_posts, prints = prints, self.numbers[_A].copy()
            prints[self.mention_at] = of_posts
        numbers = self.numbers.take(rows, axis=1)
        numbers[_A] = prints[rows]
        return side_by_side(
            resolver.numbering.names, token, self.kind[rows], self.aux[rows], self.ts_log_ms[rows], numbers,
            self.ids.take(rows),
        ), rows  # fmt: skip


def side_by_side(
    names: list[str],
    token: I8,
    kind: NDArray[np.uint8],
    aux: NDArray[np.uint8],
    ts_log_ms: I8,
    numbers: NDArray[np.int64],
    ids: Strings,
) -> Columns:
    """``Columns`` of N rows, ``numbers`` being the columns NUMBERS, int64[N_NUMBERS, N], by row."""
    return Columns(
        names,
        token=token.astype(np.int32),
        kind=kind,
        aux=aux,
        ts_log_ms=ts_log_ms,
        ids=ids,
        **dict(zip(NUMBERS, numbers, strict=True)),
    )


def flat_mentions(mentions: Sequence[Mention], ts_log_ms: I8) -> Flat:
    """Checked mentions with their clamped log times."""
    n = len(mentions)
    ids = Strings.of([m.id for m in mentions])
    numbers = np.zeros((N_NUMBERS, n), np.int64)
    event, order, id_, who, _, reach, _ = numbers
    event[:] = [m.ts_event_ms for m in mentions]
    order[:] = [m.order for m in mentions]
    reach[:] = [m.reach for m in mentions]
    id_[:] = hashes(ids)
    who[:] = hashes(Strings.of([m.author_id for m in mentions]))
    return Flat(
        kind=np.zeros(n, np.uint8),
        aux=np.fromiter((platform_number(m.platform) for m in mentions), np.uint8, n),
        ts_log_ms=np.asarray(ts_log_ms, np.int64),
        numbers=numbers,
        ids=ids,
        token=np.zeros(n, np.int64),
        texts=Strings.of([m.text for m in mentions]),
        mention_at=np.arange(n),
        named={i: m.tokens for i, m in enumerate(mentions) if m.tokens},
    )
