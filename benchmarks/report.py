"""What was measured, in lines of at most 90 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

_FILES: Final = (
    ("Parquet files to alert files", "files_records_per_cpu_s"),
    ("JSON to engine, public wire, batches of 500", "json_public_records_per_cpu_s"),
    ("JSON to engine, internal wire, batches of 500", "json_internal_records_per_cpu_s"),
    ("engine alone on that log, batches of 500", "engine_alone_batches_of_500_per_cpu_s"),
)


def lines(name: str, part: dict[str, Any]) -> Iterator[str]:
    """One entry of the report as text."""
    tell: dict[str, Callable[[dict[str, Any]], Iterator[str]]] = {
        "machine": _machine,
        "sizes": _sizes,
        "engine": _engine,
        "tokens": _tokens,
        "files": _files,
        "agreement": _agreement,
        "sweep": _sweep,
        "start": _start,
    }
    yield from tell[name](part)


def _machine(part: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{part['arch']}, {part['cores']} cores, Python {part['python']}, load "
        f"{part['load_1min']} at the start"
    )


def _sizes(part: dict[str, Any]) -> Iterator[str]:
    yield (
        f"best of {part['runs']} runs, ratios the median of {part['rounds']} rounds in turn; "
        "CPU time of all threads"
    )


def _row(what: str, value: str) -> str:
    return f"  {what:<58} {value:>20}".rstrip()


def _rate(what: str, rate: float) -> str:
    return _row(what, f"{rate / 1e6:.2f} M records/s")


def _engine(part: dict[str, Any]) -> Iterator[str]:
    yield "engine, columns in memory, every feature, shipped model"
    for row in part["rates"]:
        what = f"workload {row['workload']}, batches of {row['batch']:,}"
        yield _rate(what, row["records_per_cpu_s"])
    peers = part["peers"]
    yield "peers, z-scores of mentions, volume and return alone, workload A"
    for what, name in (
        ("polars, the engine's definitions", "polars_same"),
        ("polars, rolling sums of bars", "polars_rolling"),
        ("plain Python, event by event", "python_events"),
    ):
        yield _rate(what, peers[f"{name}_records_per_cpu_s"])
        yield _row("  the engine, all it does, to that", f"{peers[f'ratio_to_{name}']:.1f} x")


def _tokens(part: dict[str, Any]) -> Iterator[str]:
    state = part["state"]
    yield f"{state['tokens']:,} live tokens, a fifth of them new during the log"
    for row in part["rates"]:
        yield _rate(f"workload A, batches of {row['batch']:,}", row["records_per_cpu_s"])
    yield _row("state of a token, in memory", f"{state['state_bytes_per_token']:,} B")
    yield _row("a token in a snapshot", f"{state['snapshot_bytes_per_token']:,.0f} B")
    for what in ("snapshot", "restore"):
        cpu, wall = state[f"{what}_cpu_s"], state[f"{what}_wall_s"]
        yield _row(f"{what} in memory", f"{cpu:.2f} s ({wall:.2f} s wall)")


def _files(part: dict[str, Any]) -> Iterator[str]:
    yield "around the engine, public wire: texts, authors and ids as strings"
    for what, key in _FILES:
        yield _rate(what, part[key])


def _agreement(part: dict[str, Any]) -> Iterator[str]:
    yield f"agreement on {part['bars']:,} bars, {part['known']:,} known scores"
    for name in ("polars", "python"):
        yield _row(f"engine and {name}, largest difference", f"{part[name]:.1e}")


def _sweep(part: dict[str, Any]) -> Iterator[str]:
    yield f"sweep, {part['records']:,} records in Parquet"
    yield _row("one replay", f"{part['replay_cpu_s']:.2f} s")
    yield _row(f"{part['settings']} settings", f"{part['sweep_cpu_s']:.2f} s")
    yield _row("settings to one replay", f"{part['ratio']:.1f} x")


def _start(part: dict[str, Any]) -> Iterator[str]:
    yield "a new process until its first alerts, wall clock"
    yield _row("kernels to compile", f"{part['cold_wall_s']:.1f} s")
    yield _row("kernels in the cache", f"{part['warm_wall_s']:.1f} s")
