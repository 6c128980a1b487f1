"""The body of a webhook: written once, kept, and sent byte for byte the same at each attempt."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from schemas.records import Alert, AlertKind
from streams.words import sentence

TYPES: Final[dict[AlertKind, str]] = {
    "candidate": "golden_dog.candidate",
    "update": "golden_dog.updated",
    "fading": "golden_dog.fading",
    "closed": "golden_dog.closed",
}


def rfc3339(ts_ms: int) -> str:
    """A time as text, in UTC, to the millisecond.

    >>> rfc3339(1736812800123)
    '2025-01-14T00:00:00.123Z'
    """
    whole = datetime.fromtimestamp(ts_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{ts_ms % 1000:03d}Z"


def body_of(alert: Alert, max_age_s: float) -> bytes:
    """JSON ``{type, timestamp, data}``: the alert, what it says, and when it is too old to act on.

    ``timestamp`` is when the alert could be known (``ts_available_ms``), not that of an attempt.
    """
    data: dict[str, Any] = msgspec.to_builtins(alert)
    del data["type"]  # of the record; the event has its own
    data["summary"] = sentence(alert)
    data["expires_at"] = rfc3339(alert.ts_available_ms + round(max_age_s * 1000))
    return msgspec.json.encode(
        {
            "type": TYPES[alert.kind],
            "timestamp": rfc3339(alert.ts_available_ms),
            "data": data,
        }
    )
