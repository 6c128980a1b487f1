"""The alerts of the RedNote scenario as committed, so that a diff shows what a change moves.

``make golden`` writes them anew.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from schemas.records import Alert
from streams.files.write import write_records
from streams.replay.api import replay
from streams.scenario.rednote import rednote
from streams.scenario.variation import Variation

ROOT: Final = Path(__file__).parents[2]
GOLDEN: Final = ROOT / "tests" / "golden" / "rednote.ndjson"
LEXICON: Final = ROOT / "examples" / "lexicon.json"


def rednote_alerts() -> list[str]:
    """One JSON line an alert. The fingerprint is left out: it moves with every line of code."""
    with TemporaryDirectory() as folder:
        path, out = Path(folder) / "records.parquet", Path(folder) / "out"
        write_records(rednote(Variation()), path)
        replay(path, lexicon=LEXICON, out=out)
        lines = (out / "alerts.ndjson").read_bytes().splitlines()
    return [_without_fingerprint(line) for line in lines]


def _without_fingerprint(line: bytes) -> str:
    alert = msgspec.json.decode(line, type=Alert)
    return msgspec.json.encode(msgspec.structs.replace(alert, fingerprint="")).decode()


if __name__ == "__main__":
    GOLDEN.write_text("\n".join(rednote_alerts()) + "\n", "utf-8")
