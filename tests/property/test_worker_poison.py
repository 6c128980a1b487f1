"""Records that make handlers fail cost themselves alone: alerts are those of a log that skips them."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from schemas.decode import encode_record
from schemas.records import Mention, Record, Tick, TokenInfo
from schemas.topics import MENTIONS, TICKS
from streams.log.base import Item, LogRecord
from streams.sources.feed import Feeder
from streams.sources.ingest import Ingest
from streams.worker.dead_letters import DeadLetters
from streams.worker.dispatch import DispatchHandler
from streams.worker.handler import TP
from streams.worker.poison import PoisonError, Sieve, guarded
from streams.worker.tally import Tally
from tests.helpers.logs import alert_bytes
from tests.helpers.poison import PoisonedResolver, letters_in, poisoned_engine
from tests.helpers.pump import FINGERPRINT, Pump, alerts_in, in_order, make_team, open_log
from tests.helpers.wire import one_engine, random_records


def ids_of(records: list[Record], kind: type) -> list[str]:
    return sorted({r.id for r in records if isinstance(r, kind)})


@settings(max_examples=8, deadline=None)
@example(seed=262_145, where="engine", share=0.03, partitions=1)  # its time falls after a bad one
@example(seed=11_148, where="late", share=0.001, partitions=1)  # the only bad one comes too late
@given(
    seed=st.integers(0, 10**6),
    where=st.sampled_from(["resolver", "engine", "late"]),
    share=st.sampled_from([0.001, 0.03]),
    partitions=st.integers(1, 3),
)
def test_poison_costs_itself_alone(seed: int, where: str, share: float, partitions: int) -> None:
    asyncio.run(poisoned_run(seed, where, share, partitions))


def any_taken_in(records: list[Record], bad: set[str]) -> bool:
    """Whether one of the bad is there when its bar closes; one that comes far too late never is."""
    engine = poisoned_engine(["log"], bad, late=True)
    try:
        one_engine(records, fingerprint=FINGERPRINT, engine=engine)
    except IndexError:
        return True
    return False


async def poisoned_run(seed: int, where: str, share: float, partitions: int) -> None:
    rng = np.random.default_rng(seed)
    records = random_records(seed, n=700)
    names = ids_of(records, Mention)
    if where != "resolver":
        names = [r.id for r in records if isinstance(r, Tick | TokenInfo)]
        names += [r.id for r in records if isinstance(r, Mention) and r.tokens]
    bad = {str(n) for n in rng.choice(names, max(1, int(share * len(names))), replace=False)}
    expected = alert_bytes(one_engine(records, fingerprint=FINGERPRINT, without=bad))
    with tempfile.TemporaryDirectory() as folder, open_log(Path(folder), partitions, 2) as log:
        await Feeder(await Ingest.open(log)).feed(records)
        for death in range(3):  # killed twice on the way
            team, _ = make_team(
                log,
                every=int(rng.integers(50, 400)),
                resolver=PoisonedResolver(bad if where == "resolver" else set()),
                engine=lambda inputs: poisoned_engine(
                    inputs, set() if where == "resolver" else bad, late=where == "late"
                ),
            )
            pump = Pump(log, team, rng)
            await pump.start()
            await pump.run(batches=10**9 if death == 2 else int(rng.integers(1, 40)))
        assert in_order(await alerts_in(log)) == expected
        letters = await letters_in(log)
        blamed = where != "late" or any_taken_in(records, bad)
        assert {letter.code for letter in letters} == ({"poison"} if blamed else set())
        kept = {
            name for name in bad for letter in letters if f'"id":"{name}"'.encode() in letter.raw
        }
        counted = {r.id for r in records if r.id in bad}
        assert kept <= counted
        if where == "resolver":
            assert kept == counted  # in the engine, one that comes far too late is never taken in
        places = {letter.place for letter in letters}
        assert len(places) >= len(kept)


async def test_when_everything_fails_nothing_is_blamed(tmp_path: Path) -> None:
    """A fault of our own: the worker stops, and has not thrown the stream away."""
    with open_log(tmp_path) as log:
        ticks = [
            Item(None, encode_record(r), r.ts_log_ms)
            for r in random_records(1)
            if isinstance(r, Tick)
        ]
        await log.append(TICKS, 0, ticks)
        bad = set(ids_of(random_records(1), Tick))
        team, _ = make_team(log, engine=lambda inputs: poisoned_engine(inputs, bad))
        pump = Pump(log, team, np.random.default_rng(1))
        await pump.start()
        with pytest.raises(PoisonError, match=r"11 records in a row fail, the last at dex\.ticks"):
            await pump.run()
        assert len(await letters_in(log)) <= 10


async def test_what_the_world_does_is_no_records_fault(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        team, tally = make_team(log)
        handler = team.route(MENTIONS)
        assert handler is not None
        await handler.restore({TP(MENTIONS, 0)})
        sieve = Sieve(DeadLetters(log, tally), tally)

        class Full:
            topics = (MENTIONS,)

            async def handle(self, tp: TP, records: list[LogRecord]) -> None:
                raise OSError(28, "No space left on device")

        records = await log.read(MENTIONS, 0, 0)
        with pytest.raises(OSError, match="No space"):
            await guarded(Full(), TP(MENTIONS, 0), records, sieve)  # type: ignore[arg-type]
        assert await letters_in(log) == []


async def test_a_sink_that_cannot_take_an_alert_gets_the_others(tmp_path: Path) -> None:
    records = random_records(2)
    with open_log(tmp_path) as log:
        await Feeder(await Ingest.open(log)).feed(records)
        team, _ = make_team(log)
        pump = Pump(log, team, np.random.default_rng(1))
        await pump.start()
        await pump.run()
        alerts = await log.read("alerts.v1", 0, 0)
        assert len(alerts) > 10
        taken: list[str] = []

        class Picky:
            async def offer(self, offered: list) -> None:  # type: ignore[type-arg]
                if any(alert.alert_id in alerts[7].value.decode() for alert in offered):
                    raise KeyError("no such desk")
                taken.extend(alert.alert_id for alert in offered)

        tally = Tally()
        dead = DeadLetters(log, tally)
        dispatch = DispatchHandler([Picky()], dead)
        await guarded(dispatch, TP("alerts.v1", 0), alerts, Sieve(dead, tally))
        assert len(taken) == len(set(taken)) == len(alerts) - 1
        (letter,) = await letters_in(log)
        assert (letter.place, letter.raw) == ("alerts.v1/0/7", alerts[7].value)
        assert dispatch.position(TP("alerts.v1", 0)) == len(alerts)
