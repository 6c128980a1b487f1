"""``goldendog diff``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.options import JsonOption

if TYPE_CHECKING:
    from streams.replay.diff import Comparison, Difference


def diff(
    dir_a: Annotated[Path, typer.Argument(metavar="DIR_A", help="What one replay wrote.")],
    dir_b: Annotated[Path, typer.Argument(metavar="DIR_B", help="What the other wrote.")],
    *,
    json: JsonOption = False,
) -> int:
    """Name the first alert, bar and feature in which two runs differ.

    Exit code 0 where they are the same, 1 where they differ. Scores are compared where both runs
    kept them (replay --scores gated or all).
    """
    from streams.replay.diff import compare

    found = compare(dir_a, dir_b)
    if json:
        import msgspec

        print(msgspec.json.encode(found.as_dict()).decode())
    else:
        print("\n".join(_lines(found)))
    return 0 if found.same else 1


def _lines(found: Comparison) -> list[str]:
    if found.same:
        return [f"same: alerts{' and scores' if found.scores_compared else ''}, byte for byte"]
    lines = [f"{part} differs: {a} and {b}" for part, (a, b) in found.parts.items()]
    if found.alert is not None:
        lines.append(f"first alert that differs: {place_of(found.alert)}")
    else:
        lines.append("alerts are the same, but for the fingerprint they carry")
    if found.score is not None:
        lines.append(f"first score that differs: {place_of(found.score)}")
    elif found.scores_compared:
        lines.append("scores are the same")
    return lines


def place_of(at: Difference) -> str:
    """A difference in words."""
    from streams.replay.bar import utc_seconds

    if not at.token:  # another version's tables: no row of them can be compared
        return f"{at.what} of the tables"
    kind = "" if at.kind is None else f"{at.kind} {at.sequence} of "
    values = "" if at.what.startswith("missing") else f": {at.a} and {at.b}"
    unit = "line" if at.where == "alerts" else "row"
    return (
        f"{kind}{at.token}, bar that ends {utc_seconds(at.ts_bar_end_ms)} "
        f"({at.ts_bar_end_ms}), {unit} {at.number}: {at.what}{values}"
    )
