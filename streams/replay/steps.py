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
    place = _places(chunks)
    parts: list[tuple[Columns, I8]] = []
    out = Gathered(
        records=len(place),
        through_ms=max(int(chunk.times[-1]) for chunk in chunks),
        first_ms=min((ms for chunk in chunks if (ms := _first_ms(chunk))), default=0),
    )
    start = 0
    decodeds = [chunk.decode() for chunk in chunks]
    controls = [each for decoded in decodeds for each in decoded.controls]
    if controls:
        refused = names.hear(sorted(controls, key=itemgetter(0)))
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
            whole = len(each.at) == len(at)
            flat = each.flat(chunk.times if whole else chunk.times[each.at], resolver)
            columns, rows = flat.columns(resolver)
            parts.append((columns, (at if whole else at[each.at])[rows]))
            out.unresolved += len(each.at) - distinct(rows)
        if decoded.start_ms is not None and int(chunk.times[0]) <= out.first_ms:
            out.declared_ms = decoded.start_ms
        _tell(decoded, out)
    if len(chunks) == len(parts) == 1:  # in order as they are
        columns, _ = parts[0]
        return columns if len(columns) else None, out
    return joined(parts), out


def _places(chunks: Sequence[Chunk]) -> I8:
    """Of the rows of chunks, one after the other, the place of each in the order of log times."""
    if len(chunks) == 1:
        return np.arange(len(chunks[0].times))
    times = np.concatenate([chunk.times for chunk in chunks])
    place = np.empty(len(times), np.int64)
    place[np.argsort(times, kind="stable")] = np.arange(len(times))
    return place


def _first_ms(chunk: Chunk) -> int:
    """The first usable log time of a chunk, 0 where it has none."""
    first = int(chunk.times[0])
    return first if first > 0 else int(chunk.times[chunk.times > 0].min(initial=chunk.times[-1]))


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
