"""When to try again."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

BASE_S: Final = 2.0
CAP_S: Final = 120.0


def backoff_s(attempts: int, jitter: float) -> float:
    """Seconds to wait after the given number of failed attempts: exponential, jittered, capped.

    ``jitter`` in [0, 1) spreads the wait over half to one and a half of it, so that receivers that
    failed together are not retried together.

    >>> [backoff_s(n, 0.5) for n in (1, 2, 3, 20)]
    [2.0, 4.0, 8.0, 120.0]
    >>> backoff_s(1, 0.0), backoff_s(1, 1.0)
    (1.0, 3.0)
    """
    wait = min(CAP_S, BASE_S * 2.0 ** min(attempts - 1, 16))
    return wait * (0.5 + jitter)


def retry_after_s(value: str | None, now_s: float) -> float | None:
    """Seconds a ``Retry-After`` header asks for: a number, or an HTTP date; None where unreadable.

    >>> retry_after_s("30", 0), retry_after_s("Thu, 01 Jan 1970 00:01:00 GMT", 20)
    (30.0, 40.0)
    >>> retry_after_s("soon", 0), retry_after_s("-5", 0), retry_after_s(None, 0)
    (None, None, None)
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, when.timestamp() - now_s)
