"""Setting up a log's topics: how many partitions each has, and the first record of each input."""

from __future__ import annotations

from schemas.decode import check_record, encode_record
from schemas.errors import RecordError, UserError
from schemas.records import Heartbeat
from schemas.topics import MENTIONS, TOPICS
from streams.log.base import Item
from streams.log.sqlite import SqliteLog

MAX_PARTITIONS = 1024


def partition_counts(partitions: int, mention_partitions: int | None = None) -> dict[str, int]:
    """Partitions of every topic, given those by token.

    Token-keyed topics and checkpoints get ``partitions``, raw mentions ``mention_partitions`` (the
    same when None), topics keyed by nothing else get one. Raises ``UserError`` out of 1..1024.

    >>> counts = partition_counts(8, 2)
    >>> counts["dex.ticks.v1"], counts["social.mentions.v1"], counts["deadletters.v1"]
    (8, 2, 1)
    """
    mentions = partitions if mention_partitions is None else mention_partitions
    for count in (partitions, mentions):
        if not 1 <= count <= MAX_PARTITIONS:
            raise UserError(f"{count} partitions", f"choose 1 to {MAX_PARTITIONS}")
    counts = {t.name: 1 if t.keyed_by == "none" else partitions for t in TOPICS}
    counts[MENTIONS] = mentions
    return counts


def first_heartbeat(topic: str, partition: int, log_start_ms: int) -> Item:
    """Make the record that begins an input: it says from when baselines count.

    Raises ``UserError`` where ``log_start_ms`` is no time in milliseconds.

    >>> first_heartbeat("dex.ticks.v1", 3, 1_735_689_600_000).ts_log_ms
    1735689600000
    """
    record = Heartbeat(
        id=f"start/{topic}/{partition}",
        ts_event_ms=log_start_ms,
        log_start_ms=log_start_ms,
        topic=topic,
    )
    try:
        check_record(record)
    except RecordError as exc:
        raise UserError(f"log_start_ms: {exc.problem}", exc.remedy) from exc
    return Item(None, encode_record(record), log_start_ms)


def create_topics(
    log: SqliteLog, partitions: int, mention_partitions: int | None = None
) -> dict[str, int]:
    """Create every topic in an embedded log, and begin each raw input; safe to repeat.

    Gives the partition count of every topic. Raises ``UserError`` where the log has other counts.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, SqliteLog(folder) as log:
    ...     counts = create_topics(log, 2)
    ...     counts == create_topics(log, 2), log.end_of("dex.ticks.v1", 1)
    (True, 1)
    """
    counts = partition_counts(partitions, mention_partitions)
    have = log.topics()
    for topic, count in counts.items():
        if have.get(topic, count) != count:
            raise UserError(
                f"{log.path.parent}: {topic} has {have[topic]} partitions, not {count}",
                "partition counts are fixed when a data folder is created: ask for the same, or"
                " choose another folder",
            )
    for spec in TOPICS:
        count = counts[spec.name]
        log.create_topic(spec.name, count, compacted=spec.compacted, raw_input=spec.raw_input)
        if spec.raw_input:
            for number in range(count):
                if log.end_of(spec.name, number) == 0:
                    beat = first_heartbeat(spec.name, number, log.log_start_ms)
                    log.append_now(spec.name, number, [beat])
    return counts
