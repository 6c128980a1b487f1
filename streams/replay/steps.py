"""What one push to the engines is made of, whatever it was read from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

import numpy as np

from detectors.columns import Columns
from schemas.decode import encode_record
from streams.files.rows import I8, BadRecord, Chunk, Decoded, distinct, joined
from streams.replay.following import Names
from streams.sources.places import token_partition


@dataclass
class Step:
    """One push of one input, to each engine that reads it.

    Parameters
    ----------
    name : the input.
    columns : by number of engine; None is progress without records.
    through_offset, through_log_ms : how far the input is read.
    log_start_ms : when the log began, with the input's first push alone.
    counts : records by outcome; see ``docs/replay.md``.
    bad : records that cannot be used.
    """

    name: str
    columns: dict[int, Columns | None]
    through_offset: int
    through_log_ms: int
    log_start_ms: int | None
    counts: Counter[str] = field(default_factory=Counter)
    bad: list[BadRecord] = field(default_factory=list)


def gather(chunks: Sequence[Chunk], names: Names) -> tuple[Columns | None, Gathered]:
    """Columns of chunks that lie side by side in time, in log order, mentions resolved."""
    times = np.concatenate([chunk.times for chunk in chunks])
    place = np.arange(len(times))
    if len(chunks) > 1:
        place[np.argsort(times, kind="stable")] = np.arange(len(times))
    parts: list[tuple[Columns, I8]] = []
    out = Gathered(records=len(times), through_ms=int(times.max()))
    known = times[times > 0]
    out.first_ms = int(known.min()) if len(known) else 0
    start = 0
    decodeds = [chunk.decode() for chunk in chunks]
    refused = names.hear(
        sorted((each for decoded in decodeds for each in decoded.controls), key=itemgetter(0))
    )
    out.refused = len(refused)
    out.bad += [
        BadRecord(f"control record {control.id}", error, encode_record(control), log_ms)
        for log_ms, control, error in refused
    ]
    resolver = names.resolver
    resolver.begin()
    for chunk, decoded in zip(chunks, decodeds, strict=True):
        at = place[start : start + len(chunk.times)]
        start += len(chunk.times)
        if decoded.columns is not None:
            parts.append((decoded.columns, at[decoded.at]))
        for each in decoded.rows:
            flat = each.flat(chunk.times[each.at], resolver)
            columns, rows = flat.columns(resolver)
            parts.append((columns, at[each.at[rows]]))
            out.unresolved += len(each.at) - distinct(rows)
        if decoded.start_ms is not None and int(chunk.times[0]) <= out.first_ms:
            out.declared_ms = decoded.start_ms
        _tell(decoded, out)
    return joined(parts), out


@dataclass
class Gathered:
    """What ``gather`` saw: records, their first and last log time, what became of them."""

    records: int
    through_ms: int
    first_ms: int = 0
    declared_ms: int | None = None
    unresolved: int = 0
    refused: int = 0
    types: Counter[str] = field(default_factory=Counter)
    bad: list[BadRecord] = field(default_factory=list)

    def outcomes(self) -> Counter[str]:
        """Records by what became of them."""
        types = self.types
        return Counter(
            {
                "mentions": types["mention"] - self.unresolved,
                "mentions_unresolved": self.unresolved,
                "ticks": types["tick"],
                "token_infos": types["token_info"],
                "progress": types["heartbeat"] + types["gap"],
                "controls": types["control"] - self.refused,
                "not_read": types["gauge"],
                "rejected": len(self.bad),
            }
        )


def deal(columns: Columns | None, engines: int) -> dict[int, Columns | None]:
    """Rows by the engine that holds their token's partition; every engine is told of progress."""
    if columns is None or engines == 1:
        return dict.fromkeys(range(engines), columns)
    columns = columns.compact()
    owner = np.array([token_partition(token, engines) for token in columns.tokens])[columns.token]
    return {
        p: columns.take(rows) if len(rows := np.flatnonzero(owner == p)) else None
        for p in range(engines)
    }


def _tell(decoded: Decoded, out: Gathered) -> None:
    out.types.update(decoded.counts)
    out.bad += decoded.bad
