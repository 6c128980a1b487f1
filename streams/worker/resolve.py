"""Mentions in, resolved batches out: each token partition gets its rows and the progress."""

from __future__ import annotations

from asyncio import Lock, gather
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Protocol

import numpy as np

from detectors.batch.resolver import BatchResolver
from detectors.columns import columns_of_mentions
from detectors.resolved import pack_columns
from schemas.decode import decode_as
from schemas.errors import RecordError
from schemas.records import Mention
from schemas.topics import MENTIONS, RESOLVED
from streams.log.base import Item, Log, LogRecord
from streams.log.slab import Slab, latest
from streams.sources.places import token_partition
from streams.worker.control import Words
from streams.worker.dead_letters import DeadLetters, Reject
from streams.worker.handler import TP
from streams.worker.inputs import (
    beyond,
    declared_start_ms,
    refuse_another,
    refuse_lost,
    refuse_remade,
)
from streams.worker.pacing import Pacing
from streams.worker.poison import Nowhere, Sieve, Verdict, blame, is_records_fault, silence
from streams.worker.resolved_upto import Upstream, resolved_in
from streams.worker.resolving import ROW_BYTES, Dealt, deal, resolve_slab, size_of
from streams.worker.tally import Tally

FLUSH_RECORDS: Final = 2_000
FLUSH_BYTES: Final = 400_000
"""A batch stays well under the megabyte a Kafka message may have."""
FEW: Final = 20
"""Mentions of which fewer are resolved one by one."""

Row = tuple[str, Mention, int]


class Resolver(Protocol):
    """Text to tokens; depends on its arguments alone."""

    def resolve(self, mention: Mention, ts_log_ms: int) -> tuple[str, ...]:
        """Canonical ids of the tokens a mention names."""
        ...


class Reader(NamedTuple):
    """What reads texts, and the hash of its lexicon, which batches carry."""

    resolver: Resolver | BatchResolver
    lexicon: str

    @property
    def plain(self) -> Resolver:
        """The resolver for one text."""
        of = self.resolver
        return of.plain if isinstance(of, BatchResolver) else of


@dataclass
class _Pile:
    """Rows on their way to one token partition, and their upstream offsets."""

    rows: list[Row] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    size: int = 0

    def dealt(self) -> Dealt:
        """The same as columns."""
        return Dealt(columns_of_mentions(self.rows), np.array(self.offsets, np.int64))


class ResolveHandler:
    """Names the tokens of mentions and deals them over the token partitions.

    The resolved topic is its own commit log: where reading goes on is what its last batches say.
    A batch written twice, or cut anew, is skipped by its offsets downstream.

    Partitions of mentions are worked on beside each other: one waits while another's batches are on
    their way to the log. Of one partition, a batch is begun when the one before is written, everywhere.

    Posts of a log time for which the control topic may still change the lexicon wait here, and no
    more of their partition is fetched; the other partitions go on. The group's offset passes them then;
    a restart reads on from what was resolved, not from there.

    Parameters
    ----------
    log : holds both topics.
    resolver : text to tokens; depends on the mention and its log time alone. A ``BatchResolver``
        gets many at once.
    lexicon : hash of what the resolver reads; batches carry it.
    words : gives the resolver of a log time, where the lexicon may change while the log runs.
    pacing : holds back a partition that runs ahead of the control topic.
    """

    stage: Final = "resolve"
    topics: Final = (MENTIONS,)

    def __init__(
        self,
        log: Log,
        resolver: Resolver | BatchResolver,
        *,
        lexicon: str,
        dead: DeadLetters,
        tally: Tally,
        words: Words[BatchResolver] | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        self._log = log
        self._reader = Reader(resolver, lexicon)
        self._words = words
        self._dead = dead
        self._tally = tally
        self._pacing = pacing or Pacing()
        self._upstream: dict[int, Upstream] = {}
        self._waiting: dict[int, list[LogRecord]] = {}
        self._locks: defaultdict[int, Lock] = defaultdict(Lock)
        """Who has the lock of a partition alone works on it; between two awaits nobody else works at all."""
        self._n_out = 0

    def position(self, tp: TP) -> int:
        """Next offset to read of a partition."""
        return self._upstream[tp.partition].next_offset

    def reached_ms(self, tp: TP) -> int | None:
        """Log time to which a partition is read; None before its first record."""
        up = self._upstream.get(tp.partition)
        return None if up is None or up.log_ms < 0 else up.log_ms

    async def restore(self, tps: set[TP]) -> dict[TP, int]:
        """Next offset of each partition: after the last that every token partition has got."""
        self._n_out = await self._log.partitions(RESOLVED)
        wanted = {tp.partition for tp in tps}
        self._waiting.clear()
        self._pacing.forget()
        self._upstream = {}
        for u in wanted:
            self._upstream[u] = Upstream(await self._log.start_offset(MENTIONS, u))
        reached = [await resolved_in(self._log, out, wanted) for out in range(self._n_out)]
        for u in wanted:
            if all(u in each for each in reached):
                at = min((each[u] for each in reached), key=lambda up: up.next_offset)
                await refuse_another(self._log, MENTIONS, u, at.next_offset, at.log_ms)
                self._upstream[u] = at
        return {tp: self.position(tp) for tp in tps}

    async def handover(self, tps: set[TP]) -> None:  # noqa: ARG002 the contract's
        """Forget what waits, once nothing is on its way: whoever comes next reads it again."""
        async with AsyncExitStack() as stack:
            for u in sorted(self._locks):
                await stack.enter_async_context(self._locks[u])
            self._waiting.clear()

    async def handle(self, tp: TP, records: Sequence[LogRecord]) -> None:
        """Resolve records of one partition, in order: all that follows from them is durable.

        What is too far ahead of the control topic is kept for ``tick``.
        """
        async with self._locks[tp.partition]:
            await self.work(tp, records)

    async def tick(self, sieve: Sieve) -> None:
        """Resolve what has waited for the control topic; called again and again."""
        for u in list(self._waiting):
            async with self._locks[u]:
                if u in self._waiting:
                    await self._retry(TP(MENTIONS, u), self._waiting.pop(u), sieve)

    async def _retry(self, tp: TP, records: list[LogRecord], sieve: Sieve) -> None:
        try:
            await self.work(tp, records)
        except Exception as error:
            if not is_records_fault(error):
                raise
            await self._sift(tp, records, sieve)
        waiting = self._waiting.get(tp.partition)
        if waiting is None:
            self._pacing.release(tp, self.stage)
        elif self._words is not None:
            self._words.refuse_still(waiting[0].timestamp)

    async def work(self, tp: TP, records: Sequence[LogRecord]) -> None:
        """As ``handle``, for who has its turn already."""
        if tp.partition in self._waiting:
            self._waiting[tp.partition] += records
            return
        up = self._upstream[tp.partition]
        fresh = beyond(records, up.next_offset)
        if len(fresh) < len(records):
            end = await self._log.end_offset(*tp)
            refuse_remade(*tp, up.next_offset, end)
        self._tally.count(MENTIONS, "skipped", len(records) - len(fresh))
        if fresh and fresh[0].offset > up.next_offset:
            start = await self._log.start_offset(MENTIONS, tp.partition)
            refuse_lost(MENTIONS, tp.partition, up.next_offset, start)
        end, reader = len(fresh), self._reader
        if self._words is not None and fresh:
            known_ms = await self._words.known_ms()
            reader = Reader(*self._words.now())
            end = _end_of_known(fresh, up.log_ms, known_ms)
        for first in range(0, end, FLUSH_RECORDS):
            some = fresh[first : min(first + FLUSH_RECORDS, end)]
            if isinstance(reader.resolver, BatchResolver) and len(some) >= FEW:
                await self._resolve_slab(tp, Slab.of(some), reader)
            else:
                await self._resolve(tp, some, reader)
        if end < len(fresh):
            self._waiting[tp.partition] = list(fresh[end:])
            self._pacing.hold(tp, self.stage)

    async def _resolve_slab(self, tp: TP, slab: Slab, reader: Reader) -> None:
        assert isinstance(reader.resolver, BatchResolver)
        up = self._upstream[tp.partition]
        found = resolve_slab(slab, up.log_ms, reader.resolver)
        piles = deal(found, slab.offsets, self._n_out)
        if len(slab) > 1 and max(map(size_of, piles)) > FLUSH_BYTES:
            middle = len(slab) // 2
            await self._resolve_slab(tp, slab[:middle], reader)
            await self._resolve_slab(tp, slab[middle:], reader)
            return
        for outcome, n in (
            ("clock_fell", found.falls),
            ("progress", found.progress),
            ("used", found.used),
            ("unresolved", found.unresolved),
        ):
            self._tally.count(MENTIONS, outcome, n)
        start_ms = found.log_start_ms if up.log_start_ms is None else up.log_start_ms
        state = replace(up, log_ms=found.log_ms, log_start_ms=start_ms)
        await self._dead.put(MENTIONS, tp.partition, found.rejects)
        await self._flush(tp.partition, piles, state, int(slab.offsets[-1]), reader)

    async def rescue(self, tp: TP, records: Sequence[LogRecord], sieve: Sieve) -> None:
        """After ``handle`` has raised: do all of these records but those that poison it."""
        async with self._locks[tp.partition]:
            await self._sift(tp, records, sieve)

    async def _sift(self, tp: TP, records: Sequence[LogRecord], sieve: Sieve) -> None:
        fresh = beyond(records, self._upstream[tp.partition].next_offset)
        if fresh:
            await sieve.sift(tp, fresh, _Trial(self))

    def twin(self) -> ResolveHandler:
        """A handler that would go on from here, and leaves no trace of what it does."""
        nowhere, tally = Nowhere(self._log), Tally()
        dead = DeadLetters(nowhere, tally)
        resolver, lexicon = self._reader if self._words is None else self._words.now()
        twin = ResolveHandler(nowhere, resolver, lexicon=lexicon, dead=dead, tally=tally)
        twin._upstream, twin._n_out = dict(self._upstream), self._n_out
        return twin

    async def _resolve(self, tp: TP, records: Sequence[LogRecord], reader: Reader) -> None:
        up = self._upstream[tp.partition]
        state = replace(up)
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
                    self._deal(decoded, record.offset, state.log_ms, piles, reader.plain)
                else:
                    self._tally.count(MENTIONS, "progress")
                    if first:
                        state.log_start_ms = declared_start_ms(decoded, state.log_ms)
            if any(pile.size > FLUSH_BYTES for pile in piles):
                await self._dead.put(MENTIONS, tp.partition, rejects)  # before it is passed
                rejects = []
                dealt = [p.dealt() for p in piles]
                await self._flush(tp.partition, dealt, state, record.offset, reader)
                piles = [_Pile() for _ in range(self._n_out)]
        await self._dead.put(MENTIONS, tp.partition, rejects)
        dealt = [p.dealt() for p in piles]
        await self._flush(tp.partition, dealt, state, records[-1].offset, reader)

    def _deal(
        self, mention: Mention, offset: int, log_ms: int, piles: list[_Pile], resolver: Resolver
    ) -> None:
        tokens = resolver.resolve(mention, log_ms)
        self._tally.count(MENTIONS, "used" if tokens else "unresolved")
        for token in tokens:
            pile = piles[token_partition(token, self._n_out)]
            pile.rows.append((token, mention, log_ms))
            pile.offsets.append(offset)
            pile.size += ROW_BYTES + 4 * (len(mention.id) + len(token))

    async def _flush(
        self, u: int, piles: Sequence[Dealt], state: Upstream, through: int, reader: Reader
    ) -> None:
        """Write a batch to every token partition, then take over the new position."""
        if through < state.next_offset:
            return
        batches = [
            pack_columns(
                *pile,
                topic=MENTIONS,
                partition=u,
                from_offset=state.next_offset,
                through_offset=through,
                through_log_ms=state.log_ms,
                log_start_ms=state.log_start_ms,
                lexicon=reader.lexicon,
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


def _end_of_known(records: Sequence[LogRecord], log_ms: int, known_ms: int) -> int:
    """How many of some records are, at the log time reached, before the one up to which all is known.

    A change may still come that is in force from that one on.
    """
    if max(log_ms, latest(records)) < known_ms:
        return len(records)
    if log_ms >= known_ms:
        return 0
    return next(n for n, record in enumerate(records) if record.timestamp >= known_ms)


class _Trial:
    """Tries mentions out on a twin: a batch that fails has reached no topic."""

    def __init__(self, handler: ResolveHandler) -> None:
        self._handler = handler

    async def fails(self, records: Sequence[LogRecord]) -> Exception | None:
        """Give the error that records cause."""
        try:
            await self._handler.twin().handle(TP(records[0].topic, records[0].partition), records)
        except Exception as error:  # noqa: BLE001 whatever it is, the sieve judges it
            return error
        return None

    async def apply(self, records: Sequence[LogRecord]) -> None:
        """Resolve them in earnest."""
        await self._handler.work(TP(records[0].topic, records[0].partition), records)

    async def condemn(self, record: LogRecord, error: Exception) -> Verdict:
        """It becomes silence."""
        reject = Reject(record.offset, record.timestamp, blame(error), record.value or b"")
        return Verdict(silence(record), record.topic, record.partition, [reject])
