"""Faust agents that take whole batches."""

# ruff: noqa: ARG002 the signatures are Faust's
from __future__ import annotations

from typing import Any, cast

import faust

from streams.transport.delivery import Batch, BatchTransport, Handler


class BatchSchema(faust.Schema):
    """Passes the transport's ``Batch`` through: decoding is the handlers' business."""

    def loads_key(self, app: Any, message: Any, **kwargs: Any) -> Any:
        """Give no key: a batch has many."""
        return None

    def loads_value(self, app: Any, message: Any, **kwargs: Any) -> Any:
        """Give the batch as it is."""
        return message.value


def batch_agent(app: faust.App, topic: str, handler: Handler) -> Any:
    """Feed ``topic`` to ``handler(tp, records)``, one call per partition and fetch, in order.

    The batch is acknowledged when ``handler`` returns. When it raises, the app crashes, the batch
    stays unacknowledged, and nothing more is handled (stock Faust would acknowledge and lose it).
    Calls for one topic follow one another; those for different topics interleave where they
    await, so a handler leaves no half-changed state across an ``await``. Call after ``install``.
    """

    async def agent(stream: Any) -> None:
        transport = cast("BatchTransport", app.transport)
        async for event in stream.noack().events():
            batch: Batch = event.value
            consumer = transport.batches
            if not consumer.begin(batch):
                continue  # of an earlier assignment: it is read again
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

    return app.agent(app.topic(topic, schema=BatchSchema()), name=f"batch-{topic}")(agent)
