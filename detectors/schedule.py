"""What decides alerts from a bar on: settings, model and words that change while a log runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detectors.model import Model
from detectors.settings import EngineSettings
from schemas.errors import StateError


@dataclass(frozen=True)
class Change:
    """Everything that decides alerts of bar ``from_bar`` and of those after it.

    Parameters
    ----------
    from_bar : number of the first bar, counted from 1970; each bar is 5 s.
    settings, model, fingerprint, symbols : as an ``Engine`` takes them, whole and not a difference.
        ``lateness_ms`` and ``backfill_limit_ms`` never change: they decide which bar a record is of.
    """

    from_bar: int
    settings: EngineSettings
    model: Model
    fingerprint: str
    symbols: Mapping[str, str]


def ahead_of(changes: Sequence[Change], next_bar: int, fingerprint: str) -> deque[Change]:
    """Those changes that are not in force yet, where ``fingerprint`` is of what is.

    Raises StateError where one should be in force and is not.

    >>> ahead_of([], 7, "")
    deque([])
    """
    due = [change for change in changes if change.from_bar <= next_bar]
    if due and due[-1].fingerprint != fingerprint:
        raise StateError(
            f"a change in force from bar {due[-1].from_bar} came after bar {next_bar - 1} was "
            "closed without it"
        )
    return deque(changes[len(due) :])
