"""``make bench``: measure the engine, what surrounds it, and its peers; docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os

# rates are of one core; libraries read it when they are imported
os.environ.setdefault("POLARS_MAX_THREADS", "1")

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()

from benchmarks.measure import FULL, PARTS, QUICK, measure  # noqa: E402 - after the cache is set
from benchmarks.report import lines  # noqa: E402


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quick", action="store_true", help="a tenth of the records, as dense")
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="a part; several times for several"
    )
    options = parser.parse_args()
    parts = tuple(part for part in PARTS if not options.only or part in options.only)
    measured = measure(QUICK if options.quick else FULL, parts)
    if options.json:
        print(json.dumps(dict(measured), indent=2))
        return
    for name, part in measured:
        for line in lines(name, part):
            print(line, flush=True)


if __name__ == "__main__":
    main()
