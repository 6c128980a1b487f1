"""A log without one of its sources, or with one that comes later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.columns import INFO, MENTION, TICK, Columns
from schemas.errors import UserError
from schemas.platforms import PLATFORMS, platform_number
from streams.cli.times import duration_ms
from streams.files.rows import joined, without_chunk
from streams.replay.steps import Step

KINDS: Final = {"mention": MENTION, "tick": TICK, "token_info": INFO}
_ALL: Final = f"a platform ({', '.join(PLATFORMS)}) or a kind ({', '.join(KINDS)})"


@dataclass(frozen=True)
class Source:
    """Records of one kind, or the mentions of one platform."""

    kind: int
    platform: int | None = None

    def rows(self, columns: Columns) -> NDArray[np.bool_]:
        """Which rows are of it."""
        found: NDArray[np.bool_] = columns.kind == self.kind
        if self.platform is not None:
            found &= columns.aux == self.platform
        return found


@dataclass(frozen=True)
class Change:
    """What is done to a log: sources dropped, and sources that come later by some ms.

    A record that comes later is one that was observed later, as a slower poll observes it: its event
    time moves as its log time does, so that it is not late.
    """

    name: str
    drop: tuple[Source, ...] = ()
    delay: tuple[tuple[Source, int], ...] = ()


def changes(drop: Sequence[str], delay: Sequence[str], *, together: bool) -> list[Change]:
    """Changes from options such as ``platform=x``, ``kind=tick`` and ``telegram=30s``.

    Each is a change of its own, or all are one. Raises UserError where one cannot be understood.

    >>> [change.name for change in changes(["platform=twitter"], ["tick=1s"], together=False)]
    ['without platform=twitter', 'tick later by 1s']
    """
    found = [Change(f"without {text}", drop=(_dropped(text),)) for text in drop]
    for text in delay:
        source, equals, length = text.partition("=")
        if not equals:
            raise UserError(
                f"--delay is {text[:60]!r}", "write NAME=DURATION, such as telegram=30s"
            )
        ms = duration_ms(length, "--delay")
        if ms == 0:
            raise UserError(f"--delay {text} changes nothing", "write a longer duration")
        found.append(Change(f"{source} later by {length}", delay=((_source(source), ms),)))
    if not found:
        raise UserError(
            "nothing to change", "add --drop platform=NAME, --drop kind=NAME or --delay"
        )
    if not together:
        return found
    return [
        Change(
            ", ".join(each.name for each in found),
            tuple(source for each in found for source in each.drop),
            tuple(pair for each in found for pair in each.delay),
        )
    ]


def _dropped(text: str) -> Source:
    key, equals, name = text.partition("=")
    if not equals or key.strip() not in ("platform", "kind"):
        raise UserError(f"--drop is {text[:60]!r}", "write platform=NAME or kind=NAME")
    known = KINDS if key.strip() == "kind" else None
    if known is not None and name.strip() not in known:
        raise UserError(f"no kind of record is called {name}", f"use one of {', '.join(known)}")
    return _source(name, kinds=known is not None)


def _source(name: str, *, kinds: bool = True) -> Source:
    name = name.strip().lower()
    if kinds and name in KINDS:
        return Source(KINDS[name])
    number = platform_number(name)
    if PLATFORMS[number] == "other" and name != "other":
        raise UserError(
            f"no platform is called {name}",
            f"use {_ALL}; platforms that have no name here are all of other",
        )
    return Source(MENTION, number)


@dataclass
class Changed:
    """Applies a change to the steps of a replay, each input's in its order.

    What comes later waits until its input's log has reached its time; what is left at the end had
    not come yet when the log ends.
    """

    change: Change
    _held: dict[tuple[str, int], Columns | None] = field(default_factory=dict)

    def step(self, step: Step) -> Step:
        """The step as the changed log has it, in order of log time."""
        columns = {
            p: self._columns((step.name, p), rows, step.through_log_ms)
            for p, rows in step.columns.items()
        }
        return replace(step, columns=columns)

    def _columns(
        self, key: tuple[str, int], columns: Columns | None, through_ms: int
    ) -> Columns | None:
        parts = [self._held.pop(key, None), *self._parts(columns)]
        whole = joined([(part, part.ts_log_ms) for part in parts if part is not None])
        if whole is None:
            return None
        end = int(np.searchsorted(whole.ts_log_ms, through_ms, side="right"))
        if end < len(whole):
            self._held[key] = without_chunk(whole.take(np.arange(end, len(whole))))
        return whole.take(np.arange(end)) if end else None

    def _parts(self, columns: Columns | None) -> list[Columns]:
        """Rows that stay, as they are, and rows that come later, with their new times."""
        if columns is None:
            return []
        gone = np.zeros(len(columns), np.bool_)
        for source in self.change.drop:
            gone |= source.rows(columns)
        later = np.zeros(len(columns), np.int64)
        for source, ms in self.change.delay:
            later += np.where(source.rows(columns), ms, 0)
        parts = []
        for moved in np.unique(later[~gone]).tolist():
            part = columns.take(np.flatnonzero(~gone & (later == moved)))
            parts.append(
                replace(
                    part,
                    ts_event_ms=part.ts_event_ms + moved,
                    ts_log_ms=part.ts_log_ms + moved,
                )
            )
        return parts
