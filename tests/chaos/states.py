"""State and records that are not as they should be: checkpoints, poison, transactions, clocks."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from schemas.decode import encode_record
from schemas.records import Control, Mention, Record, Tick
from schemas.topics import CHECKPOINTS, MENTIONS, TICKS, TOPICS
from streams.control.files import ControlFiles
from streams.control.send import new_control
from streams.log.base import Item
from streams.settings_load import load_settings
from streams.sources.places import places_of, token_partition
from tests.chaos.kills import whole
from tests.chaos.stage import Stage
from tests.chaos.verdict import expected_of
from tests.chaos.waves import T0, TOKENS, beat, lexicon


async def torn_and_corrupted(it: Stage) -> None:
    """A torn checkpoint beside a corrupted one: the one before is used; then all are corrupted."""
    records = whole(8)
    third = len(records) // 3
    worker = it.worker("one", EAGER_CHECKPOINTS="1")
    for n in range(2):
        await it.feed(records[n * third : (n + 1) * third])
        worker.start()
        await it.at_work(worker)
        await it.until_alerts(20 + 20 * n)
        await worker.drain()
        worker.start()  # so that there are two of each partition
        await it.feed(records[(n + 1) * third : (n + 1) * third + 200])
        del records[(n + 1) * third : (n + 1) * third + 200]
        await it.at_work(worker)
        await it.all_read()
        await worker.drain()
        for p in range(it.partitions):
            await _spoil(it, p, every=n == 1)
    await it.feed(records[2 * third :])
    worker.start()
    await it.at_work(worker)
    assert "a checkpoint is passed over" in worker.said()
    assert "the state is rebuilt from the log's start" in worker.said()


async def _spoil(it: Stage, partition: int, *, every: bool) -> None:
    """Write over a chunk of the newest checkpoint, or of all; and begin one that is never ended."""
    offset, chunks = await it.log.start_offset(CHECKPOINTS, partition), dict[bytes, bool]()
    while records := await it.log.read(CHECKPOINTS, partition, offset):
        for record in records:
            if record.key and record.key.endswith(b"/0"):
                chunks.pop(record.key, None)
                if record.value is not None:
                    chunks[record.key] = True
        offset = records[-1].offset + 1
    assert len(chunks) >= 2, chunks
    spoilt = list(chunks) if every else list(chunks)[-1:]
    await it.log.append(CHECKPOINTS, partition, [Item(key, b"spoilt") for key in spoilt])
    _, name, _ = spoilt[-1].decode().split("/")
    number, _, rest = name.partition("-")
    torn = f"{partition}/{int(number) + 1:0{len(number)}}-{rest}/0".encode()
    await it.log.append(CHECKPOINTS, partition, [Item(torn, b"torn")])


async def poison(it: Stage) -> list[bytes]:
    """Records that make the resolver or the engine raise, under two workers."""
    records = whole(8)
    middle = records[len(records) // 3 :]
    mentions = [r.id for r in middle if isinstance(r, Mention)]
    ticks = [r.id for r in middle if isinstance(r, Tick)]
    bad = {"RESOLVER": [mentions[0], mentions[900]], "ENGINE": [ticks[0], ticks[1], ticks[800]]}
    options = {f"POISON_{name}": ",".join(ids) for name, ids in bad.items()}
    await it.kept("one", "two", **options)
    await it.feed(records, per_s=400)
    return await expected_of(it, without=[*bad["RESOLVER"], *bad["ENGINE"]])


async def aborted_transactions(it: Stage) -> None:
    """A transactional producer of trades, half of whose transactions abort."""
    records = whole(8)
    await it.kept("one", "two")
    producer = AIOKafkaProducer(
        bootstrap_servers=it.broker.bootstrap, transactional_id="chaos", acks="all"
    )
    await producer.start()
    try:
        size = 400
        for n, first in enumerate(range(0, len(records), size)):
            some = records[first : first + size]
            now_ms = some[0].ts_log_ms or T0
            lies = [
                Tick(f"lie{n}-{i}", now_ms, token, "999", "99999", "buy", f"liar{i % 9}",
                     ts_log_ms=now_ms)
                for i, token in enumerate(TOKENS * 3)
            ]  # fmt: skip
            await _transact(it, producer, lies, abort=True)
            ticks = [r for r in some if isinstance(r, Tick)]
            await _transact(it, producer, ticks, abort=False)
            await it.feed([r for r in some if not isinstance(r, Tick)])
            it.fed += len(ticks)
    finally:
        await producer.stop()


async def _transact(
    it: Stage, producer: AIOKafkaProducer, ticks: list[Tick], *, abort: bool
) -> None:
    await producer.begin_transaction()
    for tick in ticks:
        await producer.send(
            TICKS,
            encode_record(tick),
            key=tick.token.encode(),
            partition=token_partition(tick.token, it.partitions),
            timestamp_ms=tick.ts_log_ms,
        )
    await producer.flush()
    await (producer.abort_transaction() if abort else producer.commit_transaction())


async def clock_ahead(it: Stage) -> None:
    """One partition of trades is stamped 50 minutes ahead for a while, then one of posts."""
    records = whole(9)
    ahead_ms = 50 * 60_000
    counts = {spec.name: await it.log.partitions(spec.name) for spec in TOPICS if spec.raw_input}
    some: list[Record] = []
    for n, record in enumerate(records):
        place = (TICKS, 1) if n < len(records) // 2 else (MENTIONS, 0)
        share = 2 * n / len(records) % 1
        early = 0.6 <= share < 0.8 and places_of(record, counts) == [place]
        log_ms = (record.ts_log_ms or 0) + early * ahead_ms
        some.append(replace(record, ts_log_ms=log_ms))
    await it.kept("one", "two")
    await it.feed(some, per_s=400)
    end_ms = records[-1].ts_log_ms or 0
    await it.feed([beat(end_ms + ms) for ms in range(0, ahead_ms + 300_000, 30_000)])


async def changes(it: Stage) -> None:
    """A lexicon and a threshold change mid-run, while workers are killed."""
    records = whole(11)
    one, two = await it.kept("one", "two")
    feeding = asyncio.create_task(it.feed(_changed(it, records), per_s=300))
    for share, worker in ((0.35, one), (0.5, two), (0.65, one)):
        await it.share(records, share)
        await it.at_work(worker)
        worker.signal(signal.SIGKILL)
    await feeding


async def poison_and_changes(it: Stage) -> list[bytes]:
    """Records that make the resolver or the engine raise, around changes of lexicon and threshold."""
    records = whole(11)
    mixed = _changed(it, records)
    bad: dict[type[Record], list[str]] = {Mention: [], Tick: []}
    for at in (n for n, record in enumerate(mixed) if isinstance(record, Control)):
        for kind, ids in bad.items():
            before = next(r for r in reversed(mixed[:at]) if isinstance(r, kind))
            after = next(r for r in mixed[at:] if isinstance(r, kind))
            ids += [before.id, after.id]
    options = {"POISON_RESOLVER": ",".join(bad[Mention]), "POISON_ENGINE": ",".join(bad[Tick])}
    await it.kept("one", "two", **options)
    await it.feed(mixed, per_s=400)
    return await expected_of(it, without=[*bad[Mention], *bad[Tick]])


def _changed(it: Stage, records: Sequence[Record]) -> list[Record]:
    """Records of eleven minutes with a change of the lexicon, then one of the threshold, among them."""
    settings = load_settings(it.config, {"data_dir": it.folder})
    files = ControlFiles(settings.control_folder())
    words = it.folder / "fewer.json"
    words.write_text(json.dumps(lexicon(range(0, len(TOKENS), 2), version=2)))
    at = [T0 + minutes * 60_000 for minutes in (4, 7)]
    controls = [
        new_control("lexicon", str(words), at[0] + 90_000, files, at[0]),
        new_control("engine.candidate_logit_micro", "-300000", at[1] + 90_000, files, at[1]),
    ]
    mixed: list[Record] = [*records, *(replace(c, ts_log_ms=c.ts_event_ms) for c in controls)]
    return sorted(mixed, key=lambda record: record.ts_log_ms or 0)
