"""What a handler is: the plain contract between a transport and the work behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from streams.log.base import LogRecord

if TYPE_CHECKING:
    from streams.worker.poison import Sieve


APP_ID: Final = "goldendog"
"""By what an embedded run commits."""


class TP(NamedTuple):
    """A topic's partition; equal to every other (topic, partition) tuple, Faust's included."""

    topic: str
    partition: int


class Handler(Protocol):
    """Work on some topics. A batch is acked after ``handle`` has returned, never before.

    A handler leaves no half-changed state across an await, so that a process may die at any
    moment. It knows nothing of Faust or Kafka.
    """

    @property
    def stage(self) -> str:
        """What its work is called in metrics."""
        ...

    @property
    def topics(self) -> tuple[str, ...]:
        """Topics it reads."""
        ...

    def position(self, tp: TP) -> int:
        """Next offset to read of a partition: everything before it is done."""
        ...

    def reached_ms(self, tp: TP) -> int | None:
        """Log time to which a partition is read; None where nothing in its topic tells."""
        ...

    async def restore(self, tps: set[TP]) -> Mapping[TP, int]:
        """Take over exactly these partitions; where to go on, for those it decides itself."""
        ...

    async def handover(self, tps: set[TP]) -> None:
        """Make durable what the next owner of these partitions needs."""
        ...

    async def handle(self, tp: TP, records: Sequence[LogRecord]) -> None:
        """Work on one partition's records, in order."""
        ...

    async def rescue(self, tp: TP, records: Sequence[LogRecord], sieve: Sieve) -> None:
        """After ``handle`` raised on these records: do all of them but those that poison it."""
        ...


class Team:
    """Several handlers as one, each with its own topics: what a transport restores and hands over.

    >>> Team([]).route("dex.ticks.v1") is None
    True
    """

    def __init__(self, handlers: Sequence[Handler]) -> None:
        self.handlers = tuple(handlers)
        self._by_topic = {topic: handler for handler in handlers for topic in handler.topics}

    @property
    def topics(self) -> tuple[str, ...]:
        """All topics of all handlers."""
        return tuple(self._by_topic)

    def route(self, topic: str) -> Handler | None:
        """The handler of a topic."""
        return self._by_topic.get(topic)

    async def restore(self, tps: set[TP]) -> dict[TP, int]:
        """Restore every handler with its own partitions, those that got none included."""
        found: dict[TP, int] = {}
        for handler in self.handlers:
            found.update(await handler.restore(self._own(handler, tps)))
        return found

    async def handover(self, tps: set[TP]) -> None:
        """Hand over every handler's own partitions."""
        for handler in self.handlers:
            await handler.handover(self._own(handler, tps))

    @staticmethod
    def _own(handler: Handler, tps: set[TP]) -> set[TP]:
        return {TP(*tp) for tp in tps if tp[0] in handler.topics}
