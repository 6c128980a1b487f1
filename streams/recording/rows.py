"""Records of a partition as rows of a Parquet file: their very bytes, and columns to query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from schemas.decode import decode_as
from schemas.errors import RecordError, StateError
from schemas.records import Record
from schemas.topics import ALERTS, RAW_TOPIC_OF_TYPE
from streams.files.schema import RECORD_SCHEMA
from streams.files.write import batch_of
from streams.log.base import LogRecord
from streams.worker.alerts import decode_alert

_KIND_OF: Final = {topic: kind for kind, topic in RAW_TOPIC_OF_TYPE.items()}
_OWN: Final = ("ts_log_ms", "partition", "offset", "key", "value")
SCHEMA: Final = pa.schema(
    [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("ts_log_ms", pa.int64(), nullable=False),
        *(field.with_nullable(True) for field in RECORD_SCHEMA if field.name not in _OWN),
        ("key", pa.binary()),
        ("value", pa.binary()),
    ],
    metadata={b"goldendog.recording": b"1"},
)
"""``key`` and ``value`` are the message as it came, null where it had none; all between the log time and
them is what it says, null where it cannot be decoded, or is of a topic that is not looked into."""


def batch_of_log(records: Sequence[LogRecord], log_ms: Sequence[int]) -> tuple[pa.RecordBatch, int]:
    """Rows of records of one partition, with their clamped log times; how many do not decode."""
    topic = records[0].topic
    own = {
        "partition": pa.array([r.partition for r in records], pa.int32()),
        "offset": pa.array([r.offset for r in records], pa.int64()),
        "ts_log_ms": pa.array(log_ms, pa.int64()),
        "key": pa.array([r.key for r in records], pa.binary()),
        "value": pa.array([r.value for r in records], pa.binary()),
    }
    told, bad = _told(topic, records)
    arrays = [own[name] if name in own else told[name] for name in SCHEMA.names]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA), bad


def _told(topic: str, records: Sequence[LogRecord]) -> tuple[pa.RecordBatch, int]:
    if topic == ALERTS:
        return _alerts(records)
    kind = _KIND_OF.get(topic)
    found: list[Record] = []
    at: list[int | None] = []
    if kind is not None:
        for record in records:
            try:
                found.append(decode_as(record.value or b"", kind))
                at.append(len(found) - 1)
            except RecordError:
                at.append(None)
    # as nullable columns: a row that does not decode has not even a type
    told = pa.RecordBatch.from_arrays(batch_of(found).columns, names=RECORD_SCHEMA.names)
    if len(found) == len(records):
        return told, 0
    at = at or [None] * len(records)
    bad = len(records) - len(found) if kind is not None else 0
    return told.take(pa.array(at, pa.int64())), bad


def _alerts(records: Sequence[LogRecord]) -> tuple[pa.RecordBatch, int]:
    rows: list[dict[str, str | int]] = []
    for record in records:
        try:
            alert = decode_alert(record.value or b"")
        except StateError:
            rows.append({})
            continue
        rows.append(
            {
                "type": "alert",
                "id": alert.alert_id,
                "ts_event_ms": alert.ts_bar_end_ms,
                "token": alert.token,
            }
        )
    arrays = [pa.array([row.get(f.name) for row in rows], f.type) for f in RECORD_SCHEMA]
    return pa.RecordBatch.from_arrays(arrays, names=RECORD_SCHEMA.names), rows.count({})
