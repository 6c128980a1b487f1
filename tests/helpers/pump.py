"""Drives handlers over a log without Faust: batches of any size, in any interleaving."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from detectors.engine import Engine
from schemas.records import Alert
from schemas.topics import ALERTS
from streams.log.base import Log
from streams.log.sqlite import SqliteLog
from streams.sources.embedded_log import open_embedded_log
from streams.worker.dead_letters import DeadLetters
from streams.worker.detect import Cadence, DetectHandler, MakeEngine
from streams.worker.handler import TP, Handler, Team
from streams.worker.pacing import Pacing
from streams.worker.poison import Sieve, guarded
from streams.worker.resolve import ResolveHandler, Resolver
from streams.worker.tally import Tally
from tests.helpers.logs import SETTINGS
from tests.helpers.models import crowd_model
from tests.helpers.wire import NamedTokens

FINGERPRINT = "test"


def open_log(folder: Path, partitions: int = 1, mention_partitions: int = 1) -> SqliteLog:
    return open_embedded_log(
        folder,
        stamp="recorded",
        partitions=partitions,
        mention_partitions=mention_partitions,
        log_start_ms=0,
    )


def make_engine(inputs: Sequence[str], fingerprint: str = FINGERPRINT) -> Engine:
    return Engine(SETTINGS, crowd_model(), inputs, fingerprint=fingerprint)


def make_team(
    log: Log,
    every: int = 200,
    fingerprint: str = FINGERPRINT,
    pacing: Pacing | None = None,
    resolver: Resolver | None = None,
    engine: MakeEngine | None = None,
) -> tuple[Team, Tally]:
    """A resolver and a detector that checkpoints after ``every`` records, never by the clock."""
    tally = Tally()
    dead = DeadLetters(log, tally)
    resolve = ResolveHandler(log, resolver or NamedTokens(), lexicon="", dead=dead, tally=tally)
    detect = DetectHandler(
        log,
        engine or (lambda inputs: make_engine(inputs, fingerprint)),
        dead=dead,
        tally=tally,
        cadence=Cadence(every, 1e9),
        pacing=pacing,
    )
    return Team([resolve, detect]), tally


class Pump:
    """Reads every partition of a team's topics in random turns."""

    def __init__(self, log: Log, team: Team, rng: np.random.Generator, most: int = 40) -> None:
        self._log, self._team, self._rng, self._most = log, team, rng, most
        self.tps: list[TP] = []
        self.paused: set[TP] = set()
        tally = Tally()
        self.sieve = Sieve(DeadLetters(log, tally), tally)
        self.pauses = 0

    def pause(self, tp: TP) -> None:
        self.paused.add(tp)
        self.pauses += 1

    def resume(self, tp: TP) -> None:
        self.paused.remove(tp)

    async def start(self) -> None:
        for topic in self._team.topics:
            self.tps += [TP(topic, p) for p in range(await self._log.partitions(topic))]
        await self._team.restore(set(self.tps))

    async def run(self, batches: int = 10**9) -> bool:
        """Give at most so many batches; whether there is more to read."""
        while batches and (behind := await self._behind()):
            tp = behind[int(self._rng.integers(len(behind)))]
            limit = int(self._rng.integers(1, self._most + 1))
            position = self._handler(tp).position(tp)
            records = await self._log.read(tp.topic, tp.partition, position, limit)
            await guarded(self._handler(tp), tp, records, self.sieve)
            batches -= 1
        return not batches

    async def stop(self) -> None:
        await self._team.handover(set(self.tps))

    async def _behind(self) -> list[TP]:
        return [
            tp
            for tp in self.tps
            if tp not in self.paused
            and self._handler(tp).position(tp) < await self._log.end_offset(*tp)
        ]

    def _handler(self, tp: TP) -> Handler:
        handler = self._team.route(tp.topic)
        assert handler is not None
        return handler


async def alerts_in(log: Log) -> list[bytes]:
    """What is in the alerts topic, every partition, as it stands there."""
    found: list[bytes] = []
    for p in range(await log.partitions(ALERTS)):
        offset = 0
        while records := await log.read(ALERTS, p, offset):
            found += [record.value or b"" for record in records]
            offset = records[-1].offset + 1
    return found


def in_order(raw: Sequence[bytes]) -> list[bytes]:
    """Lines of alerts in the order in which runs are compared."""
    alerts = [msgspec.json.decode(line, type=Alert) for line in raw]
    order = sorted(
        range(len(raw)),
        key=lambda i: (alerts[i].ts_bar_end_ms, alerts[i].token, alerts[i].sequence),
    )
    return [raw[i] for i in order]
