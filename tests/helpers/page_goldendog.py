"""``goldendog`` as pages call it: itself, but that training is replaced by its outcome.

Training takes minutes; what a page shows of it is which options there are, and that the folder it
makes is a model. The options are parsed by the command itself.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

from streams.cli.main import exit_code


def _trained(out: Path, waves: int, _seed: int, *, progress: Callable[..., None]) -> dict[str, Any]:
    from streams.model_store import default_folder

    shutil.copytree(default_folder(), out)
    progress("waves", waves, waves)
    manifest = json.loads((out / "golden_dog.json").read_bytes())
    metrics = manifest["training"]["metrics_out_of_fold"]
    return {
        "waves": waves,
        "metrics_out_of_fold": metrics,
        "rows_proven_equal_to_scikit_learn": int(metrics["rows"]),
    }


def main() -> int:
    """Run the command."""
    args = sys.argv[1:]
    if args[:1] != ["train"]:
        return exit_code(args)
    with patch("streams.training.train.train", _trained):
        return exit_code(args)


if __name__ == "__main__":
    sys.exit(main())
