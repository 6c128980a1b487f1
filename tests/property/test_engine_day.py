"""A day of disorder, doubles, outages, clocks that fall and jump: dealt in any way, one set of alerts."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from detectors.columns import Columns
from schemas.records import Alert, Heartbeat, Record
from streams.embedded import EmbeddedOptions, run_embedded
from streams.files.write import write_records
from streams.replay.api import replay
from streams.sources.files import records_of_files
from tests.helpers.logs import SETTINGS, T0, alert_bytes, deal, play, random_log, shuffle_ties
from tests.helpers.models import crowd_model
from tests.helpers.wire import random_records

DAY_MS = 86_400_000
MINUTE_MS = 60_000
WAVES = 12


def trouble(log_ms: np.ndarray[tuple[int], np.dtype[np.int64]], rng: np.random.Generator) -> None:
    """Outages whose records come all at once, and a clock that falls and one that jumps.

    Log times are changed in place, and clamped: what the log's reader does first.
    """
    for start in T0 + rng.integers(0, DAY_MS, 6):
        until = start + rng.integers(1, 40) * MINUTE_MS
        log_ms[(log_ms >= start) & (log_ms < until)] = until  # delivered when it was over
    fall, jump = T0 + rng.integers(0, DAY_MS, 2)
    log_ms[(log_ms >= fall) & (log_ms < fall + 70 * MINUTE_MS)] -= 60 * MINUTE_MS
    log_ms[(log_ms >= jump) & (log_ms < jump + MINUTE_MS)] += 25 * MINUTE_MS
    np.maximum.accumulate(log_ms, out=log_ms)


def a_day(seed: int, n: int = 12_000) -> Columns:
    """Columns of 24 h: bursts, late, early, doubled and edited records, and trouble."""
    log = random_log(seed, n=n, span_ms=DAY_MS)
    trouble(log.ts_log_ms, np.random.default_rng(seed))
    return log


@pytest.mark.parametrize("seed", [1, 2])
def test_a_day_dealt_over_partitions_and_batches_gives_the_same_alerts(seed: int) -> None:
    log = a_day(seed)
    (whole,) = deal(log, 1, 1)
    expected = alert_bytes(play(whole, np.random.default_rng(0), chunk=100_000))
    assert len(expected) > 20
    delay = log.ts_log_ms - log.ts_event_ms
    assert (delay > SETTINGS.backfill_limit_ms).mean() > 0.01  # too late
    assert (delay < 0).mean() > 0.01
    assert (np.diff(log.ts_log_ms) == 0).mean() > 0.05  # held still
    for upstream, partitions, chunk, restart in (
        (1, 2, 700, 0.0),
        (2, 8, 300, 0.02),
        (8, 1, 50, 0.0),
    ):
        rng = np.random.default_rng(seed)
        alerts = []
        for inputs in deal(shuffle_ties(log, rng), upstream, partitions):
            alerts += play(inputs, rng, chunk=chunk, restart=restart)
        assert alert_bytes(alerts) == expected, (upstream, partitions, chunk)


def a_day_of_records(seed: int) -> list[Record]:
    """Records of 24 h in log order, with the same trouble."""
    found: list[Record] = [Heartbeat("begin", T0, log_start_ms=T0, ts_log_ms=T0)]
    for wave in range(WAVES):
        shift = wave * DAY_MS // WAVES
        found += [
            msgspec.structs.replace(
                record,
                id=f"{wave}-{record.id}",
                ts_event_ms=record.ts_event_ms + shift,
                ts_log_ms=(record.ts_log_ms or 0) + shift,
            )
            for record in random_records(seed + wave, n=400)[1:-1]
        ]
    log_ms = np.array([record.ts_log_ms for record in found], np.int64)
    trouble(log_ms, np.random.default_rng(seed))
    end = max(int(log_ms[-1]), T0 + DAY_MS) + 240_000
    return [
        *(
            msgspec.structs.replace(record, ts_log_ms=ms)
            for record, ms in zip(found, log_ms.tolist(), strict=True)
        ),
        Heartbeat("end", end, ts_log_ms=end),
    ]


@pytest.mark.slow
async def test_a_day_through_a_run_and_its_replays_gives_the_same_alerts(tmp_path: Path) -> None:
    file = tmp_path / "day.parquet"
    write_records(a_day_of_records(3), file)
    model = crowd_model()

    def replayed(what: Path, out: str) -> bytes:
        replay(what, settings=SETTINGS, model=model, out=tmp_path / out)
        return (tmp_path / out / "alerts.ndjson").read_bytes()

    expected = replayed(file, "of-file")
    assert expected.count(b"\n") > 10
    for partitions in (1, 2, 8):
        folder = tmp_path / str(partitions)
        options = EmbeddedOptions(
            folder,
            recorded_time=True,
            partitions=partitions,
            mention_partitions=partitions,
            settings=SETTINGS,
            model=model,
        )
        told: list[Alert] = []
        async with run_embedded(options, on_alert=told.append) as run:
            await run.feed(records_of_files([file]), "day")
            await run.finish()
        assert alert_bytes(told) == expected.splitlines(), partitions
        assert replayed(folder, f"of-{partitions}") == expected, partitions
