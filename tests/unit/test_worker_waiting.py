"""Work that waits: posts ahead of the control topic, checkpoints of a log that has gone quiet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.batch.resolver import BatchResolver
from detectors.model import blank_model
from detectors.resolve.lexicon import Lexicon
from detectors.resolved import decode_batch
from detectors.settings import EngineSettings
from schemas.decode import encode_record
from schemas.errors import StateError
from schemas.records import Control, Heartbeat, Mention
from schemas.topics import CONTROL, MENTIONS, RESOLVED, TICKS
from streams.control.decisions import LEAD_MS, Decisions
from streams.control.files import ControlFiles
from streams.detection import Detection
from streams.log.base import Item
from streams.log.sqlite import SqliteLog
from streams.worker.control import PATIENCE_S, ControlReader, Words
from streams.worker.dead_letters import DeadLetters
from streams.worker.detect import Cadence, DetectHandler
from streams.worker.handler import TP
from streams.worker.inputs import LostInputError
from streams.worker.pacing import Pacing
from streams.worker.poison import Sieve
from streams.worker.resolve import ResolveHandler
from streams.worker.tally import Tally
from tests.helpers.logs import TOKENS
from tests.helpers.pump import Pump, make_team, open_log
from tests.unit.test_worker_handlers import fill

T0 = 1_736_812_800_000
AHEAD_MS = 50 * 60_000


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A resolver of two partitions of posts, and what it has paused."""

    def __init__(self, log: SqliteLog) -> None:
        self.log, self.clock, self.paused = log, Clock(), set[TP]()
        lexicon = Lexicon.parse('{"versions":[{"version":1,"effective_log_ms":0,"tokens":[]}]}')
        detection = Detection(EngineSettings(), blank_model(), lexicon)
        decisions = Decisions(detection, ControlFiles(Path("control")))
        control = ControlReader(log, decisions, patience_s=PATIENCE_S, clock=self.clock)
        pacing, tally = Pacing(), Tally()
        pacing.flow = self
        dead = DeadLetters(log, tally)
        self.sieve = Sieve(dead, tally)
        self.handler = ResolveHandler(
            log,
            BatchResolver(lexicon),
            lexicon=lexicon.sha256,
            dead=dead,
            tally=tally,
            words=Words(control, BatchResolver),
            pacing=pacing,
        )

    def pause(self, tp: TP) -> None:
        self.paused.add(tp)

    def resume(self, tp: TP) -> None:
        self.paused.discard(tp)

    async def beat(self, ms: int) -> None:
        await self.log.append(
            CONTROL, 0, [Item(None, encode_record(Heartbeat(f"b{ms}", ms, ts_log_ms=ms)), ms)]
        )
        self.clock.now += 1

    async def post(self, partition: int, *times: int) -> None:
        records = [Mention(f"m{ms}", ms, "x", "a", "", (TOKENS[0],), ts_log_ms=ms) for ms in times]
        offsets = await self.log.append(
            MENTIONS, partition, [Item(None, encode_record(r), r.ts_log_ms) for r in records]
        )
        await self.handler.handle(
            TP(MENTIONS, partition), await self.log.read(MENTIONS, partition, offsets[0])
        )

    async def reached(self, partition: int) -> bool:
        """Whether all posts of a partition are resolved."""
        end = await self.log.end_offset(MENTIONS, partition)
        return self.handler.position(TP(MENTIONS, partition)) == end


async def started(log: SqliteLog) -> Bench:
    bench = Bench(log)
    await bench.handler.restore({TP(MENTIONS, 0), TP(MENTIONS, 1)})
    await bench.beat(T0)
    return bench


async def test_posts_ahead_of_the_control_topic_wait_and_other_partitions_go_on(
    tmp_path: Path,
) -> None:
    with open_log(tmp_path, mention_partitions=2) as log:
        bench = await started(log)
        await bench.post(0, T0 + 1_000, T0 + AHEAD_MS, T0 + 2_000)
        assert bench.paused == {TP(MENTIONS, 0)}
        await bench.post(0, T0 + 3_000)  # fetched before it was paused
        await bench.post(1, T0 + 4_000)
        assert await bench.reached(1) and not await bench.reached(0)
        before = await log.end_offset(RESOLVED, 0)
        await bench.handler.tick(bench.sieve)
        assert bench.paused and await log.end_offset(RESOLVED, 0) == before
        await bench.beat(T0 + AHEAD_MS)
        await bench.handler.tick(bench.sieve)
        assert await bench.reached(0) and not bench.paused
        await bench.handler.restore({TP(MENTIONS, 0), TP(MENTIONS, 1)})
        assert await bench.reached(0)


async def test_what_waits_is_read_again_by_the_next_owner(tmp_path: Path) -> None:
    with open_log(tmp_path, mention_partitions=2) as log:
        bench = await started(log)
        await bench.post(0, T0 + 1_000, T0 + AHEAD_MS)
        await bench.handler.handover({TP(MENTIONS, 0)})
        offsets = await bench.handler.restore({TP(MENTIONS, 0)})
        assert offsets == {TP(MENTIONS, 0): await log.end_offset(MENTIONS, 0) - 1}
        await bench.handler.tick(bench.sieve)
        assert not await bench.reached(0)


async def test_a_control_topic_that_stands_still_is_told_of(tmp_path: Path) -> None:
    with open_log(tmp_path, mention_partitions=2) as log:
        bench = await started(log)
        await bench.post(0, T0 + AHEAD_MS)
        bench.clock.now += PATIENCE_S - 1
        await bench.beat(T0 + 200)
        await bench.handler.tick(bench.sieve)  # it moves, if not far enough
        bench.clock.now += PATIENCE_S + 1
        with pytest.raises(StateError, match="no worker sends heartbeats"):
            await bench.handler.tick(bench.sieve)


async def test_a_checkpoint_is_written_though_nothing_more_comes(tmp_path: Path) -> None:
    with open_log(tmp_path, partitions=2) as log:
        await fill(log, seed=4)
        team, tally = make_team(log)
        detect, clock = team.handlers[1], Clock()
        assert isinstance(detect, DetectHandler)
        detect._cadence, detect._clock = Cadence(10**9, 10.0), clock
        pump = Pump(log, team, np.random.default_rng(4))
        await pump.start()
        await pump.run()
        await detect.tick(pump.sieve)
        assert tally.checkpoints == 0
        clock.now = 11.0
        await detect.tick(pump.sieve)
        assert tally.checkpoints == 2
        clock.now = 30.0
        await detect.tick(pump.sieve)  # nothing has come since
        assert tally.checkpoints == 2


async def test_a_log_that_ends_before_what_was_read_is_another(tmp_path: Path) -> None:
    with open_log(tmp_path / "long", mention_partitions=2) as log:
        bench = await started(log)
        await bench.post(1, T0 + 1_000, T0 + 2_000)
        with open_log(tmp_path / "short", mention_partitions=2) as anew:
            await anew.append(MENTIONS, 1, [Item(None, b"{}", T0)])
            end = await anew.end_offset(MENTIONS, 1)
            assert end < await log.end_offset(MENTIONS, 1)
            bench.handler._log = anew
            with pytest.raises(LostInputError, match="the topic was made anew") as caught:
                await bench.handler.handle(TP(MENTIONS, 1), await anew.read(MENTIONS, 1, 0))
        assert caught.value.name == f"{MENTIONS}/1"
        assert caught.value.first == caught.value.end == end


class Swapped:
    """A log of which one topic was made anew."""

    def __init__(self, log: SqliteLog, topic: str, anew: SqliteLog) -> None:
        self._log, self._topic, self._anew = log, topic, anew

    def __getattr__(self, name: str) -> Any:
        def call(topic: str, *given: Any) -> Any:
            return getattr(self._anew if topic == self._topic else self._log, name)(topic, *given)

        return call


@pytest.mark.parametrize("topic", [MENTIONS, TICKS])
async def test_a_log_that_has_outgrown_the_one_that_was_read_is_another(
    tmp_path: Path, topic: str
) -> None:
    with open_log(tmp_path / "old") as log, open_log(tmp_path / "new") as anew:
        await fill(log, seed=5)
        pump = Pump(log, make_team(log)[0], np.random.default_rng(5))
        await pump.start()
        await pump.run()
        await pump.stop()
        end = await log.end_offset(topic, 0)
        [last] = await log.read(topic, 0, end - 1)
        later = [Item(None, b"{}", last.timestamp + 10**7 + n) for n in range(end + 5)]
        await anew.append(topic, 0, later)
        again = Swapped(log, topic, anew)
        with pytest.raises(LostInputError, match="later than all that was read") as caught:
            await Pump(again, make_team(again)[0], np.random.default_rng(5)).start()
        assert caught.value.name == f"{topic}/0"
        await Pump(log, make_team(log)[0], np.random.default_rng(5)).start()  # the old one is known


class Reached:
    """An engine as pacing sees it."""

    def __init__(self, **at: int) -> None:
        self.at = at

    def through_log_ms(self, name: str) -> int | None:
        return self.at.get(name.replace("/", "_").replace(".", "_"))


def test_posts_that_run_ahead_are_paused_where_they_are_resolved() -> None:
    pacing, paused = Pacing(ahead_ms=100, near_ms=20), set[TP]()

    class Flow:
        pause, resume = staticmethod(paused.add), staticmethod(paused.discard)

    pacing.flow = Flow()
    inputs = {RESOLVED: [f"{MENTIONS}/0", f"{MENTIONS}/1"], TICKS: [f"{TICKS}/0"]}

    def reach(partition: int, **at: int) -> None:
        pacing.adjust(Reached(**at), partition, inputs)  # type: ignore[arg-type]

    for partition in (0, 1):  # two engines, the same posts
        reach(
            partition, social_mentions_v1_0=1_000, social_mentions_v1_1=1_200, dex_ticks_v1_0=1_050
        )
    assert paused == {TP(MENTIONS, 1)}  # neither what lags nor the topic that brings it
    reach(0, social_mentions_v1_0=1_190, social_mentions_v1_1=1_200, dex_ticks_v1_0=1_195)
    assert paused == {TP(MENTIONS, 1)}  # the other engine is not so far
    reach(1, social_mentions_v1_0=1_190, social_mentions_v1_1=1_200, dex_ticks_v1_0=1_195)
    assert not paused
    reach(0, social_mentions_v1_0=1_300, social_mentions_v1_1=1_310, dex_ticks_v1_0=1_195)
    assert paused == {TP(RESOLVED, 0), TP(MENTIONS, 0), TP(MENTIONS, 1)}
    pacing.forget()
    paused.clear()  # as the transport does when partitions are assigned anew
    reach(0, social_mentions_v1_0=1_300, social_mentions_v1_1=1_310, dex_ticks_v1_0=1_195)
    assert paused == {TP(RESOLVED, 0), TP(MENTIONS, 0), TP(MENTIONS, 1)}


async def test_a_post_waits_for_words_that_may_still_come_into_force_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the very millisecond: a change written as late as the last heartbeat holds from there."""
    monkeypatch.chdir(tmp_path)
    token = {"token": TOKENS[0], "symbol": "MOON", "aliases": ["moon"]}
    words = {"versions": [{"version": 1, "effective_log_ms": 0, "tokens": [token]}]}
    (tmp_path / "words.json").write_text(json.dumps(words))
    lexicon = ControlFiles(Path("control")).keep_lexicon(tmp_path / "words.json")
    with open_log(tmp_path / "log", mention_partitions=2) as log:
        bench, ms = await started(log), T0 + LEAD_MS
        post = Mention("m", ms, "x", "a", "to the moon", ts_log_ms=ms)
        (offset,) = await log.append(MENTIONS, 0, [Item(None, encode_record(post), ms)])
        zero = TP(MENTIONS, 0)
        await bench.handler.handle(zero, await log.read(*zero, bench.handler.position(zero)))
        assert bench.handler.position(zero) == offset
        change = Control("c", T0, T0, "lexicon", lexicon, ts_log_ms=T0)
        await log.append(CONTROL, 0, [Item(None, encode_record(change), T0)])
        await bench.beat(T0 + 1)
        await bench.handler.tick(bench.sieve)
        batches = [decode_batch(r.value or b"") for r in await log.read(RESOLVED, 0, 0)]
        assert batches[-1].ids == ("m",)
