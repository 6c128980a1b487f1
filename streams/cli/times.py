"""Instants and durations as people write them on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from schemas.decode import MAX_TIME_MS, MIN_TIME_MS
from schemas.errors import UserError

_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)\Z")
_WHOLE: Final = re.compile(r"-?\d+\Z")


def instant_ms(text: str, option: str) -> int:
    """Milliseconds since 1970 of an ISO 8601 time (UTC where it names no zone) or of a number.

    Raises UserError that names ``option``.

    >>> instant_ms("2025-01-14T08:00Z", "--at"), instant_ms("2025-01-14T09:00+01:00", "--at")
    (1736841600000, 1736841600000)
    >>> instant_ms("1736841600000", "--at")
    1736841600000
    """
    remedy = "write an ISO 8601 time such as 2025-01-14T08:30:00Z, or milliseconds since 1970"
    text = text.strip()
    try:
        if _WHOLE.match(text):
            ms = int(text[:20])
        else:
            read = datetime.fromisoformat(text)
            at = read.replace(tzinfo=UTC) if read.tzinfo is None else read
            ms = round(at.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise UserError(f"{option} is {text[:60]!r}, which is no time", remedy) from None
    if not MIN_TIME_MS <= ms < MAX_TIME_MS:
        if MIN_TIME_MS <= ms * 1000 < MAX_TIME_MS:
            remedy = "write milliseconds: these look like seconds"
        raise UserError(f"{option} is {text[:60]!r}, which no record can have", remedy)
    return ms


def duration_ms(text: str, option: str) -> int:
    """Milliseconds of a duration such as ``24h``. Raises UserError that names ``option``.

    >>> [duration_ms(text, "--warmup") for text in ("24h", "1.5m", "250ms", "0")]
    [86400000, 90000, 250, 0]
    """
    found = _DURATION.match(text.strip())
    if found is None and text.strip() != "0":
        raise UserError(
            f"{option} is {text[:60]!r}, which is no duration",
            "write a number and its unit, such as 500ms, 30s, 15m, 24h or 2d",
        )
    return 0 if found is None else round(float(found[1]) * _UNIT_MS[found[2]])
