"""What an import did, in a few sentences."""

from __future__ import annotations

from typing import Any

from streams.replay.bar import utc


def in_words(done: dict[str, Any]) -> str:
    """The report of ``run_import`` for people."""
    rows, records = done["rows"], done["records"]
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in records.items() if kind != "heartbeat")
    lines = [
        f"{rows['read']:,} rows became {kinds} records in {done['seconds']:.1f} s",
        f"log from {utc(done['log_from_ms'])} to {utc(done['log_through_ms'])}",
    ]
    if rows["rejected"]:
        why = ", ".join(f"{n:,} {reason}" for reason, n in rows["rejected"].items())
        lines.append(f"rejected: {why} (see {done['out']}/_rejected.ndjson)")
    for note, n in rows["notes"].items():
        lines.append(f"{note.replace('_', ' ')}: {n:,}")
    words = f" --lexicon {done['out']}/lexicon.json" if done["lexicon"] else ""
    lines.append(f"replay it: goldendog replay {done['out']}{words} --out DIR")
    return "\n".join(lines)
