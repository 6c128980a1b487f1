"""Records that cannot be used, kept with their error and place: written before they are acked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from schemas.errors import RecordError
from schemas.records import DeadLetter
from schemas.topics import DEAD_LETTERS
from streams.log.base import Item, Log
from streams.worker.tally import Tally

KEPT_BYTES: Final = 65_536
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(frozen=True)
class Reject:
    """One record of a topic that cannot be used; ``ts_log_ms`` is its clamped log time."""

    offset: int
    ts_log_ms: int
    error: RecordError
    raw: bytes


class DeadLetters:
    """Writes rejects to the dead-letter topic.

    A worker that is killed may write a letter again; ``place`` (topic/partition/offset) tells.

    Parameters
    ----------
    log : where ``deadletters.v1`` is.
    tally : counts them.
    """

    def __init__(self, log: Log, tally: Tally) -> None:
        self._log = log
        self._tally = tally

    async def put(self, topic: str, partition: int, rejects: Sequence[Reject]) -> None:
        """Write the rejects of one partition; they are durable when this returns."""
        if not rejects:
            return
        items = [
            Item(None, _ENCODER.encode(letter(reject, f"{topic}/{partition}/{reject.offset}")))
            for reject in rejects
        ]
        partitions = await self._log.partitions(DEAD_LETTERS)
        await self._log.append(DEAD_LETTERS, partition % partitions, items)
        self._tally.count(topic, "rejected", len(rejects))


def letter(reject: Reject, place: str) -> DeadLetter:
    """A reject as the record that is kept of it; a long original is cut to ``KEPT_BYTES``."""
    return DeadLetter(
        code=reject.error.code,
        problem=reject.error.problem,
        place=place,
        ts_log_ms=reject.ts_log_ms,
        field=reject.error.field,
        remedy=reject.error.remedy,
        raw=reject.raw[:KEPT_BYTES],
    )
