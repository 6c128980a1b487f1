"""What both peers do with a tick: decode it, and where asked for score it, event by event.

Standard library, msgspec and ``benchmarks.events`` alone: a peer may have an environment of its own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.events import Scorer


class Count:
    """Counts records from the first to the last that is measured; ``done`` is called with it.

    Parameters
    ----------
    n : records to measure.
    done : called once, after the last; it is told by a line of JSON on standard output.
    """

    def __init__(self, n: int, done: Callable[[], None]) -> None:
        self.n = n
        self._done = done
        self.seen = 0
        self._cpu_s = self._wall_s = 0.0

    def one(self) -> None:
        """Count a record that has been worked on."""
        if self.seen == 0:
            self._cpu_s, self._wall_s = time.process_time(), time.monotonic()
        elif self.seen == self.n - 1:
            took = time.process_time() - self._cpu_s
            wall_s = time.monotonic() - self._wall_s
            print(json.dumps({"records": self.n, "cpu_s": took, "wall_s": wall_s}), flush=True)
            self._done()
        self.seen += 1


class Scores:
    """Three z-scores of each token, a log clock for each partition."""

    def __init__(self) -> None:
        self._of: dict[int, Scorer] = {}
        self._numbers: dict[str, int] = {}
        self.scores = 0

    def take(self, tick: dict[str, Any], partition: int, ts_log_ms: int) -> None:
        """Take in a tick as it was decoded."""
        if tick["type"] != "tick":
            return
        scorer = self._of.get(partition)
        if scorer is None:
            scorer = self._of[partition] = Scorer()
        number = self._numbers.setdefault(tick["token"], len(self._numbers))
        price = round(tick["price_usd"] * 1e12)
        value = round(tick["value_usd"] * 1e6)
        event = (number, True, tick["ts_event_ms"], ts_log_ms, hash(tick["id"]), price, value)
        self.scores += len(scorer.take(event))


def arguments() -> tuple[str, str, str, int, bool]:
    """Broker, topic, group, records to measure, whether to score."""
    bootstrap, topic, group, n, what = sys.argv[1:]
    return bootstrap, topic, group, int(n), what == "scores"
