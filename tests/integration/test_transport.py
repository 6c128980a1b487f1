"""The contract of both transports, on the real broker and on the embedded log."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from faust.types import TP

from schemas.errors import StateError
from streams.log.base import Item
from streams.transport.delivery import MAX_IN_FLIGHT
from streams.transport.run import WorkerCrashError
from tests.kafka.rig import EmbeddedRig, KafkaRig, Rig, Seen, eventually, fill, running


async def test_every_record_comes_once_in_order_and_many_to_a_batch(rig: Rig) -> None:
    topic, seen = await rig.create(4), Seen()
    await fill(rig.log, topic, 4, 500)
    async with running(rig, {topic: seen}) as run:
        await eventually(lambda: seen.count() == 2000)
        await run.end()
    assert dict(seen.offsets) == {p: list(range(500)) for p in range(4)}
    assert len(seen.batches) < 200


async def test_a_clean_stop_commits_and_the_next_start_goes_on_there(rig: Rig) -> None:
    topic, first, second = await rig.create(2), Seen(), Seen()
    await fill(rig.log, topic, 2, 100)
    async with running(rig, {topic: first}) as run:
        await eventually(lambda: first.count() == 200)
        await run.end()
    assert await rig.committed(topic) == {0: 100, 1: 100}
    await fill(rig.log, topic, 2, 50, start=100)
    async with running(rig, {topic: second}) as run:
        await eventually(lambda: second.count() == 100)
        await run.end()
    assert dict(second.offsets) == {p: list(range(100, 150)) for p in range(2)}


async def test_what_is_appended_later_wakes_the_agents(rig: Rig) -> None:
    topic, seen = await rig.create(1), Seen()
    async with running(rig, {topic: seen}):
        for n in range(5):
            await rig.log.append(topic, 0, [Item(b"k", b"%d" % n)])
            await eventually(lambda n=n: seen.values[-1:] == [b"%d" % n])


async def test_a_handler_that_raises_crashes_the_app_and_loses_nothing(rig: Rig) -> None:
    topic, seen, handed = await rig.create(1), Seen(), []

    async def handler(tp: TP, records: Sequence[Any]) -> None:
        if any(r.value == b"poison" for r in records):
            raise ValueError("cannot digest")
        await seen(tp, records)

    async def handover(tps: set[TP]) -> None:
        handed.append(tps)

    await fill(rig.log, topic, 1, 20)
    async with running(rig, {topic: handler}, handover=handover) as run:
        await eventually(lambda: seen.count() == 20)
        await rig.log.append(topic, 0, [Item(None, b"poison")])
        await rig.log.append(topic, 0, [Item(None, b"after")])
        assert run.task is not None
        with pytest.raises(WorkerCrashError, match="cannot digest") as caught:
            await asyncio.wait_for(run.task, 60)
    assert isinstance(caught.value.__cause__, ValueError)
    assert b"after" not in seen.values
    assert handed == []
    again = Seen()
    async with running(rig, {topic: again}) as run:
        await eventually(lambda: b"after" in again.values)
        await run.end()
    assert again.values[-2:] == [b"poison", b"after"]


async def test_state_is_restored_before_and_handed_over_after_all_handling(rig: Rig) -> None:
    topic, events, release = await rig.create(2), [], asyncio.Event()

    async def restore(tps: set[TP]) -> dict[TP, int]:
        events.append(("restore", len(tps)))
        await asyncio.sleep(0.1)
        events.append(("restored", len(tps)))
        return {}

    async def handler(tp: TP, records: Sequence[Any]) -> None:
        events.append(("begin", tp.partition))
        await release.wait()
        events.append(("end", tp.partition))

    async def handover(tps: set[TP]) -> None:
        events.append(("handover", len(tps)))

    await fill(rig.log, topic, 2, 10)
    async with running(rig, {topic: handler}, restore=restore, handover=handover) as run:
        await eventually(lambda: any(name == "begin" for name, _ in events))
        ending = asyncio.create_task(run.end())
        await asyncio.sleep(0.3)
        assert ("handover", 2) not in events  # the handler still runs
        release.set()
        await ending
    names = [name for name, _ in events]
    assert names[:2] == ["restore", "restored"]
    assert names[-1] == "handover"
    assert names.count("handover") == 1
    assert names[2:-1] == ["begin", "end"] * (len(names[2:-1]) // 2)
    # What one handler began was finished and committed; the queued rest was left alone.
    (partition,) = {p for name, p in events if name == "end"}
    assert await rig.committed(topic) == {partition: 10}


async def test_restore_decides_where_reading_starts(rig: Rig) -> None:
    topic, first, second = await rig.create(2), Seen(), Seen()
    await fill(rig.log, topic, 2, 100)
    async with running(rig, {topic: first}) as run:
        await eventually(lambda: first.count() == 200)
        await run.end()

    async def restore(tps: set[TP]) -> dict[TP, int]:
        assert tps == {TP(topic, 0), TP(topic, 1)}
        return {TP(topic, 0): 30, TP(topic, 1): 0}

    async with running(rig, {topic: second}, restore=restore) as run:
        await eventually(lambda: second.count() == 170)
        await run.end()
    assert dict(second.offsets) == {0: list(range(30, 100)), 1: list(range(100))}
    # Acknowledged anew although the group had committed further before.
    assert await rig.committed(topic) == {0: 100, 1: 100}


async def test_what_an_earlier_life_did_is_committed_though_nothing_more_comes(rig: Rig) -> None:
    topic, first, second = await rig.create(2), Seen(), Seen()
    await fill(rig.log, topic, 2, 100)
    async with running(rig, {topic: first}) as run:
        await eventually(lambda: first.count() == 200)
        await run.end()
    await fill(rig.log, topic, 2, 50)

    async def restore(tps: set[TP]) -> dict[TP, int]:
        return {TP(topic, 0): 150, TP(topic, 1): 120}  # beyond what was committed

    async with running(rig, {topic: second}, restore=restore) as run:
        await eventually(lambda: second.count() == 30)
        await run.end()
    assert dict(second.offsets) == {1: list(range(120, 150))}
    assert await rig.committed(topic) == {0: 150, 1: 150}


async def test_state_that_cannot_be_restored_crashes_before_any_delivery(rig: Rig) -> None:
    topic, seen = await rig.create(1), Seen()
    await fill(rig.log, topic, 1, 10)

    async def restore(_tps: set[TP]) -> dict[TP, int]:
        raise ValueError("checkpoint is torn")

    async with running(rig, {topic: seen}, restore=restore, wait=False) as run:
        assert run.task is not None
        with pytest.raises(WorkerCrashError, match="checkpoint is torn"):
            await asyncio.wait_for(run.task, 60)
    assert seen.count() == 0


async def test_what_is_revoked_while_it_is_restored_is_given_up(rig: Rig) -> None:
    topic, seen, asked = await rig.create(1), Seen(), []

    async def restore(tps: set[TP]) -> dict[TP, int]:
        asked.append(tps)
        if len(asked) == 1:  # the group changes its mind meanwhile
            await run.transport.app.consumer._settle(tps)
        return dict.fromkeys(tps, 0)

    await fill(rig.log, topic, 1, 10)
    async with running(rig, {topic: seen}, restore=restore, wait=False) as run:
        await eventually(lambda: len(asked) > 1)
    assert asked[:2] == [{TP(topic, 0)}, set()]
    assert seen.count() == 0


async def test_a_paused_input_stops_while_others_flow_and_resumes(rig: Rig) -> None:
    topic, other, seen, rest = await rig.create(1), await rig.create(1), Seen(), Seen()
    async with running(rig, {topic: seen, other: rest}) as run:
        await fill(rig.log, topic, 1, 1)
        await eventually(lambda: seen.count() == 1)
        assert run.transport is not None
        tp = TP(topic, 0)
        run.transport.pause(tp)
        assert run.transport.paused() == {tp}
        before = len(seen.batches)
        for n in range(3 * MAX_IN_FLIGHT):
            await rig.log.append(topic, 0, [Item(None, b"%d" % n)])
            await rig.log.append(other, 0, [Item(None, b"%d" % n)])
        await eventually(lambda: rest.count() == 3 * MAX_IN_FLIGHT)
        ledger = run.transport.app.consumer.ledger
        await eventually(lambda: not ledger.in_flight(tp))  # what was on its way when it paused
        assert len(seen.batches) <= before + MAX_IN_FLIGHT
        held = seen.count()
        await asyncio.sleep(0.5)
        assert seen.count() == held < 1 + 3 * MAX_IN_FLIGHT
        run.transport.resume(tp)
        await eventually(lambda: seen.count() == 1 + 3 * MAX_IN_FLIGHT)
        await run.end()
    assert seen.offsets[0] == list(range(1 + 3 * MAX_IN_FLIGHT))


async def test_a_slow_handler_bounds_what_is_read_ahead(rig: Rig) -> None:
    topic, other = await rig.create(1), await rig.create(1)
    release, rest, begun = asyncio.Event(), Seen(), asyncio.Event()
    slow = Seen()

    async def handler(tp: TP, records: Sequence[Any]) -> None:
        begun.set()
        await release.wait()
        await slow(tp, records)

    async with running(rig, {topic: handler, other: rest}) as run:
        await fill(rig.log, topic, 1, 1)
        await begun.wait()
        for n in range(20):
            await rig.log.append(topic, 0, [Item(None, b"%d" % n)])
            await rig.log.append(other, 0, [Item(None, b"%d" % n)])
            await eventually(lambda n=n: rest.count() == n + 1)  # others are not held up
        assert run.transport is not None
        assert run.transport.batches.ledger.in_flight(TP(topic, 0)) <= MAX_IN_FLIGHT
        release.set()
        await eventually(lambda: slow.count() == 21)
        await run.end()
    assert slow.offsets[0] == list(range(21))


async def test_a_topic_that_does_not_exist_crashes_with_its_name(rig: Rig) -> None:
    async with running(rig, {"no-such-topic": Seen()}, wait=False) as run:
        assert run.task is not None
        with pytest.raises(WorkerCrashError, match="no-such-topic"):
            await asyncio.wait_for(run.task, 60)


async def test_a_handler_that_never_ends_crashes_the_stop(rig: Rig) -> None:
    topic, begun, handed = await rig.create(1), asyncio.Event(), []

    async def handler(_tp: TP, _records: Sequence[Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def handover(tps: set[TP]) -> None:
        handed.append(tps)

    await fill(rig.log, topic, 1, 5)
    async with running(rig, {topic: handler}, handover=handover, settle_timeout_s=0.5) as run:
        await begun.wait()
        with pytest.raises(WorkerCrashError, match="settle_timeout_s"):
            await run.end()
    assert handed == []
    assert await rig.committed(topic) == {}


async def test_a_look_for_the_broker_that_is_cut_short_leaves_no_connection(
    kafka_rig: KafkaRig,
) -> None:
    _app, transport = kafka_rig.new_app(kafka_rig.app_id)
    began = monotonic()
    await transport.reach()
    took_s = monotonic() - began
    for n in range(20):
        look = asyncio.create_task(transport.reach())
        await asyncio.sleep(took_s * n / 20)
        look.cancel()
        await asyncio.wait({look})
    gc.collect()  # what was left open warns now, which pytest takes for a failure


async def test_who_gets_no_partition_is_told_so(kafka_rig: KafkaRig) -> None:
    topic, restored = await kafka_rig.create(1), dict[str, list[set[TP]]](a=[], b=[])

    def noting(name: str) -> Any:
        async def restore(tps: set[TP]) -> dict[TP, int]:
            restored[name].append(tps)
            return {}

        return restore

    one = {TP(topic, 0)}
    async with running(kafka_rig, {topic: Seen()}, restore=noting("a")):
        await eventually(lambda: restored["a"])
        async with running(kafka_rig, {topic: Seen()}, restore=noting("b")) as second:
            await eventually(lambda: restored["b"] and len(restored["a"]) > 1)
            assert sorted([restored["a"][-1], restored["b"][-1]], key=len) == [set(), one]
            await second.end()
        await eventually(lambda: restored["a"][-1] == one)


async def test_a_stop_beside_a_commit_commits_what_was_done_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faust's commit waits for one that is under way, and then does nothing."""
    rig = EmbeddedRig(tmp_path)
    topic, seen, asked, answered = await rig.create(1), Seen(), asyncio.Event(), asyncio.Event()
    commit = rig.log.commit

    async def slow(*args: Any) -> None:
        asked.set()
        await answered.wait()
        await commit(*args)

    monkeypatch.setattr(rig.log, "commit", slow)
    async with running(rig, {topic: seen}) as run:
        await fill(rig.log, topic, 1, 10)
        await asyncio.wait_for(asked.wait(), 60)
        await fill(rig.log, topic, 1, 10)
        await eventually(lambda: seen.count() == 20)
        assert run.transport is not None
        ending, batches = asyncio.create_task(run.end()), run.transport.batches
        await eventually(lambda: batches._settling is not None)
        answered.set()
        await ending
    assert await rig.committed(topic) == {0: 20}
    rig.log.close()


async def test_a_stop_that_could_not_hand_over_does_not_say_that_it_has(rig: Rig) -> None:
    topic, seen = await rig.create(1), Seen()

    async def handover(tps: set[TP]) -> None:
        raise StateError("the broker did not confirm")

    await fill(rig.log, topic, 1, 10)
    async with running(rig, {topic: seen}, handover=handover) as run:
        await eventually(lambda: seen.count() == 10)
        with pytest.raises(WorkerCrashError, match="did not confirm"):
            await run.end()
    assert not [text for text in run.said if "drained" in text]
