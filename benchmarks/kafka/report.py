"""What was measured on Kafka, in lines of at most 90 columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

_BACKLOG: Final = {
    "detect": "goldendog detect: ticks to alerts, every feature",
    "resolve": "goldendog resolve: raw mentions to resolved batches",
    "faust_decode": "stock Faust agent: ticks decoded",
    "faust_scores": "stock Faust agent: three z-scores in plain Python",
    "quix_decode": "quixstreams: ticks decoded",
    "quix_scores": "quixstreams: three z-scores in plain Python",
}


def lines(name: str, part: Any) -> Iterator[str]:
    """One entry of the report as text."""
    tell: dict[str, Callable[[Any], Iterator[str]]] = {
        "machine": _machine,
        "memory": _memory,
        "backlog": _backlog,
        "pair": _pair,
        "trickle": _trickle,
        "restore": _restore,
        "kill": _kill,
        "rolling": _rolling,
    }
    yield from tell[name](part)


def _row(what: str, value: str) -> str:
    return f"  {what:<54} {value:>33}".rstrip()


def _machine(part: dict[str, Any]) -> Iterator[str]:
    yield (
        f"{part['arch']}, {part['cores']} cores, Python {part['python']}, load "
        f"{part['load_1min']} at the start"
    )


def _memory(part: list[dict[str, float]]) -> Iterator[str]:
    yield "handlers fed from memory, records a CPU second: ticks to alerts, mentions resolved"
    for row in part:
        rates = f"{row['ticks_per_cpu_s']:,.0f}  {row['mentions_per_cpu_s']:,.0f}"
        yield _row(f"batches of {row['batch']:,}", rates)


def _backlog(part: dict[str, Any]) -> Iterator[str]:
    sizes = part["sizes"]
    yield (
        f"a backlog on the broker, {sizes['partitions']} partitions, one event a message: records a "
        "CPU second"
    )
    yield f"  median of {sizes['runs']}, interleaved, and least to most; detect's rate by this row's"
    detect = part["rows"]["detect"]["records_per_cpu_s"]
    for name, row in part["rows"].items():
        rate, least, most = (round(row[key]) for key in ("records_per_cpu_s", "least", "most"))
        ratio = "" if name in {"detect", "resolve"} else f"{detect / rate:.1f} x"
        yield _row(_BACKLOG[name], f"{rate:,} ({least:,}-{most:,}) {ratio:>6}")
    yield f"  quixstreams: {part['quixstreams']}"


def _trickle(part: dict[str, Any]) -> Iterator[str]:
    yield f"one worker, every role, live, {part['sizes']['partitions']} partitions; load {part['load_1min']}"
    yield _row(
        f"{part['records_per_s']:,.0f} records a second", f"{part['cpu_share']:.1%} of a core"
    )
    n = f"{part['latency_records']:,} records, {part['alerts']} alerts"
    waits = part["latency_s"]
    told = "-" if waits["p50"] is None else f"{waits['p50']:.1f}, {waits['p99']:.1f} s"
    yield _row(f"to the webhook, p50, p99; {n}", told)


def _pair(part: dict[str, Any]) -> Iterator[str]:
    yield (
        f"one worker and two, each on {part['share']:.0%} of a core, {part['ticks']:,} ticks; "
        f"medians of {part['runs']}"
    )
    for name in ("one", "two"):
        cost, rate = part[f"{name}_cpu_us_per_event"], part[f"{name}_events_per_s"]
        yield _row(f"{name}: CPU an event; events a second (wall)", f"{cost:.1f} us; {rate:,.0f}")
    yield _row("two to one", f"{part['two_events_per_s'] / part['one_events_per_s']:.2f} x")


def _restore(part: dict[str, Any]) -> Iterator[str]:
    spread = f"{part['tokens']:,} tokens over {part['sizes']['partitions']} partitions"
    yield _row(f"restored: {spread}", f"{part['seconds']:.1f} s")


def _kill(part: dict[str, Any]) -> Iterator[str]:
    what = f"kill -9 at {part['records_per_s']:,.0f} records a second, started at once"
    took = part["caught_up_s"]
    yield _row(what, "does not keep up" if took is None else f"caught up in {took:.1f} s")


def _rolling(part: dict[str, Any]) -> Iterator[str]:
    yield f"longest a receiver hears nothing; {part['alerts']} alerts in all"
    yield _row("two workers, undisturbed", f"{part['calm_silence_s']:.1f} s")
    yield _row("each restarted in turn", f"{part['rolling_silence_s']:.1f} s")
    if "broker_silence_s" in part:
        down = part["broker_down_s"]
        yield _row(f"the broker away for {down:.0f} s", f"{part['broker_silence_s']:.1f} s")
