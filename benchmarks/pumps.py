"""How many announced pumps are told in time from trades alone, and at how many false alarms.

``python -m benchmarks.pumps FOLDER [--quote-usd 20000]``: FOLDER has ``trades.parquet`` (or ``trades.csv``), as ``goldendog
import binance-trades`` reads it, and ``events.csv``, of which ``event`` and ``onset_5s`` are read: a time in UTC, the
price's first move, empty where there was none. Each event's trades are imported (``--latency ticks=1s``) and replayed by
themselves, as ``goldendog replay`` does with ``mentions = false`` and all else default.

Found is a candidate whose bar ends within 120 s of the onset. A false alarm is a run of candidates within 10
minutes of each other of which none lies between 2 minutes before the onset and an hour after it; where there is no
onset every one is. Rates are by coin-day, from the recording's first trade to its last.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from streams.numba_cache import prepare_numba_cache

prepare_numba_cache()

import pyarrow.compute as pc  # noqa: E402 - after the cache is set

from detectors.settings import EngineSettings  # noqa: E402
from schemas.errors import UserError  # noqa: E402
from schemas.topics import DAY_MS  # noqa: E402
from streams.imports.binance_trades import BinanceTrades  # noqa: E402
from streams.imports.delays import Delays  # noqa: E402
from streams.imports.run import LEXICON, run_import  # noqa: E402
from streams.replay.api import replay  # noqa: E402

DELAYS: Final = Delays(ticks=1_000)
TRADES_ALONE: Final = EngineSettings(mentions=False)
FOUND_MS: Final = 120_000
BEFORE_MS: Final = 120_000
AFTER_MS: Final = 3_600_000
MERGED_MS: Final = 600_000


class Pump(NamedTuple):
    """An announced pump: its name in the trades, and when the price first moved; None if never."""

    event: str
    onset_ms: int | None


class Told(NamedTuple):
    """What one recording gave.

    ``delay_ms`` is of the first candidate's bar behind the onset, None where none was found in time.
    """

    delay_ms: int | None
    false_alarms: int
    days: float


def read_events(path: Path) -> list[Pump]:
    """Read ``event`` and ``onset_5s``. Raises UserError where a column or a time is none."""
    pumps = []
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            try:
                event, onset = row["event"], row["onset_5s"]
                at = datetime.fromisoformat(onset).replace(tzinfo=UTC) if onset else None
            except (KeyError, ValueError) as error:
                raise UserError(
                    f"{path}, line {line}: {error}", "write event and onset_5s, a time in UTC"
                ) from None
            pumps.append(Pump(event, None if at is None else round(at.timestamp() * 1000)))
    return pumps


def judge(ends_ms: list[int], onset_ms: int | None, days: float) -> Told:
    """Hold a recording's candidates, by the ends of their bars in order, against its onset.

    >>> judge([1_000_000, 9_000_000, 9_005_000], onset_ms=8_990_000, days=4.0)
    Told(delay_ms=10000, false_alarms=1, days=4.0)
    >>> judge([1_000_000, 1_300_000, 2_000_000], onset_ms=None, days=4.0)
    Told(delay_ms=None, false_alarms=2, days=4.0)
    """
    runs: list[list[int]] = []
    for end in ends_ms:
        if runs and end - runs[-1][-1] <= MERGED_MS:
            runs[-1].append(end)
        else:
            runs.append([end])
    if onset_ms is None:
        return Told(None, len(runs), days)
    near = range(onset_ms - BEFORE_MS, onset_ms + AFTER_MS + 1)
    delays = [end - onset_ms for end in ends_ms if 0 <= end - onset_ms <= FOUND_MS]
    outside = sum(not any(end in near for end in run) for run in runs)
    return Told(delays[0] if delays else None, outside, days)


def told_of(trades: Path, pump: Pump, quote_usd: float) -> Told:
    """Import and replay one event's trades."""
    with TemporaryDirectory(prefix="goldendog-pumps-") as temporary:
        records = Path(temporary) / "records"
        adapter = BinanceTrades(trades, DELAYS, quote_usd=quote_usd, event=pump.event)
        run_import(adapter, records)
        found = replay(records, lexicon=records / LEXICON, settings=TRADES_ALONE)
    opened = found.alerts.filter(pc.equal(found.alerts["kind"], "candidate"))
    span_ms = found.summary["log_through_ms"] - found.summary["log_from_ms"]
    return judge(opened["ts_bar_end_ms"].to_pylist(), pump.onset_ms, span_ms / DAY_MS)


def summary(pumps: list[Pump], told: list[Told]) -> dict[str, Any]:
    """Recall, false alarms and delay over all recordings."""
    with_onset = sum(pump.onset_ms is not None for pump in pumps)
    delays = [each.delay_ms for each in told if each.delay_ms is not None]
    days = sum(each.days for each in told)
    alarms = sum(each.false_alarms for each in told)
    return {
        "recordings": len(pumps),
        "coin_days": round(days, 1),
        "with_onset": with_onset,
        "found": len(delays),
        "recall": round(len(delays) / with_onset, 3) if with_onset else None,
        "false_alarms": alarms,
        "false_alarms_a_coin_day": round(alarms / days, 3) if days else None,
        "median_delay_s": median(delays) / 1000 if delays else None,
    }


def main() -> None:
    """Measure every event of a folder."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--quote-usd", type=float, default=20_000.0, help="of a unit of the quote")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    trades = args.folder / "trades.parquet"
    if not trades.exists():
        trades = args.folder / "trades.csv"
    try:
        pumps = read_events(args.folder / "events.csv")
        told = []
        for pump in pumps:
            told.append(told_of(trades, pump, args.quote_usd))
            print(f"{pump.event}: {told[-1]}", file=sys.stderr)
    except (UserError, OSError) as error:
        sys.exit(f"benchmarks.pumps: {error}")
    found = summary(pumps, told)
    if args.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name.replace('_', ' '):<26} {'none' if value is None else value}")


if __name__ == "__main__":
    main()
