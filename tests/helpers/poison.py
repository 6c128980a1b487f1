"""Parts that fail on chosen records, at once or when their bar closes, and leave damage behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from detectors.columns import Columns
from detectors.engine import Engine
from detectors.holdback import Incoming
from detectors.outputs import Outputs
from schemas.records import DeadLetter, Mention
from schemas.topics import DEAD_LETTERS
from streams.log.base import Log
from tests.helpers.logs import SETTINGS
from tests.helpers.models import crowd_model
from tests.helpers.pump import FINGERPRINT
from tests.helpers.wire import NamedTokens


class PoisonedResolver(NamedTokens):
    """Fails on mentions whose id is bad."""

    def __init__(self, bad: set[str]) -> None:
        self._bad = bad

    def resolve(self, mention: Mention, ts_log_ms: int) -> tuple[str, ...]:
        if mention.id in self._bad:
            raise ZeroDivisionError(mention.id)
        return super().resolve(mention, ts_log_ms)


class PoisonedEngine(Engine):
    """Fails on records whose id is bad: in ``push``, or when their bar closes where ``late``.

    By then its state holds a part of what it was given: going on from it would change alerts.
    """

    bad: set[str]
    late: bool

    def push(
        self,
        name: str,
        columns: Columns | None,
        through_offset: int,
        through_log_ms: int,
        log_start_ms: int | None = None,
    ) -> Outputs:
        out = super().push(name, columns, through_offset, through_log_ms, log_start_ms)
        given = set(columns.ids or ()) if columns is not None else set()
        if not self.late and given & self.bad:
            raise IndexError(min(given & self.bad))
        return out

    def _close(self, end: int, incoming: Incoming | None = None) -> Any:
        ids = self._waiting()
        out = super()._close(end, incoming)
        if incoming is not None and incoming.columns.ids is not None:
            ids |= set(np.delete(np.array(incoming.columns.ids, object), incoming.late).tolist())
        if self.late and (ids - self._waiting()) & self.bad:
            raise IndexError("a bar")
        return out

    def _waiting(self) -> set[str | None]:
        return {self._evidence.of(ref) for ref in self._hold.rows["ref"].tolist()}


def poisoned_engine(inputs: Sequence[str], bad: set[str], *, late: bool = False) -> Engine:
    engine = PoisonedEngine(SETTINGS, crowd_model(), inputs, fingerprint=FINGERPRINT)
    engine.bad, engine.late = bad, late
    return engine


async def letters_in(log: Log) -> list[DeadLetter]:
    """What is in the dead-letter topic."""
    records = await log.read(DEAD_LETTERS, 0, 0, 10_000)
    return [msgspec.json.decode(r.value or b"", type=DeadLetter) for r in records]
