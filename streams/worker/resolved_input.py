"""Messages of the resolved topic, pushed to an engine: each mention once, and none left out."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.engine import Engine
from detectors.outputs import Outputs
from detectors.resolved import decode_batch, unpack_batch
from schemas.errors import GapError, RecordError, StateError
from schemas.records import ResolvedBatch
from schemas.topics import MENTIONS, RESOLVED
from streams.log.base import LogRecord
from streams.worker.dead_letters import Reject
from streams.worker.tally import Tally


def push_resolved(
    engine: Engine, records: Sequence[LogRecord], tally: Tally
) -> tuple[list[Outputs], list[Reject]]:
    """Push the batches of messages in order: what the engine gives, and the messages that are none.

    Raises GapError where mentions are missing.
    """
    outputs: list[Outputs] = []
    rejects: list[Reject] = []
    idle: dict[str, ResolvedBatch] = {}  # the last batch without rows of each input: one push
    for record in records:
        try:
            batch = _decode(record)
        except StateError as error:
            wrong = RecordError("wrong_shape", str(error), remedy="write to its own topic")
            rejects.append(Reject(record.offset, record.timestamp, wrong, record.value or b""))
            continue
        name = f"{batch.topic}/{batch.partition}"
        reached = max(engine.offset(name), idle[name].through_offset if name in idle else -1)
        if batch.through_offset <= reached:
            tally.count(RESOLVED, "skipped")
            continue
        if batch.from_offset > reached + 1 and reached >= 0:
            raise GapError(
                f"{RESOLVED} offset {record.offset}: {name} goes on at {batch.from_offset}, "
                f"but was read through {reached} only; going on would change alerts"
            )
        if not batch.ids:
            tally.count(RESOLVED, "progress")
            idle[name] = batch
            continue
        idle.pop(name, None)
        outputs.append(_push_batch(engine, name, batch))
    outputs += [_push_batch(engine, name, batch) for name, batch in idle.items()]
    return outputs, rejects


def _decode(record: LogRecord) -> ResolvedBatch:
    batch = decode_batch(record.value or b"")
    if batch.topic != MENTIONS:
        msg = f"resolved batch of {batch.topic}, not of {MENTIONS}"
        raise StateError(msg)
    return batch


def _push_batch(engine: Engine, name: str, batch: ResolvedBatch) -> Outputs:
    columns = unpack_batch(batch, engine.offset(name)) if batch.ids else None
    return engine.push(
        name, columns, batch.through_offset, batch.through_log_ms, batch.log_start_ms
    )
