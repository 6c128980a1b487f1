"""Records of a raw topic scanned many at once: log times, what is of plain form, what is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from detectors.batch import scan
from detectors.batch.flat import N_NUMBERS, side_by_side
from detectors.batch.numbering import Numbering
from detectors.batch.strings import I8
from detectors.batch.text_table import TextTable
from detectors.batch.wire import Scanned, scan_slices
from detectors.columns import TICK, Columns
from schemas.decode import decode_as
from schemas.errors import RecordError
from schemas.records import Heartbeat, Record, Tick
from schemas.tokens import canonical_token
from schemas.topics import TICKS
from streams.files.ndjson import tick_columns
from streams.files.rows import joined
from streams.log.base import LogRecord
from streams.log.slab import Slab, Slices
from streams.worker.dead_letters import Reject
from streams.worker.inputs import Decoded, declared_start_ms, decode_raw

FEW: Final = 4
"""Records of which fewer are decoded one by one: a scan of them costs more than it saves."""


class Clamped(NamedTuple):
    """Log times that never fall, and how many of the stamps did."""

    times: I8
    falls: int


def clamp(timestamps: I8, floor_ms: int) -> Clamped:
    """Clamp the stamps of an input that has reached a log time.

    >>> clamp(np.array([5, 9, 7, 8]), 6)
    Clamped(times=array([6, 9, 9, 9]), falls=3)
    """
    reached = np.empty(len(timestamps) + 1, np.int64)
    reached[0] = floor_ms
    reached[1:] = timestamps
    np.maximum.accumulate(reached, out=reached)
    return Clamped(reached[1:], int(np.count_nonzero(timestamps < reached[:-1])))


def scanned(values: Slices, kind: int) -> Scanned:
    """Scan values; plain are those of this kind, MENTION or TICK, and of plain form."""
    return scan_slices(np.frombuffer(values.raw, np.uint8), values.starts, values.ends, kind)


def one_by_one(
    slab: Slab, rows: I8, times: I8, kind: str, rejects: list[Reject]
) -> Iterator[tuple[int, Record]]:
    """Decode some records the plain way: rows and records, while what cannot be used is added to ``rejects``."""
    for row in rows.tolist():
        raw = slab.values.value(row) or b""
        try:
            yield row, decode_as(raw, kind)
        except RecordError as error:
            rejects.append(Reject(int(slab.offsets[row]), int(times[row]), error, raw))


class TickScanner:
    """Decodes raw topics as ``decode_raw`` does, ticks many at once.

    >>> value = (
    ...     b'{"type":"tick","id":"t","ts_event_ms":1736812800000,"token":"eip155:1/erc20:0x%040d",'
    ...     b'"price_usd":0.5,"value_usd":10,"side":"buy","trader_id":"w"}' % 0
    ... )
    >>> records = [LogRecord(TICKS, 0, i, 1_736_812_800_000, None, value) for i in range(FEW)]
    >>> new = TickScanner().decode(TICKS, records, -1)
    >>> len(new.columns), new.through_offset, new.rejects
    (4, 3, [])
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._numbering = Numbering()
        self._numbers = TextTable(self._number_of)

    def _number_of(self, token: str) -> int:
        try:
            return self._numbering.number(canonical_token(token))
        except RecordError:
            return -1

    def decode(self, topic: str, records: Sequence[LogRecord], floor_ms: int) -> Decoded:
        """Decode records of a raw topic; ``floor_ms`` is the log time reached."""
        if topic != TICKS or len(records) < FEW:
            return decode_raw(topic, records, floor_ms)
        slab = Slab.of(records)
        times, falls = clamp(slab.timestamps, floor_ms)
        start_ms = int(slab.timestamps[0]) if floor_ms < 0 else None
        found = scanned(slab.values, TICK)
        if self._numbering.is_full():
            self._begin()
        tokens = self._numbers.numbers(found.texts(scan.TEXT_START), np.flatnonzero(found.plain))
        good = found.plain & (tokens >= 0)
        rest = np.flatnonzero(~good)
        rejects: list[Reject] = []
        others: list[tuple[int, Tick]] = []
        progress = 0
        for row, record in one_by_one(slab, rest, times, "tick", rejects):
            if isinstance(record, Tick):
                others.append((row, record))
                continue
            progress += 1
            if row == 0 and isinstance(record, Heartbeat) and floor_ms < 0:
                start_ms = declared_start_ms(record, int(times[0]))
        parts = []
        if len(rest) < len(slab):
            at = np.flatnonzero(good)
            parts.append((self._columns(found.take(at), tokens[at], times[at]), at))
        if others:
            at = np.array([row for row, _ in others], np.int64)
            parts.append((tick_columns([tick for _, tick in others], times[at].tolist()), at))
        through, log_ms = int(slab.offsets[-1]), int(times[-1])
        return Decoded(joined(parts), through, log_ms, start_ms, rejects, progress, falls)

    def _columns(self, found: Scanned, tokens: I8, times: I8) -> Columns:
        numbers, ids = found.found[:N_NUMBERS], found.texts(scan.ID_START)
        names = self._numbering.names
        return side_by_side(names, tokens, found.kind, found.aux, times, numbers, ids)
