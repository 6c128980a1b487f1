"""CPU seconds: what else the machine does at the time hardly counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

_T = TypeVar("_T")


def cpu_seconds(what: Callable[[], _T]) -> tuple[float, _T]:
    """CPU seconds of this process, all its threads, that a call takes, and what it gives."""
    began = time.process_time()
    result = what()
    return time.process_time() - began, result


def best(what: Callable[[], _T], runs: int) -> tuple[float, _T]:
    """The fewest CPU seconds of some runs, and what the first of them gave."""
    least, result = cpu_seconds(what)
    for _ in range(runs - 1):
        least = min(least, cpu_seconds(what)[0])
    return least, result


def in_turn(calls: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each call in each round: every one once a round, so that all meet the same hours."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            taken[name].append(cpu_seconds(call)[0])
    return taken
