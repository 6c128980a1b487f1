"""Everything that ``make bench`` measures, in one run."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks import files
from benchmarks.agree import disagreement
from benchmarks.clock import in_turn
from benchmarks.engine import LARGE, batches_of, measure_rates, new_engine, play
from benchmarks.events import event_scores, events_of
from benchmarks.peers import rolling_scores, same_scores
from benchmarks.start import measure_start
from benchmarks.sweep import measure_sweep
from benchmarks.tokens import measure_state
from benchmarks.workload import workload
from detectors.columns import Columns

PARTS: Final = ("start", "agreement", "engine", "tokens", "files", "sweep")
TOLERANCE: Final = 1e-9
DAY_H: Final = 24.0


@dataclass(frozen=True)
class Sizes:
    """How much is measured; records are as dense in all of them.

    Parameters
    ----------
    day : records of workload A, of B a tenth, and of the log of many tokens.
    hours : that they span.
    busy : records of workload B.
    tokens, many : tokens of A and B, and of the log of many; a fifth of them newborn.
    events : records that plain Python gets.
    checked : records on which all must agree.
    swept : records of the sweep's log.
    shrink : divides what ``benchmarks.files`` measures.
    runs : of which the best counts.
    rounds : of the engine and its peers in turn.
    """

    day: int = 2_000_000
    hours: float = DAY_H
    busy: int = 20_000_000
    tokens: int = 2_000
    many: int = 100_000
    events: int = 200_000
    checked: int = 100_000
    swept: int = 400_000
    shrink: int = 1
    runs: int = 3
    rounds: int = 5


FULL: Final = Sizes()
QUICK: Final = Sizes(
    200_000,
    DAY_H / 10,
    2_000_000,
    2_000,
    10_000,
    50_000,
    40_000,
    50_000,
    shrink=10,
    runs=2,
    rounds=2,
)


def measure(sizes: Sizes, parts: tuple[str, ...] = PARTS) -> Iterator[tuple[str, Any]]:
    """Measure some parts; each is one entry of the report, given when it is done."""
    pa.set_cpu_count(1)
    yield "machine", machine()
    yield "sizes", asdict(sizes)
    measures = {
        "start": lambda _: measure_start(),
        "agreement": agreement,
        "engine": engine_and_peers,
        "tokens": many_tokens,
        "files": files_and_wire,
        "sweep": sweep_ratio,
    }
    for number, part in enumerate(parts, 1):
        _tell(f"{number} of {len(parts)}: {part}")
        yield part, measures[part](sizes)


def machine() -> dict[str, Any]:
    """What it runs on, and how busy that was when it began."""
    return {
        "arch": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 1),
    }


def agreement(sizes: Sizes) -> dict[str, float]:
    """Largest differences of the three; AssertionError where they are more than rounding."""
    columns = workload(sizes.checked, 200, 6.0)
    apart = disagreement(columns)
    if apart["unmatched"] or max(apart["polars"], apart["python"]) > TOLERANCE:
        msg = f"engine, polars and plain Python do not agree: {apart}"
        raise AssertionError(msg)
    return apart


def engine_and_peers(sizes: Sizes) -> dict[str, Any]:
    """Workloads A and B, and what others need for three of the scores of A."""
    small = workload(sizes.day, sizes.tokens, sizes.hours)
    play(new_engine(), batches_of(small.take(slice(0, 20_000)), 500))  # load the compiled kernels
    rates = measure_rates("A", small, (LARGE, 5_000, 500, 100), sizes.runs)
    peers = measure_peers(small, sizes)
    del small
    large = workload(sizes.busy, sizes.tokens, sizes.hours)
    rates += measure_rates("B", large, (LARGE,), sizes.runs)
    return {"rates": rates, "peers": peers}


def measure_peers(columns: Columns, sizes: Sizes) -> dict[str, float]:
    """Best rates of the peers, and how many times as fast the engine is: the median of all rounds.

    Engine and peers run in turn, and are compared within a round: the machine's speed moves.
    """
    # a slice is enough for plain Python, and its start, with windows yet to fill, costs it least
    events = events_of(columns.take(slice(0, sizes.events)))
    parts = batches_of(columns, LARGE)
    calls: dict[str, tuple[int, Callable[[], int]]] = {
        "engine": (len(columns), lambda: play(new_engine(), parts)),
        "polars_same": (len(columns), lambda: same_scores(columns).height),
        "polars_rolling": (len(columns), lambda: rolling_scores(columns).height),
        "python_events": (len(events), lambda: sum(1 for _ in event_scores(events))),
    }
    seconds = in_turn({name: call for name, (_, call) in calls.items()}, sizes.rounds)
    each = {name: np.array(seconds[name]) / n for name, (n, _) in calls.items()}
    ours = each.pop("engine")
    out = {f"{name}_records_per_cpu_s": float(1 / theirs.min()) for name, theirs in each.items()}
    for name, theirs in each.items():
        out[f"ratio_to_{name}"] = float(np.median(theirs / ours))
    return out


def many_tokens(sizes: Sizes) -> dict[str, Any]:
    """A over many tokens: rates, memory, snapshot and restore."""
    columns = workload(sizes.day, sizes.many, sizes.hours, newborn=sizes.many // 5)
    play(new_engine(), batches_of(columns.take(slice(0, 20_000)), 500))
    rates = measure_rates("A, many tokens", columns, (LARGE, 5_000), sizes.runs)
    return {"rates": rates, "state": measure_state(columns, sizes.runs)}


def files_and_wire(sizes: Sizes) -> dict[str, Any]:
    """Parquet files to alert files; JSON to the engine."""
    with tempfile.TemporaryDirectory() as folder:
        return files.measure(sizes.shrink, Path(folder))


def sweep_ratio(sizes: Sizes) -> dict[str, Any]:
    """A hundred settings against one replay."""
    with tempfile.TemporaryDirectory() as folder:
        hours = DAY_H * sizes.swept / FULL.day
        return measure_sweep(sizes.swept, hours, Path(folder), min(sizes.runs, 2))


def _tell(what: str) -> None:
    if sys.stderr.isatty():
        print(f"measuring {what} ...", file=sys.stderr)
