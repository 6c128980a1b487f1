"""CPU seconds: what else the machine does at the time hardly counts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

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
