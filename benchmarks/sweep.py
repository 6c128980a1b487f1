"""A hundred settings on one log, against one replay of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.clock import best
from benchmarks.wire import coins, lexicon_text, wire_table, write_wire
from detectors.settings import EngineSettings
from streams.explore.material import material
from streams.explore.sweep import sweep
from streams.replay.api import replay

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKENS: Final = 2_000
NAMES: Final = ("candidate_logit_micro", "candidate_bars", "fading_drawdown")


def hundred() -> list[EngineSettings]:
    """Ten thresholds around the default, five lengths, two ways to fade."""
    base = EngineSettings()
    thresholds: Sequence[int] = range(-600_000, 400_000, 100_000)
    return [
        replace(base, candidate_logit_micro=logit, candidate_bars=bars, fading_drawdown=down)
        for logit, bars, down in product(thresholds, (1, 2, 3, 4, 6), (0.15, 0.3))
    ]


def _kernels(folder: Path, words: Path) -> None:
    """Load what is compiled for a sweep, before the clock runs."""
    path = folder / "sweep-small.parquet"
    write_wire(wire_table(2_000, 2, 1.0), path)
    sweep(material([path], lexicon=words), NAMES, hundred())


def measure_sweep(records: int, hours: float, folder: Path, runs: int) -> dict[str, Any]:
    """CPU seconds of both, on record Parquet of the public wire, and their ratio."""
    named = coins(TOKENS)
    words, path = folder / "sweep-lexicon.json", folder / "sweep.parquet"
    words.write_text(lexicon_text(named), "utf-8")
    write_wire(wire_table(records, TOKENS, hours), path)
    _kernels(folder, words)
    settings = hundred()
    one, result = best(
        lambda: replay(path, lexicon=words, out=folder / "sweep-one", overwrite=True), runs
    )
    swept, found = best(lambda: sweep(material([path], lexicon=words), NAMES, settings), runs)
    return {
        "records": records,
        "settings": len(settings),
        "replay_cpu_s": one,
        "replay_alerts": result.summary["alerts"]["total"],
        "sweep_cpu_s": swept,
        "sweep_alerts": sum(sum(tried.kinds.values()) for tried in found.tried),
        "ratio": swept / one,
    }
