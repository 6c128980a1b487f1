"""Declared delays: when a record that carries no log time is taken to have arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from detectors.settings import EngineSettings
from schemas.errors import UserError

LATENESS_MS: Final = EngineSettings().lateness_ms
MAX_DELAY_MS: Final = 86_400_000
KINDS: Final = ("mentions", "ticks")


@dataclass(frozen=True)
class Delays:
    """How long after it happened each kind of record arrived, in ms.

    A delay above ``LATENESS_MS``, what a bar waits for, is that of a source which was polled: all
    its records would be late. As a polled source does, such a record has the time of its arrival as
    its event's, and a post keeps its own beside it.

    >>> Delays(20_000, 1_000).event_ms("ticks"), Delays(20_000, 1_000).event_ms("mentions")
    (0, 20000)
    """

    mentions: int = 20_000
    ticks: int = 1_000

    def log_ms(self, kind: str) -> int:
        """What to add to the source's time for the log time."""
        return self.mentions if kind == "mentions" else self.ticks

    def event_ms(self, kind: str) -> int:
        """What to add to the source's time for the event time: 0, or the whole delay."""
        delay = self.log_ms(kind)
        return delay if delay > LATENESS_MS else 0

    def as_dict(self) -> dict[str, dict[str, int | str]]:
        """For the manifest."""
        return {
            kind: {
                "delay_ms": self.log_ms(kind),
                "event_time": "arrival" if self.event_ms(kind) else "the source's",
            }
            for kind in KINDS
        }


def parse_delays(text: str) -> Delays:
    """Read ``mentions=20s,ticks=1s``; what is not named keeps its default. Raises UserError.

    >>> parse_delays("ticks=250ms")
    Delays(mentions=20000, ticks=250)
    """
    from streams.cli.times import duration_ms

    found: dict[str, int] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        kind, equals, value = part.partition("=")
        kind = kind.strip()
        if not equals or kind not in KINDS:
            raise UserError(f"--latency has {part[:60]!r}", "write it like mentions=20s,ticks=1s")
        if kind in found:
            raise UserError(f"--latency names {kind} twice", "name it once")
        found[kind] = duration_ms(value, f"--latency {kind}")
        if found[kind] > MAX_DELAY_MS:
            raise UserError(f"--latency {kind} is over a day", "write at most 1d")
    return Delays(**found)
