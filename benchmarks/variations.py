"""Judge the detector on the RedNote scenario's twenty committed variations, as a user would.

``python -m benchmarks.variations [--json] [--only N] [--fresh SEED]``: each is written to a Parquet file and
replayed with its lexicon, texts resolved; the alerts are held against the prices that traded. ``--fresh`` judges twenty others instead, drawn
from a seed, which nobody has looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import numpy as np

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()

from schemas.platforms import PLATFORMS  # noqa: E402
from schemas.records import Alert  # noqa: E402 - after the cache is set
from streams.files.write import write_records  # noqa: E402
from streams.replay.api import replay  # noqa: E402
from streams.scenario.anchors import ORDINARY  # noqa: E402
from streams.scenario.judge import Judgement, judge  # noqa: E402
from streams.scenario.rednote import rednote, tape_of, true_prices, wave_symbols  # noqa: E402
from streams.scenario.variation import SHAPES, Variation, published_variations  # noqa: E402

LEXICON = Path(__file__).parents[1] / "examples" / "lexicon.json"


def assess(variation: Variation) -> Judgement:
    """Write one variation's records, replay them from the file, and judge the alerts."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "records.parquet"
        write_records(rednote(variation), path)
        out = Path(folder) / "out"
        replay(path, lexicon=LEXICON, out=out)
        lines = (out / "alerts.ndjson").read_bytes().splitlines()
    alerts = [msgspec.json.decode(line, type=Alert) for line in lines]
    return judge(alerts, true_prices(tape_of(variation)), wave_symbols(), ORDINARY)


def row(variation: Variation, judged: Judgement) -> dict[str, Any]:
    """What the table shows of one variation."""
    momo = judged.coin("MOMO")
    return {
        "seed": variation.seed,
        "shape": variation.shape,
        "volume_divisor": variation.volume_divisor,
        "delay_s": variation.delay_s,
        "found": momo.candidates > 0,
        "multiple_ahead": momo.multiple_ahead,
        "lead_h": None if momo.lead_s is None else momo.lead_s / 3_600,
        "share_of_peak_at_fading": momo.share_of_peak_at_fading,
        "ordinary": judged.candidates_on_ordinary_days,
        "elsewhere": judged.candidates_elsewhere,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all variations together."""
    return {
        "variations": len(rows),
        "found": sum(r["found"] for r in rows),
        "median_multiple_ahead": median(r["multiple_ahead"] or 0.0 for r in rows),
        "fading_with_60_percent_left": sum(
            (r["share_of_peak_at_fading"] or 0.0) >= 0.6 for r in rows
        ),
        "candidates_on_ordinary_days": sum(r["ordinary"] for r in rows),
        "candidates_elsewhere": sum(r["elsewhere"] for r in rows),
    }


def fresh(seed: int, n: int = 20) -> tuple[Variation, ...]:
    """Draw other variations of the same ranges as the committed ones."""
    rng = np.random.default_rng(seed)
    return tuple(
        Variation(
            seed=int(rng.integers(100_000, 1_000_000)),
            shape=SHAPES[int(rng.integers(len(SHAPES)))],
            delay_s=int(rng.choice([0, 15, 60, 180])),
            leading_platform=PLATFORMS[int(rng.choice([0, 1, 4, 5]))],
            volume_divisor=float(rng.choice([1, 3])),
        )
        for _ in range(n)
    )


def main() -> None:
    """Print a row a variation, then the summary."""
    parser = argparse.ArgumentParser(description="Judge the twenty RedNote variations.")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--only", type=int, default=20, metavar="N", help="the first N alone")
    parser.add_argument("--fresh", type=int, metavar="SEED", help="twenty others, drawn anew")
    args = parser.parse_args()
    rows = []
    chosen = published_variations() if args.fresh is None else fresh(args.fresh)
    for variation in chosen[: args.only]:
        rows.append(row(variation, assess(variation)))
        line = "  ".join(
            f"{k} {v:.2f}" if isinstance(v, float) else f"{k} {v}" for k, v in rows[-1].items()
        )
        print(line, file=sys.stderr if args.json else sys.stdout, flush=True)
    total = summary(rows)
    print(json.dumps({"variations": rows, **total}) if args.json else total)


if __name__ == "__main__":
    main()
