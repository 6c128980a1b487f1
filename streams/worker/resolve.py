"""Mentions in, resolved batches out: each token partition gets its rows and the progress."""

from __future__ import annotations

from asyncio import gather
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from detectors.resolved import decode_batch, pack_batch
from schemas.decode import decode_as
from schemas.errors import RecordError, StateError
from schemas.records import Mention
from schemas.topics import MENTIONS, RESOLVED
from streams.log.base import Item, Log, LogRecord
from streams.sources.places import token_partition
from streams.worker.dead_letters import DeadLetters, Reject
from streams.worker.handler import TP
from streams.worker.inputs import declared_start_ms, refuse_lost
from streams.worker.tally import Tally

FLUSH_RECORDS: Final = 2_000
FLUSH_BYTES: Final = 400_000
"""A batch stays well under the megabyte a Kafka message may have."""
LOOK_BACK: Final = 200
_ROW_BYTES: Final = 80

Row = tuple[str, Mention, int]


class Resolver(Protocol):
    """Text to tokens; depends on its arguments alone."""

    def resolve(self, mention: Mention, ts_log_ms: int) -> tuple[str, ...]:
        """Canonical ids of the tokens a mention names."""
        ...


@dataclass
class Upstream:
    """How far one partition of mentions is read: next offset, clamped log time, log's start."""

    next_offset: int
    log_ms: int = -1
    log_start_ms: int | None = None


@dataclass
class _Pile:
    """Rows on their way to one token partition, and their upstream offsets."""

    rows: list[Row] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    size: int = 0


class ResolveHandler:
    """Names the tokens of mentions and deals them over the token partitions.

    The resolved topic is its own commit log: where reading goes on is what its last batches say.
    A batch written twice, or cut anew, is skipped by its offsets downstream.

    Parameters
    ----------
    log : holds both topics.
    resolver : text to tokens; depends on the mention and its log time alone.
    lexicon : hash of what the resolver reads; batches carry it.
    """

    stage: Final = "resolve"
    topics: Final = (MENTIONS,)

    def __init__(
        self, log: Log, resolver: Resolver, *, lexicon: str, dead: DeadLetters, tally: Tally
    ) -> None:
        self._log = log
        self._resolver = resolver
        self._lexicon = lexicon
        self._dead = dead
        self._tally = tally
        self._upstream: dict[int, Upstream] = {}
        self._n_out = 0

    def position(self, tp: TP) -> int:
        """Next offset to read of a partition."""
        return self._upstream[tp.partition].next_offset

    async def restore(self, tps: set[TP]) -> dict[TP, int]:
        """Next offset of each partition: after the last that every token partition has got."""
        self._n_out = await self._log.partitions(RESOLVED)
        wanted = {tp.partition for tp in tps}
        self._upstream = {}
        for u in wanted:
            self._upstream[u] = Upstream(await self._log.start_offset(MENTIONS, u))
        reached = [await self._reached(out, wanted) for out in range(self._n_out)]
        for u in wanted:
            if all(u in each for each in reached):
                at = min((each[u] for each in reached), key=lambda up: up.next_offset)
                refuse_lost(MENTIONS, u, at.next_offset, self._upstream[u].next_offset)
                self._upstream[u] = at
        return {tp: self.position(tp) for tp in tps}

    async def handover(self, tps: set[TP]) -> None:
        """Nothing to write: every batch was durable before its input was acked."""

    async def handle(self, tp: TP, records: Sequence[LogRecord]) -> None:
        """Resolve records of one partition, in order; all that follows from them is durable."""
        up = self._upstream[tp.partition]
        fresh = [record for record in records if record.offset >= up.next_offset]
        self._tally.count(MENTIONS, "skipped", len(records) - len(fresh))
        if fresh and fresh[0].offset > up.next_offset:
            start = await self._log.start_offset(MENTIONS, tp.partition)
            refuse_lost(MENTIONS, tp.partition, up.next_offset, start)
        for first in range(0, len(fresh), FLUSH_RECORDS):
            await self._resolve(tp, fresh[first : first + FLUSH_RECORDS])

    async def _resolve(self, tp: TP, records: Sequence[LogRecord]) -> None:
        up = self._upstream[tp.partition]
        state = Upstream(up.next_offset, up.log_ms, up.log_start_ms)
        piles = [_Pile() for _ in range(self._n_out)]
        rejects: list[Reject] = []
        for record in records:
            if record.timestamp < state.log_ms:
                self._tally.count(MENTIONS, "clock_fell")
            state.log_ms = max(state.log_ms, record.timestamp)
            first = state.log_start_ms is None
            if first:
                state.log_start_ms = state.log_ms
            try:
                decoded = decode_as(record.value or b"", "mention")
            except RecordError as error:
                reject = Reject(record.offset, state.log_ms, error, record.value or b"")
                rejects.append(reject)
            else:
                if isinstance(decoded, Mention):
                    self._deal(decoded, record.offset, state.log_ms, piles)
                else:
                    self._tally.count(MENTIONS, "progress")
                    if first:
                        state.log_start_ms = declared_start_ms(decoded, state.log_ms)
            if any(pile.size > FLUSH_BYTES for pile in piles):
                await self._flush(tp.partition, piles, state, record.offset)
                piles = [_Pile() for _ in range(self._n_out)]
        await self._dead.put(MENTIONS, tp.partition, rejects)
        await self._flush(tp.partition, piles, state, records[-1].offset)

    def _deal(self, mention: Mention, offset: int, log_ms: int, piles: list[_Pile]) -> None:
        tokens = self._resolver.resolve(mention, log_ms)
        self._tally.count(MENTIONS, "used" if tokens else "unresolved")
        for token in tokens:
            pile = piles[token_partition(token, self._n_out)]
            pile.rows.append((token, mention, log_ms))
            pile.offsets.append(offset)
            pile.size += _ROW_BYTES + 4 * (len(mention.id) + len(token))

    async def _flush(self, u: int, piles: Iterable[_Pile], state: Upstream, through: int) -> None:
        """Write a batch to every token partition, then take over the new position."""
        if through < state.next_offset:
            return
        batches = [
            pack_batch(
                pile.rows,
                pile.offsets,
                topic=MENTIONS,
                partition=u,
                from_offset=state.next_offset,
                through_offset=through,
                through_log_ms=state.log_ms,
                log_start_ms=state.log_start_ms,
                lexicon=self._lexicon,
            )
            for pile in piles
        ]
        await gather(
            *(
                self._log.append(RESOLVED, out, [Item(None, value)])
                for out, value in enumerate(batches)
            )
        )
        state.next_offset = through + 1
        self._upstream[u] = Upstream(state.next_offset, state.log_ms, state.log_start_ms)

    async def _reached(self, out: int, wanted: set[int]) -> dict[int, Upstream]:
        """How far each upstream partition is resolved in one token partition, newest first."""
        found: dict[int, Upstream] = {}
        end = await self._log.end_offset(RESOLVED, out)
        start = await self._log.start_offset(RESOLVED, out)
        while end > start and not wanted <= found.keys():
            low = max(start, end - LOOK_BACK)
            for u, at in (await _last_of_each(self._log, out, low, end)).items():
                if u not in found or at.next_offset > found[u].next_offset:
                    found[u] = at
            end = low
        return found


async def _last_of_each(log: Log, out: int, low: int, end: int) -> dict[int, Upstream]:
    """The furthest batch of each upstream partition among offsets [low, end)."""
    found: dict[int, Upstream] = {}
    while low < end:
        records = await log.read(RESOLVED, out, low, end - low)
        for record in records:
            if record.offset >= end:
                break
            try:
                batch = decode_batch(record.value or b"")
            except StateError:  # not ours: the detector keeps it as a dead letter
                continue
            if batch.topic != MENTIONS:
                continue
            at = Upstream(batch.through_offset + 1, batch.through_log_ms, batch.log_start_ms)
            if batch.partition not in found or at.next_offset > found[batch.partition].next_offset:
                found[batch.partition] = at
        if not records:
            break
        low = records[-1].offset + 1
    return found
