"""What an ablation found, for a person to read and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Any, Final

from streams.explore.ablate import Ablation, Moved, Told, Variant
from streams.explore.worth import Record
from streams.replay.bar import utc_seconds
from streams.safe_text import shown

_MOST: Final = 20


def as_dict(found: Ablation) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "records": found.records,
        "whole": {"alerts": dict(sorted(found.kinds.items())), **asdict(found.record)},
        "variants": [
            {
                "change": each.name,
                "alerts": dict(sorted(each.kinds.items())),
                **asdict(each.record),
                "lost": [asdict(told) for told in each.lost],
                "gained": [asdict(told) for told in each.gained],
                "moved": [asdict(moved) for moved in each.moved],
                "same": each.same,
            }
            for each in found.variants
        ],
        "note": found.note,
    }


def in_words(found: Ablation) -> str:
    """A few lines for each variant."""
    lines = [f"whole log: {_sum(found.kinds['candidate'], found.record)}"]
    for each in found.variants:
        lines += ["", f"{each.name}: {_sum(each.kinds['candidate'], each.record)}"]
        lines += [f"  {_counts(each)}"]
        lines += _list("lost", each.lost)
        lines += _list("gained", each.gained)
        lines += _moves(each.moved)
    lines += [] if found.note is None else ["", f"note: {found.note}"]
    return "\n".join(lines)


def _sum(candidates: int, record: Record) -> str:
    word = "candidate" if candidates == 1 else "candidates"
    share = f"{record.hits} of {record.known} went 3x first"
    ahead = record.median_multiple_ahead
    told = "" if ahead is None else f", {ahead:.2f}x still ahead (median)"
    return f"{candidates} {word}; {share}{told}"


def _counts(each: Variant) -> str:
    earlier = [m.seconds for m in each.moved if m.seconds < 0]
    later = [m.seconds for m in each.moved if m.seconds > 0]
    parts = [f"{len(each.lost)} alerts lost, {len(each.gained)} gained"]
    for word, seconds in (("earlier", earlier), ("later", later)):
        if seconds:
            parts.append(f"{len(seconds)} {word} by {abs(median(seconds)):,.0f} s (median)")
    return ", ".join([*parts, f"{each.same} at the same time"])


def _list(word: str, told: Sequence[Told]) -> list[str]:
    shown = [f"  {word:7} {_alert(each)}" for each in told[:_MOST]]
    return shown + ([f"  {word:7} and {len(told) - _MOST} more"] if len(told) > _MOST else [])


def _moves(moved: Sequence[Moved]) -> list[str]:
    lines = []
    for each in sorted(moved, key=lambda m: -abs(m.seconds))[:_MOST]:
        word = "later" if each.seconds > 0 else "earlier"
        lines.append(
            f"  {word:7} {_alert(each.before)}, by {abs(each.seconds):,.0f} s, then "
            f"{_ahead(each.after)}"
        )
    return lines + ([f"  and {len(moved) - _MOST} more"] if len(moved) > _MOST else [])


def _alert(told: Told) -> str:
    at = utc_seconds(told.ts_available_ms)
    return f"{told.kind} of {shown(told.symbol or told.token)}, {at}, {_ahead(told)}"


def _ahead(told: Told) -> str:
    return (
        "no trade after it" if told.multiple_ahead is None else f"{told.multiple_ahead:.2f}x ahead"
    )
