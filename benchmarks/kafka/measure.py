"""Everything that ``make bench-kafka`` measures, in one run."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.kafka import backlog, live, memory, restarts
from benchmarks.kafka.cluster import Cluster, new_broker
from benchmarks.measure import machine
from streams.local_kafka.broker import KafkaBroker

PARTS: Final = ("memory", "backlog", "pair", "trickle", "restore", "kill", "rolling")


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Parameters
    ----------
    parts : of PARTS.
    quick : few records, to see that it works.
    bootstrap : a broker without goldendog's topics; None starts one.
    with_quix : whether to install quixstreams, apart, and measure it.
    """

    parts: tuple[str, ...] = PARTS
    quick: bool = False
    bootstrap: str | None = None
    with_quix: bool = True


def measure(options: Options) -> Iterator[tuple[str, Any]]:
    """Measure some parts; each is one entry of the report, given when it is done.

    Raises UserError where no broker can be started, or goldendog's topics are on the one given.
    """
    yield "machine", machine()
    if "memory" in options.parts:
        _tell("memory")
        yield "memory", _memory(quick=options.quick)
    if options.parts == ("memory",):
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        broker = None if options.bootstrap else stack.enter_context(new_broker())
        bootstrap = options.bootstrap or (broker.bootstrap if broker else "")
        cluster = Cluster(bootstrap)
        stack.callback(cluster.close)
        cluster.refuse_ours()
        stack.callback(cluster.clear)
        parts = _parts(options, broker, bootstrap, folder)
        for name in PARTS:
            if name in options.parts and name in parts:
                yield name, parts[name]()


def _parts(
    options: Options, broker: KafkaBroker | None, bootstrap: str, folder: Path
) -> dict[str, Callable[[], dict[str, Any]]]:
    """What each part on the broker measures, with its sizes."""
    behind = backlog.QUICK if options.quick else backlog.FULL
    calm = live.QUICK if options.quick else live.FULL
    gone = restarts.QUICK if options.quick else restarts.FULL
    run = asyncio.run
    measures: dict[str, tuple[Any, Callable[[Callable[[str], None]], dict[str, Any]]]] = {
        "backlog": (
            behind,
            lambda tell: backlog.measure(
                bootstrap, behind, folder, tell, with_quix=options.with_quix
            ),
        ),
        "pair": (gone, lambda tell: restarts.pair(bootstrap, gone, folder, tell)),
        "trickle": (calm, lambda tell: run(live.trickle(bootstrap, calm, folder, tell))),
        "restore": (gone, lambda tell: restarts.restore(bootstrap, gone, folder, tell)),
        "kill": (gone, lambda tell: run(restarts.kill(bootstrap, gone, folder, tell))),
        "rolling": (
            gone,
            lambda tell: run(restarts.rolling(broker, bootstrap, gone, folder, tell)),
        ),
    }
    return {
        name: lambda name=name, of=of: {"sizes": asdict(of[0]), **of[1](_of(name))}
        for name, of in measures.items()
    }


def _memory(*, quick: bool) -> list[dict[str, float]]:
    """The handlers by themselves, in batches of several sizes."""
    rows = []
    for size in (500,) if quick else (5_000, 500, 50, 13):
        n = 20 * size if quick else 200 * size
        rows.append(
            {
                "batch": size,
                "ticks_per_cpu_s": asyncio.run(memory.detect_rate(n, size)),
                "mentions_per_cpu_s": asyncio.run(memory.resolve_rate(min(n, 60_000), size)),
            }
        )
    return rows


def _of(part: str) -> Callable[[str], None]:
    return lambda what: _tell(f"{part}: {what}")


def _tell(what: str) -> None:
    if sys.stderr.isatty():
        print(f"measuring {what} ...", file=sys.stderr)
