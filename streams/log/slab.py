"""Records of one partition as columns: what is read by the thousand is not made into objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from detectors.batch.lines import put_in_lines
from streams.log.base import LogRecord

I8 = NDArray[np.int64]


class Slices(NamedTuple):
    """N values as slices of one buffer; one that ends before it begins is None."""

    raw: bytes
    starts: I8
    ends: I8

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> Slices:
        """Slices of values that are put one a line."""
        raw, starts, ends = put_in_lines([value or b"" for value in values])
        if None in values:
            starts += np.fromiter((value is None for value in values), np.int64, len(values))
        return cls(raw, starts, ends)

    @classmethod
    def joined(cls, parts: Sequence[Slices]) -> Slices:
        """Several, one after the other, a line's end between two."""
        shifts = np.cumsum([0, *(len(part.raw) + 1 for part in parts[:-1])]).tolist()
        return cls(
            b"\n".join(part.raw for part in parts),
            np.concatenate([part.starts + at for part, at in zip(parts, shifts, strict=True)]),
            np.concatenate([part.ends + at for part, at in zip(parts, shifts, strict=True)]),
        )

    def value(self, i: int) -> bytes | None:
        """One of them."""
        start, end = int(self.starts[i]), int(self.ends[i])
        return None if end < start else self.raw[start:end]

    def part(self, rows: slice) -> Slices:
        """Some of them, over the same buffer."""
        return Slices(self.raw, self.starts[rows], self.ends[rows])


class Slab(Sequence[LogRecord]):
    """N records of one partition in the order of their offsets.

    Parameters
    ----------
    topic, partition : where they are from.
    offsets, timestamps : of each, int64[N].
    values : of each; between two of them lies at least one byte that is ASCII.
    keys : of each.

    Examples
    --------
    >>> read = [LogRecord("t", 0, 7, 5, b"k", b"{}"), LogRecord("t", 0, 9, 6, b"k", None)]
    >>> slab = Slab.of(read)
    >>> slab.offsets.tolist(), slab[1].value, slab[:1][0].value, list(slab) == read
    ([7, 9], None, b'{}', True)
    """

    __slots__ = ("keys", "offsets", "partition", "timestamps", "topic", "values")

    def __init__(
        self,
        topic: str,
        partition: int,
        offsets: I8,
        timestamps: I8,
        values: Slices,
        keys: Slices,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.offsets = offsets
        self.timestamps = timestamps
        self.values = values
        self.keys = keys

    @classmethod
    def of(cls, records: Sequence[LogRecord]) -> Slab:
        """One of records, at least one of them; itself where they are one already."""
        if isinstance(records, Slab):
            return records
        n = len(records)
        return cls(
            records[0].topic,
            records[0].partition,
            np.fromiter((record.offset for record in records), np.int64, n),
            np.fromiter((record.timestamp for record in records), np.int64, n),
            Slices.of([record.value for record in records]),
            Slices.of([record.key for record in records]),
        )

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, i: int) -> LogRecord: ...
    @overload
    def __getitem__(self, i: slice) -> Slab: ...
    def __getitem__(self, i: int | slice) -> LogRecord | Slab:
        if isinstance(i, slice):
            return Slab(
                self.topic,
                self.partition,
                self.offsets[i],
                self.timestamps[i],
                self.values.part(i),
                self.keys.part(i),
            )
        return LogRecord(
            self.topic,
            self.partition,
            int(self.offsets[i]),
            int(self.timestamps[i]),
            self.keys.value(i),
            self.values.value(i),
        )

    def __iter__(self) -> Iterator[LogRecord]:
        return map(self.__getitem__, range(len(self)))


def joined(runs: Sequence[Sequence[LogRecord]]) -> Sequence[LogRecord]:
    """Runs of records of one partition, at least one run, as one; of slabs a slab.

    >>> one, two = (LogRecord("t", 0, offset, 5, None, b"{}") for offset in (7, 8))
    >>> joined([[one], Slab.of([two])])[1] == two
    True
    """
    if len(runs) == 1:
        return runs[0]
    if not any(isinstance(run, Slab) for run in runs):
        return [record for run in runs for record in run]
    slabs = [Slab.of(run) for run in runs]
    return Slab(
        slabs[0].topic,
        slabs[0].partition,
        np.concatenate([slab.offsets for slab in slabs]),
        np.concatenate([slab.timestamps for slab in slabs]),
        Slices.joined([slab.values for slab in slabs]),
        Slices.joined([slab.keys for slab in slabs]),
    )


def latest(records: Sequence[LogRecord]) -> int:
    """The highest timestamp of some records, at least one.

    >>> latest([LogRecord("t", 0, 7, 9, None, None), LogRecord("t", 0, 8, 6, None, None)])
    9
    """
    if isinstance(records, Slab):
        return int(records.timestamps.max())
    return max(record.timestamp for record in records)
