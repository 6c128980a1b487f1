"""Keeps Faust's own news out of what an operator reads: its routine, and errors told elsewhere."""

from __future__ import annotations

import logging
from typing import Final

from schemas.errors import GoldendogError

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


def quiet_faust(level: str) -> None:
    """Filter what the root logger's handlers get, unless ``level`` is ``debug``."""
    if level != "debug":
        for handler in logging.getLogger().handlers:
            handler.addFilter(FaustFilter())
