"""``make bench-kafka``: goldendog on a real broker, in CPU seconds, beside its peers; docs/benchmarks.md."""

from __future__ import annotations

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()

import argparse  # noqa: E402 - after the cache is set
import json  # noqa: E402
import logging  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402

from benchmarks.kafka.measure import PARTS, Options, measure  # noqa: E402
from benchmarks.kafka.report import lines  # noqa: E402
from schemas.errors import UserError  # noqa: E402


def main() -> int:
    """Measure, and print; the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks.kafka", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="few records: only that it works")
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="a part; several times for several"
    )
    parser.add_argument(
        "--bootstrap",
        metavar="HOST:PORT",
        help="a broker without goldendog's topics; one is started where left out",
    )
    parser.add_argument("--no-quix", action="store_true", help="install no quixstreams")
    asked = parser.parse_args()
    options = Options(
        tuple(part for part in PARTS if not asked.only or part in asked.only),
        quick=asked.quick,
        bootstrap=asked.bootstrap,
        with_quix=not asked.no_quix,
    )
    # told to end, it ends its broker and workers too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # what clients say while a broker that is measured restarts
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    measured = {}
    try:
        for name, part in measure(options):
            measured[name] = part
            for line in () if asked.json else lines(name, part):
                print(line, flush=True)
    except UserError as error:
        print(f"benchmarks.kafka: {error}", file=sys.stderr)
        return 2
    if asked.json:
        print(json.dumps(measured, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
