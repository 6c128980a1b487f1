"""Alerts from the topic to whoever is told: each once a process, in topic order."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, Protocol

from schemas.errors import RecordError, StateError
from schemas.records import Alert
from schemas.topics import ALERTS
from streams.log.base import LogRecord
from streams.worker.alerts import decode_alert
from streams.worker.dead_letters import DeadLetters, Reject
from streams.worker.handler import TP
from streams.worker.poison import InEarnest, Sieve

REMEMBERED: Final = 65_536


class AlertSink(Protocol):
    """Takes alerts; one it was given before must do no harm."""

    async def offer(self, alerts: Sequence[Alert]) -> object:
        """Take alerts. When this returns they are the sink's to keep, across a crash too."""
        ...


class DispatchHandler:
    """Offers every alert of the topic to every sink.

    After a crash alerts since the last commit are offered again: durable sinks tell by alert id.

    Parameters
    ----------
    sinks : who takes alerts.
    dead : where messages that are no alerts go.
    """

    stage: Final = "dispatch"
    topics: Final = (ALERTS,)

    def __init__(self, sinks: Sequence[AlertSink], dead: DeadLetters) -> None:
        self._sinks = tuple(sinks)
        self._dead = dead
        self._offered: OrderedDict[str, None] = OrderedDict()
        self._next: dict[TP, int] = {}

    def position(self, tp: TP) -> int:
        """Next offset to read of a partition; 0 before anything was read."""
        return self._next.get(tp, 0)

    def reached_ms(self, tp: TP) -> int | None:  # noqa: ARG002 the contract's
        """None: no heartbeat tells how far alerts are."""
        return None

    async def restore(self, tps: set[TP]) -> dict[TP, int]:  # noqa: ARG002 the contract's
        """Nothing: reading goes on where it was committed."""
        self._next = {}
        return {}

    async def handover(self, tps: set[TP]) -> None:
        """Nothing to write: what was offered is the sinks' to keep."""

    async def handle(self, tp: TP, records: Sequence[LogRecord]) -> None:
        """Offer the alerts of one partition, in order."""
        rejects: list[Reject] = []
        alerts: dict[str, Alert] = {}
        for record in records:
            try:
                alert = decode_alert(record.value or b"")
            except StateError as error:
                wrong = RecordError("wrong_shape", str(error), remedy="write to its own topic")
                rejects.append(Reject(record.offset, record.timestamp, wrong, record.value or b""))
                continue
            if alert.alert_id not in self._offered:
                alerts.setdefault(alert.alert_id, alert)
        if alerts:
            for sink in self._sinks:
                await sink.offer(list(alerts.values()))
        self._offered.update(dict.fromkeys(alerts))
        while len(self._offered) > REMEMBERED:
            self._offered.popitem(last=False)
        await self._dead.put(tp.topic, tp.partition, rejects)
        self._next[tp] = records[-1].offset + 1

    async def rescue(self, tp: TP, records: Sequence[LogRecord], sieve: Sieve) -> None:
        """After ``handle`` has raised: offer all alerts but those that a sink cannot take."""
        await sieve.sift(tp, records, InEarnest(self, tp))
        self._next[tp] = records[-1].offset + 1
