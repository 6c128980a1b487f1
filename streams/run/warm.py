"""Compiles or loads the kernels before the clock of a run starts, and says so where it takes long."""

from __future__ import annotations

from collections.abc import Callable

from detectors.columns import columns_of
from schemas.records import Tick
from streams.numba_cache import COMPILING, kernels_are_cached
from streams.worker.app import Detection

_T0: int = 1_736_812_800_000


def warm_up(detection: Detection, say: Callable[[str], None]) -> None:
    """Push one trade through an engine of its own."""
    if not kernels_are_cached():
        say(COMPILING)
    engine = detection.engine(["warm-up"])
    tick = Tick("t", _T0, "eip155:1/erc20:0x" + "0" * 40, 1, 1, "buy", "w")
    engine.push("warm-up", columns_of([tick], [_T0]), 0, _T0, _T0)
    engine.push("warm-up", None, 1, _T0 + 60_000)
