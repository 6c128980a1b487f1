"""``goldendog demo --write``: exports a scenario with a progress bar, and says what it wrote."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn

from streams.scenario.export import LEXICON, RECORDS, export
from streams.scenario.variation import Variation


def write_scenario(variation: Variation, folder: Path, *, as_json: bool) -> None:
    """Write the scenario's records, and report: progress to stderr, the result to stdout."""
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("drawing the scenario", total=None)

        def tell(written: int) -> None:
            progress.update(task, description=f"writing records: {written:,}")

        written = export(variation, folder, tell)
    if as_json:
        report = {
            "variation": asdict(variation),
            "records": written,
            "path": str(folder / RECORDS),
            "lexicon": str(folder / LEXICON),
        }
        sys.stdout.write(json.dumps(report) + "\n")
        return
    sys.stdout.write(
        f"{written:,} records in {folder / RECORDS}, their lexicon in {folder / LEXICON}\n"
        f"next: goldendog replay {folder} --lexicon {folder / LEXICON} --out out/\n"
    )
