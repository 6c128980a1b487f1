"""A stock Faust agent: ``python -m benchmarks.kafka.peers.faust_agent BROKER TOPIC GROUP N decode|scores``."""

from __future__ import annotations

import os
from typing import Any

import faust
import msgspec

from benchmarks.kafka.peers.zscores import Count, Scores, arguments


def main() -> None:
    bootstrap, topic, group, n, with_scores = arguments()
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        worker_redirect_stdouts=False,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
    )
    decode = msgspec.json.Decoder().decode  # the fastest at hand; stock JSON costs more
    count, scores = Count(n, lambda: os._exit(0)), Scores()

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            tick = decode(event.value)
            if with_scores:
                message = event.message
                scores.take(tick, message.partition, round(message.timestamp * 1000))
            count.one()

    app.agent(app.topic(topic, value_type=bytes, value_serializer="raw"))(agent)
    worker = faust.Worker(app, loglevel="error")
    worker.execute_from_commandline()


if __name__ == "__main__":
    main()
