"""Ticks and mentions as flat columns, to what an engine's push takes: hashed, resolved, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from detectors.batch.resolver import BatchResolver
from detectors.batch.strings import I8, Strings
from detectors.batch.xxh64 import hashes
from detectors.columns import Columns
from schemas.platforms import platform_number
from schemas.records import Mention


@dataclass(frozen=True)
class Flat:
    """N checked ticks and mentions in log order; a mention is a row however many tokens it names.

    Parameters
    ----------
    kind, aux, ts_event_ms, ts_log_ms, order, b, c : as in ``Columns``.
    a : packed price of ticks; of mentions what the text gives.
    ids, id : ids of the records, and their hashes.
    who : hashes of authors and traders.
    token : of ticks, numbers of ``BatchResolver.numbering``.
    texts : of mentions, at ``mention_at``.
    mention_at : rows of the mentions, rising.
    named : by place in ``texts``, tokens that the source names, canonical.
    """

    kind: NDArray[np.uint8]
    aux: NDArray[np.uint8]
    ts_event_ms: I8
    ts_log_ms: I8
    order: I8
    ids: Strings
    id: I8
    who: I8
    token: I8
    a: I8
    b: I8
    c: I8
    texts: Strings
    mention_at: I8
    named: Mapping[int, Sequence[str]] = field(default_factory=dict)

    def columns(self, resolver: BatchResolver) -> tuple[Columns, I8]:
        """Columns of all that names a token, and the row each comes from, never falling.

        Their ``tokens`` are all that the resolver has numbered.
        """
        every = Columns(
            resolver.numbering.names,
            token=self.token.astype(np.int32),
            kind=self.kind,
            aux=self.aux,
            ts_event_ms=self.ts_event_ms,
            ts_log_ms=self.ts_log_ms,
            order=self.order,
            id=self.id,
            who=self.who,
            a=self.a,
            b=self.b,
            c=self.c,
            ids=self.ids,
        )
        if not len(self.mention_at):
            return every, np.arange(len(self.kind))
        found = resolver.resolve(self.texts, self.ts_log_ms[self.mention_at], self.named)
        rows, token = self.mention_at[found.row], found.token
        every.a = self.a.copy()
        every.a[self.mention_at] = found.prints
        tick_rows = np.flatnonzero(self.kind)
        if len(tick_rows):
            rows = np.concatenate([rows, tick_rows])
            order = np.argsort(rows, kind="stable")
            rows, token = rows[order], np.concatenate([token, self.token[tick_rows]])[order]
        columns = every.take(rows)
        columns.token = token.astype(np.int32)
        return columns, rows


def flat_mentions(mentions: Sequence[Mention], ts_log_ms: I8) -> Flat:
    """Checked mentions with their clamped log times."""
    n = len(mentions)
    ids = Strings.of([m.id for m in mentions])
    return Flat(
        kind=np.zeros(n, np.uint8),
        aux=np.fromiter((platform_number(m.platform) for m in mentions), np.uint8, n),
        ts_event_ms=np.fromiter((m.ts_event_ms for m in mentions), np.int64, n),
        ts_log_ms=np.asarray(ts_log_ms, np.int64),
        order=np.fromiter((m.order for m in mentions), np.int64, n),
        ids=ids,
        id=hashes(ids),
        who=hashes(Strings.of([m.author_id for m in mentions])),
        token=np.zeros(n, np.int64),
        a=np.zeros(n, np.int64),
        b=np.fromiter((m.reach for m in mentions), np.int64, n),
        c=np.zeros(n, np.int64),
        texts=Strings.of([m.text for m in mentions]),
        mention_at=np.arange(n),
        named={i: m.tokens for i, m in enumerate(mentions) if m.tokens},
    )
