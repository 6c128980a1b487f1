"""What a run tells: alerts on standard output, its progress on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from schemas.errors import GoldendogError
from schemas.records import Alert, Reason
from streams.safe_text import shown
from streams.words import reason
from streams.worker.alerts import encode_alert

PROGRESS_EVERY_S: Final = 10.0


def utc(ts_ms: int) -> str:
    """A time in ms as people write it.

    >>> utc(1_736_830_805_000)
    '2025-01-14T05:00:05Z'
    """
    return datetime.fromtimestamp(ts_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def alert_line(alert: Alert) -> str:
    """One line for a person: what, which token, how sure, the price, and why."""
    parts = [
        utc(alert.ts_bar_end_ms),
        f"{alert.kind:<9}",
        shown(alert.symbol or alert.token),
    ]
    if alert.probability is not None:
        parts.append(f"p={alert.probability:.2f}")
    if alert.price_usd is not None:
        parts.append(f"${alert.price_usd}")
    if alert.moved_x_since_onset is not None:
        parts.append(f"{alert.moved_x_since_onset:.2f}x since onset")
    parts.append(f"{alert.mentions_60s} posts and {alert.trades_60s} trades in 60 s")
    if alert.reasons:
        parts.append(f"because {', '.join(map(_weighed, alert.reasons[:3]))}")
    return "  ".join(parts)


def _weighed(why: Reason) -> str:
    added = f" ({why.contribution_logit:+.2f})" if why.contribution_logit else ""
    return reason(why) + added


class UntoldError(GoldendogError):
    """An alert could not be printed: ours, so that it passes Faust without a traceback.

    Attributes
    ----------
    error : what standard output said.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"standard output cannot be written: {error.strerror or error}")
        self.error = error


class Reporter:
    """Prints; the only one who does in a run.

    Parameters
    ----------
    as_json : alerts as lines of JSON, the bytes that the log holds.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._told = ""
        self.alerts = 0

    def alert(self, alert: Alert) -> None:
        """Print an alert on standard output, at once. Raises UntoldError."""
        line = encode_alert(alert).decode() if self._as_json else alert_line(alert)
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except OSError as error:
            raise UntoldError(error) from error
        self.alerts += 1

    @contextmanager
    def unwrapping(self) -> Iterator[None]:
        """Raise the error of standard output itself, and say what a reader's leaving means."""
        try:
            yield
        except UntoldError as untold:
            if isinstance(untold.error, BrokenPipeError):
                self.say("standard output was closed: stopped; the next run goes on from here")
            raise untold.error from None

    def say(self, text: str) -> None:
        """Tell the operator something, on standard error."""
        sys.stderr.write(f"goldendog: {shown(text)}\n")
        sys.stderr.flush()

    def progress(self, text: Callable[[], str]) -> None:
        """Tell where the run stands, unless that was the last thing told."""
        now = text()
        if now != self._told:
            self._told = now
            self.say(now)
