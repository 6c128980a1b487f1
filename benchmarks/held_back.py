"""Judge the detector on waves of the training generator that no classifier was trained on.

``python -m benchmarks.held_back [--waves N] [--first SEED] [--altered]``: seeds 5000 to 5059 unless told otherwise.
With ``--altered`` whoever pastes a post changes it once, as paid crowds do (``benchmarks.near_copies``).
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()

from benchmarks.near_copies import altered  # noqa: E402 - after the cache is set
from detectors.columns import MENTION, Columns  # noqa: E402
from detectors.engine import Engine  # noqa: E402
from detectors.hashing import text_fingerprint  # noqa: E402
from detectors.labels import UNKNOWN, YES, barrier_labels  # noqa: E402
from detectors.settings import EngineSettings  # noqa: E402
from streams.model_store import load_default_model  # noqa: E402
from streams.scenario.judge import PricePath, judge  # noqa: E402
from streams.scenario.waves import pasted_texts, wave_columns, wave_log_start_ms  # noqa: E402
from streams.training.collect import play  # noqa: E402

VERSIONS = 400


def with_altered_copies(columns: Columns, seed: int) -> Columns:
    """The same wave, but for the texts that bots paste: each time one of 400 altered versions of it."""
    rng = random.Random(seed)
    texts = columns.a.copy()
    for text in pasted_texts():
        rows = np.flatnonzero((columns.kind == MENTION) & (columns.a == text_fingerprint(text)))
        versions = [text_fingerprint(altered(rng, text)) for _ in range(VERSIONS)]
        texts[rows] = [rng.choice(versions) for _ in rows]
    return replace(columns, a=texts)


def assess(seed: int, *, alter: bool) -> list[dict[str, Any]]:
    """What was told of each coin of one wave, and what came of it."""
    columns, prices = wave_columns(seed)
    if alter:
        columns = with_altered_copies(columns, seed)
    engine = Engine(EngineSettings(), load_default_model(), ["log"], fingerprint="held back")
    alerts, _ = play(columns, wave_log_start_ms(seed), engine)
    end_ms = int(columns.ts_log_ms[-1])
    paths = {
        token: PricePath(ts_ms, price)
        for token, (ts_ms, price) in zip(columns.tokens, prices, strict=True)
        if len(price)
    }
    judged = judge(alerts, paths, {token: token for token in paths}, [])
    rows = []
    for verdict in judged.coins:
        path = paths[verdict.token]
        opened = [
            a.ts_available_ms for a in alerts if a.token == verdict.token and a.kind == "candidate"
        ]
        ahead = [path.multiple_ahead(ts) for ts in opened]
        available = np.array(opened, np.int64)
        rows.append(
            {
                "tripled": bool(path.price.max() >= 3 * path.price[0]),
                "first_ahead": ahead[0] if ahead else None,
                "ahead": [x for x in ahead if x is not None],
                "came_true": barrier_labels(
                    available, path.ts_ms, path.price, end_ms=end_ms
                ).tolist(),
                "share_of_peak": verdict.share_of_peak_at_fading,
            }
        )
    return rows


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all coins together."""
    ahead = [x for row in rows for x in row["ahead"]]
    known = [x for row in rows for x in row["came_true"] if x != UNKNOWN]
    left = [row["share_of_peak"] for row in rows if row["share_of_peak"] is not None]
    tripled = [row for row in rows if row["tripled"]]
    return {
        "coins": len(rows),
        "tripled": len(tripled),
        "candidates": sum(len(row["came_true"]) for row in rows),
        "came_true_of_known": round(sum(x == YES for x in known) / max(len(known), 1), 3),
        "known": len(known),
        "median_ahead": round(median(ahead), 2) if ahead else None,
        "tripled_told_with_2x_ahead": sum((row["first_ahead"] or 0.0) >= 2 for row in tripled),
        "fadings": len(left),
        "fading_with_60_percent_left": round(sum(x >= 0.6 for x in left) / max(len(left), 1), 3),
    }


def main() -> None:
    """Print the summary as JSON."""
    parser = argparse.ArgumentParser(description="Judge waves that were held back.")
    parser.add_argument("--waves", type=int, default=60, metavar="N")
    parser.add_argument("--first", type=int, default=5_000, metavar="SEED")
    parser.add_argument("--altered", action="store_true", help="pasted posts differ a little")
    args = parser.parse_args()
    seeds = range(args.first, args.first + args.waves)
    print(json.dumps(summary([row for seed in seeds for row in assess(seed, alter=args.altered)])))


if __name__ == "__main__":
    main()
