"""Keeps Faust's own news out of what an operator reads: its routine, and errors told elsewhere."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from schemas.errors import GoldendogError

FLOOD_S: Final = 10.0
_CLIENTS: Final = ("aiokafka", "kafka")
_PREFIXES: Final = ("streams.transport", "faust", "mode")


class FaustFilter(logging.Filter):
    """Drops what Faust's services say below a warning, and our own errors on their way through it.

    The command itself tells those in one sentence; any other error keeps its traceback.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is let through."""
        if not record.name.startswith(_PREFIXES):
            return True
        error = record.exc_info[1] if record.exc_info else None
        return record.levelno >= logging.WARNING and not isinstance(error, GoldendogError)


class FloodFilter(logging.Filter):
    """Lets a client's message through once in a while, and says how often it came in between.

    A broker that is down has each client say so several times a second.

    Parameters
    ----------
    every_s : pause between two of one message, whatever its arguments.
    clock : seconds.
    """

    def __init__(
        self, every_s: float = FLOOD_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._every_s, self._clock = every_s, clock
        self._last: dict[tuple[str, str], float] = {}
        self._dropped: Counter[tuple[str, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is let through."""
        if not record.name.startswith(_CLIENTS):
            return True
        key, now = (record.name, str(record.msg)), self._clock()
        if now - self._last.get(key, -self._every_s) < self._every_s:
            self._dropped[key] += 1
            return False
        self._last[key] = now
        if dropped := self._dropped.pop(key, 0):
            record.msg = f"{record.msg} (and {dropped} times more since it was last told)"
        return True


def quiet_faust(level: str) -> None:
    """Filter what the root logger's handlers get, unless ``level`` is ``debug``."""
    if level != "debug":
        for handler in logging.getLogger().handlers:
            handler.addFilter(FaustFilter())
            handler.addFilter(FloodFilter())
