"""``goldendog train``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.options import JsonOption


def train(
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for the model; made if missing."),
    ],
    waves: Annotated[
        int, typer.Option(metavar="N", help="Random waves to train on, 200 at least.")
    ] = 300,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the first wave.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Train the classifier on generated waves and save it, checked against scikit-learn.

    The RedNote scenario is never trained on. Takes some minutes on one core.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from streams.numba_cache import prepare_numba_cache

    prepare_numba_cache()
    from streams.training.train import train as run

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bars:
        tasks = {
            "waves": bars.add_task("waves generated and scored", total=waves),
            "fit": bars.add_task("trees fitted and calibrated", total=1),
        }
        report = run(
            out,
            waves,
            seed,
            progress=lambda s, done, of: bars.update(tasks[s], completed=done, total=of),
        )
    if as_json:
        print(json.dumps({"out": str(out), **report}))
        return
    metrics = report["metrics_out_of_fold"]
    print(
        f"{out}: {report['waves']} waves, {metrics['rows']:,.0f} rows, of which "
        f"{metrics['base_rate']:.1%} came true\n"
        f"out of fold: ROC AUC {metrics['roc_auc']:.3f}, average precision "
        f"{metrics['average_precision']:.3f}, calibrated log loss {metrics['log_loss_calibrated']:.3f}\n"
        f"{report['rows_proven_equal_to_scikit_learn']:,} rows give scikit-learn's very bits"
    )
