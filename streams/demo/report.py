"""The demo's summary: what the alerts were worth, as a table, as plain lines, as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from rich.table import Table

from streams.demo.words import clock, dollars, duration
from streams.scenario.judge import Judgement, Verdict

COLUMNS: Final = (
    "coin",
    "peak",
    "first alert (UTC)",
    "still ahead",
    "before the peak",
    "fading alert (UTC)",
    "of the peak left",
)
NEXT: Final = (
    "goldendog demo --shape late --delay 180 --volume-divisor 3    the same story, told harder",
    "goldendog demo --write records/                                its records, to read or to feed",
    "goldendog replay records/ --lexicon records/lexicon.json --out out/    the same alerts, as files",
    "goldendog run --embedded --data-dir data/                      live: POST your own records to it",
)


def cells(verdict: Verdict) -> tuple[str, ...]:
    """One coin's row."""
    found, left = verdict.candidate_ts_ms, verdict.fading_ts_ms
    return (
        verdict.symbol,
        dollars(verdict.peak_price_usd),
        "none" if found is None else clock(found),
        "" if verdict.multiple_ahead is None else f"{verdict.multiple_ahead:.1f}x",
        "" if verdict.lead_s is None else duration(verdict.lead_s),
        "none" if left is None else clock(left),
        "" if verdict.share_of_peak_at_fading is None else f"{verdict.share_of_peak_at_fading:.0%}",
    )


def table(judgement: Judgement) -> Table:
    """The summary for a terminal."""
    out = Table(title="what the alerts were worth", title_justify="left", header_style="bold")
    for i, name in enumerate(COLUMNS):
        out.add_column(name, justify="right" if i in (1, 3, 4, 6) else "left")
    for verdict in judgement.coins:
        out.add_row(*cells(verdict))
    return out


def lines(judgement: Judgement) -> list[str]:
    """The summary for a pipe: the table's cells in columns."""
    rows = [COLUMNS, *(cells(verdict) for verdict in judgement.coins)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COLUMNS))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def false_alarms(judgement: Judgement) -> str:
    """One sentence on the alarms that nobody wanted."""
    return (
        f"candidates on the {judgement.ordinary_days:.1f} ordinary days: "
        f"{judgement.candidates_on_ordinary_days}; of other coins while the wave ran: "
        f"{judgement.candidates_elsewhere}"
    )


def as_json(judgement: Judgement, extra: dict[str, Any]) -> dict[str, Any]:
    """The summary as plain data; times in ms UTC, shares 0 to 1."""
    return {**extra, **asdict(judgement)}
