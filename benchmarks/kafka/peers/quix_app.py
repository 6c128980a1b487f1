"""A quixstreams application on the same topic; it runs in an environment of its own.

``python -m benchmarks.kafka.peers.quix_app BROKER TOPIC GROUP N decode|scores``
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

from quixstreams import Application, message_context

from benchmarks.kafka.peers.zscores import Count, Scores, arguments


def main() -> None:
    bootstrap, topic, group, n, with_scores = arguments()
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        state_dir=tempfile.mkdtemp(),
        loglevel="WARNING",
    )
    count, scores = Count(n, lambda: os._exit(0)), Scores()

    def each(tick: dict[str, Any], _key: Any, ts_ms: int, _headers: Any) -> None:
        if with_scores:
            scores.take(tick, message_context().partition, ts_ms)
        count.one()

    frame = app.dataframe(app.topic(topic, value_deserializer="json"))
    frame.update(each, metadata=True)
    app.run()


if __name__ == "__main__":
    main()
