"""The log of an embedded run: which topics it has, and opening it without surprises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from schemas.errors import UserError
from schemas.topics import MENTIONS, TICKS, TOPICS
from streams.log.base import Stamp
from streams.log.sqlite import SqliteLog, wall_clock_ms
from streams.log.topics import partition_counts
from streams.sources.feed import FEEDS


def create_topics(log: SqliteLog, partitions: int, mention_partitions: int) -> None:
    """Create every topic of an embedded run; what exists already stays as it is."""
    counts = partition_counts(partitions, mention_partitions)
    for spec in TOPICS:
        n = counts[spec.name]
        log.create_topic(spec.name, n, compacted=spec.compacted, raw_input=spec.raw_input)
    log.create_topic(FEEDS, 1, compacted=True)


def open_embedded_log(
    data_dir: Path,
    *,
    stamp: Stamp | None = None,
    partitions: int | None = None,
    mention_partitions: int | None = None,
    log_start_ms: int | None = None,
    clock_ms: Callable[[], int] = wall_clock_ms,
) -> SqliteLog:
    """Open a data folder's log, or make it.

    ``stamp`` and the partition counts are fixed when it is made (1 where None). Raises UserError
    where the folder has others, BusyError where another process uses it.
    """
    log = SqliteLog(data_dir, stamp=stamp, log_start_ms=log_start_ms, clock_ms=clock_ms)
    try:
        have = log.topics()
        if TICKS in have:
            _refuse_other(data_dir, "partitions", have[TICKS], partitions)
            _refuse_other(data_dir, "mention partitions", have[MENTIONS], mention_partitions)
        create_topics(
            log,
            have.get(TICKS, partitions or 1),
            have.get(MENTIONS, mention_partitions or 1),
        )
    except BaseException:
        log.close()
        raise
    return log


def _refuse_other(data_dir: Path, what: str, have: int, wanted: int | None) -> None:
    if wanted is not None and wanted != have:
        raise UserError(
            f"{data_dir} was made with {have} {what}, not {wanted}",
            f"leave the option out, or start another data folder to have {wanted}",
        )
