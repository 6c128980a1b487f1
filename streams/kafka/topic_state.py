"""Goldendog's topics as they are on the brokers. Blocking: in an event loop, use a thread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from schemas.topics import BY_NAME
from streams.kafka.connection import Connection
from streams.kafka.inputs import log_starts, offsets
from streams.kafka.shapes import STAMPS
from streams.log.base import Stamp

CONFIGS: Final = (
    "message.timestamp.type",
    "message.timestamp.after.max.ms",
    "retention.ms",
    "retention.bytes",
    "cleanup.policy",
    "max.message.bytes",
    "min.insync.replicas",
    "compression.type",
)


@dataclass(frozen=True)
class TopicState:
    """One topic as it is on the brokers.

    Parameters
    ----------
    replicas, in_sync : of the partition that has fewest.
    leaderless : partitions that nobody can read or write now.
    stamp : who stamps records, the broker (``append``) or their producer (``recorded``).
    compacted : the newest message of each key is kept, at least.
    spans : start and end offset of each partition; ``records`` is the sum of what lies between.
    log_start_ms : what a raw input's first records say; None where they are gone or there are none.
    size_bytes : on the disks of all replicas; None where the brokers do not tell.
    configs : the settings in force, as the brokers write them.
    """

    name: str
    partitions: int
    replicas: int
    in_sync: int
    leaderless: tuple[int, ...]
    stamp: Stamp
    retention_ms: int
    compacted: bool
    records: int
    spans: tuple[tuple[int, int], ...]
    log_start_ms: int | None
    size_bytes: int | None
    configs: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def topic_states(
    admin: Any, where: str | Connection, names: Sequence[str], *, sizes: bool = False
) -> list[TopicState]:
    """Look at topics that exist, in this order. ``sizes`` asks for those too, which takes longer.

    Raises ``GoldendogError`` where raw inputs begin with something that is no Heartbeat.
    """
    if not names:
        return []
    described = {topic["name"]: topic for topic in admin.describe_topics(list(names))}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, list(CONFIGS)) for name in names]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    counts = {name: len(described[name]["partitions"]) for name in names}
    spans = offsets(where, counts)
    raw = {name for name in names if BY_NAME[name].raw_input}
    starts = log_starts(where, {tp: span for tp, span in spans.items() if tp.topic in raw})
    held = _sizes(admin, names) if sizes else {}
    return [_state(described[name], configs[name], spans, starts, held.get(name)) for name in names]


def _state(
    described: Mapping[str, Any],
    configs: Mapping[str, Mapping[str, Any]],
    spans: Mapping[TopicPartition, tuple[int, int]],
    starts: Mapping[TopicPartition, int],
    size_bytes: int | None,
) -> TopicState:
    name, partitions = described["name"], described["partitions"]
    own = tuple(spans[TopicPartition(name, n)] for n in range(len(partitions)))
    values = {key: str(configs[key]["value"]) for key in CONFIGS if key in configs}
    return TopicState(
        name=name,
        partitions=len(partitions),
        replicas=min(len(p["replica_nodes"]) for p in partitions),
        in_sync=min(len(p["isr_nodes"]) for p in partitions),
        leaderless=tuple(p["partition_index"] for p in partitions if p["leader_id"] < 0),
        stamp=STAMPS[values["message.timestamp.type"]],
        retention_ms=int(values["retention.ms"]),
        compacted="compact" in values["cleanup.policy"],
        records=sum(end - start for start, end in own),
        spans=own,
        log_start_ms=next((ms for tp, ms in starts.items() if tp.topic == name), None),
        size_bytes=size_bytes,
        configs=values,
    )


def _sizes(admin: Any, names: Sequence[str]) -> dict[str, int]:
    """Bytes on all disks, by topic; empty where we may not ask."""
    try:
        dirs = admin.describe_log_dirs()
    except KafkaError:
        return {}
    found = dict.fromkeys(names, 0)
    for folder in (folder for broker in dirs for folder in broker["log_dirs"]):
        for topic in folder["topics"]:
            if topic["name"] in found:
                found[topic["name"]] += sum(p["partition_size"] for p in topic["partitions"])
    return found
