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
        """Columns of all that names a token, and the row each comes from, never falling."""
        found = resolver.resolve(self.texts, self.ts_log_ms[self.mention_at], self.named)
        mention_rows = self.mention_at[found.row]
        tick_rows = np.flatnonzero(self.kind)
        rows, token = mention_rows, found.token
        a = self.a
        if len(self.mention_at):
            a = a.copy()
            a[self.mention_at] = found.prints
        if len(tick_rows):
            rows = np.concatenate([mention_rows, tick_rows])
            token = np.concatenate([found.token, self.token[tick_rows]])
            order = np.argsort(rows, kind="stable")
            rows, token = rows[order], token[order]
        names, compact = resolver.numbering.compact(token)
        columns = Columns(
            names,
            token=compact,
            kind=self.kind[rows],
            aux=self.aux[rows],
            ts_event_ms=self.ts_event_ms[rows],
            ts_log_ms=self.ts_log_ms[rows],
            order=self.order[rows],
            id=self.id[rows],
            who=self.who[rows],
            a=a[rows],
            b=self.b[rows],
            c=self.c[rows],
            ids=self.ids.take(rows),
        )
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
