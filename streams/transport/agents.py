"""Faust agents that take whole batches."""

# ruff: noqa: ARG002 the signatures are Faust's
from __future__ import annotations

from asyncio import Task, TaskGroup, wait
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import faust
from faust.types import TP

from streams.transport.delivery import Batch, BatchTransport, Handler


class BatchSchema(faust.Schema):
    """Passes the transport's ``Batch`` through: decoding is the handlers' business."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> Any:
        """Give no key: a batch has many."""
        return None

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Any:
        """Give the batch as it is."""
        return message.value


def batch_agent(app: faust.App, topic: str, handler: Handler, *, apart: bool = False) -> Any:
    """Feed ``topic`` to ``handler(tp, records)``, one call per partition and batch, in order.

    The batch is acknowledged when ``handler`` returns. When it raises, the app crashes, the batch
    stays unacknowledged, and nothing more is handled (stock Faust would acknowledge and lose it).
    Calls for one topic follow one another, or, where partitions are worked on ``apart``, those for
    one partition do. All others interleave where they await, so a handler leaves no half-changed
    state across an ``await``. Call after ``install``.
    """

    async def one(event: Any) -> None:
        batch: Batch = event.value
        consumer = cast("BatchTransport", app.transport).batches
        if not consumer.begin(batch):
            return  # of an earlier assignment: it is read again
        done = False
        try:
            await handler(batch.tp, batch.records)
            done = True
        except Exception as exc:
            await consumer.fail(exc)
            raise
        finally:
            consumer.end(batch, done=done)
        event.ack()

    async def agent(stream: Any) -> None:
        events = stream.noack().events()
        if apart:
            await _by_partition(events, one)
            return
        async for event in events:
            await one(event)

    return app.agent(app.topic(topic, schema=BatchSchema()), name=f"batch-{topic}")(agent)


async def _by_partition(events: AsyncIterator[Any], one: Callable[[Any], Awaitable[None]]) -> None:
    """Work on events of one partition one after the other, beside those of other partitions.

    The first error ends what is under way, and is raised.
    """
    last: dict[TP, Task[None]] = {}

    async def after(before: Task[None] | None, event: Any) -> None:
        if before is not None:
            await wait({before})
        await one(event)

    try:
        async with TaskGroup() as group:
            async for event in events:
                tp = event.value.tp
                last[tp] = group.create_task(after(last.get(tp), event))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
