"""Creating and checking goldendog's topics on a broker. Blocking: in an event loop, use a thread."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from kafka import KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, TopicAlreadyExistsError

from schemas.errors import GoldendogError, UserError
from schemas.topics import BY_NAME, TOPICS, TopicSpec
from streams.kafka.connection import Connection
from streams.kafka.inputs import first_log_start_ms, offsets
from streams.log.base import Stamp
from streams.log.topics import first_heartbeat, partition_counts

_CONNECT_TIMEOUT_MS: Final = 10_000
_KNOCK_TIMEOUT_S: Final = 5.0
_CREATE_TIMEOUT_MS: Final = 30_000
_FOREVER: Final = -1
_STAMPS: Final[Mapping[str, Stamp]] = {"LogAppendTime": "append", "CreateTime": "recorded"}
_COMPARED: Final = ("message.timestamp.type", "retention.ms", "cleanup.policy")


@dataclass(frozen=True)
class TopicState:
    """One topic as it is on the broker.

    ``records`` is the sum of end minus start offsets; ``log_start_ms`` what a raw input's first
    records say, None where they are gone or there is none.
    """

    name: str
    partitions: int
    replicas: int
    stamp: Stamp
    retention_ms: int
    compacted: bool
    records: int
    log_start_ms: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Created:
    """What ``topics_create`` did."""

    created: tuple[str, ...]
    existing: tuple[str, ...]
    begun: int
    log_start_ms: int


def topics_create(
    where: str | Connection,
    partitions: int,
    mention_partitions: int | None = None,
    *,
    recorded: bool = False,
    log_start_ms: int | None = None,
    replicas: int = -1,
) -> Created:
    """Create every topic, and begin each partition of each raw input; safe to repeat.

    The first record of each raw input is a Heartbeat with ``log_start_ms``, the same in all. A run
    that was cut short is completed with the ``log_start_ms`` already there.

    Parameters
    ----------
    where : ``host:port[,host:port...]``, or a ``Connection`` with credentials.
    partitions : of every token-keyed topic.
    mention_partitions : of raw mentions; the same when None.
    recorded : topics take each record's own time and keep it for ever (retention goes by record
        timestamps, which would delete a recording of last year at once); otherwise the broker
        stamps.
    log_start_ms : milliseconds UTC from which baselines count; now when None.
    replicas : copies of each partition; the broker's default when -1.

    Raises
    ------
    UserError : no broker, or topics that exist with other settings.
    """
    counts = partition_counts(partitions, mention_partitions)
    with _admin(where) as admin:
        have = set(admin.list_topics())
        existing = tuple(t.name for t in TOPICS if t.name in have)
        if differences := _differences(_states(admin, where, existing), counts, recorded=recorded):
            raise UserError(
                "topics exist with other settings: " + "; ".join(differences),
                "ask for the same settings, or delete the topics",
            )
        created = tuple(t.name for t in TOPICS if t.name not in have)
        if created:
            _create(admin, created, counts, recorded=recorded, replicas=replicas)
        kept = first_log_start_ms(where, _raw_inputs(counts))
        if kept is not None and log_start_ms not in (None, kept):
            raise UserError(
                f"the topics' log starts at {kept} ms, not {log_start_ms} ms",
                "leave log_start_ms out, or delete the topics",
            )
        start = kept or log_start_ms or time.time_ns() // 1_000_000
        begun = _begin(where, _raw_inputs(counts), start)
    return Created(created, existing, begun, start)


def topics_check(
    where: str | Connection,
    partitions: int,
    mention_partitions: int | None = None,
    *,
    recorded: bool = False,
) -> list[str]:
    """Name every difference between the topics on the broker and those we would create.

    An empty list means that workers may start. Raises ``UserError`` where no broker answers.
    """
    counts = partition_counts(partitions, mention_partitions)
    with _admin(where) as admin:
        have = set(admin.list_topics())
        names = tuple(t.name for t in TOPICS if t.name in have)
        states = _states(admin, where, names)
    differences = [f"{t.name}: missing" for t in TOPICS if t.name not in have]
    differences += _differences(states, counts, recorded=recorded)
    starts = {s.log_start_ms for s in states if s.log_start_ms is not None}
    if len(starts) > 1:
        differences.append(f"raw inputs start at different times: {sorted(starts)} ms")
    held = {s.name: s.records for s in states}
    differences += [
        f"{name}: empty, its first Heartbeat is missing"
        for name in _raw_inputs(counts)
        if held.get(name) == 0
    ]
    return differences


def topics_describe(where: str | Connection) -> list[TopicState]:
    """Goldendog's topics as they are on the broker; those that do not exist are left out."""
    with _admin(where) as admin:
        have = set(admin.list_topics())
        return _states(admin, where, tuple(t.name for t in TOPICS if t.name in have))


@contextlib.contextmanager
def _admin(where: str | Connection) -> Iterator[Any]:
    connection = Connection.of(where)
    _knock(connection)
    try:
        admin = KafkaAdminClient(
            **connection.client_options(), bootstrap_timeout_ms=_CONNECT_TIMEOUT_MS
        )
    except (KafkaError, OSError, ValueError) as exc:
        raise _no_broker(connection, type(exc).__name__) from exc
    try:
        yield admin
    except KafkaError as exc:
        raise GoldendogError(f"the broker at {connection.bootstrap} refused: {exc}") from exc
    finally:
        admin.close()


def _knock(connection: Connection) -> None:
    """Raise ``UserError`` at once where nobody listens: kafka-python would try for long."""
    why = ""
    for server in connection.servers:
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _KNOCK_TIMEOUT_S).close()
        except ValueError:
            raise UserError(f"{server} is no broker's address", "write HOST:PORT") from None
        except OSError as exc:
            why = exc.strerror or type(exc).__name__
        else:
            return
    raise _no_broker(connection, why)


def _no_broker(connection: Connection, why: str) -> UserError:
    return UserError(
        f"no Kafka broker at {connection.bootstrap} ({why})",
        "start it, or name another with --bootstrap",
    )


def _configs(spec: TopicSpec, *, recorded: bool) -> dict[str, str]:
    configs = {
        "message.timestamp.type": "CreateTime" if recorded else "LogAppendTime",
        "retention.ms": str(_FOREVER if recorded else spec.retention_ms),
        "cleanup.policy": "compact" if spec.compacted else "delete",
    }
    if recorded:
        # A scenario may play in the future; the broker would refuse it after an hour.
        configs["message.timestamp.after.max.ms"] = str(2**63 - 1)
    if spec.compacted:
        configs |= {"min.cleanable.dirty.ratio": "0.1", "segment.ms": "3600000"}
    return configs


def _create(
    admin: Any, names: tuple[str, ...], counts: Mapping[str, int], *, recorded: bool, replicas: int
) -> None:
    wanted = {
        name: {
            "num_partitions": counts[name],
            "replication_factor": replicas,
            "configs": _configs(BY_NAME[name], recorded=recorded),
        }
        for name in names
    }
    try:
        admin.create_topics(wanted, timeout_ms=_CREATE_TIMEOUT_MS, wait_for_metadata=True)
    except TopicAlreadyExistsError as exc:
        raise UserError("somebody else is creating the same topics", "run it again") from exc


def _begin(where: str | Connection, inputs: Mapping[str, int], log_start_ms: int) -> int:
    empty = [tp for tp, (_start, end) in offsets(where, inputs).items() if end == 0]
    if not empty:
        return 0
    producer = KafkaProducer(**Connection.of(where).client_options(), acks="all", linger_ms=5)
    try:
        sent = []
        for tp in empty:
            beat = first_heartbeat(tp.topic, tp.partition, log_start_ms)
            sent.append(
                producer.send(
                    tp.topic,
                    beat.value,
                    partition=tp.partition,
                    timestamp_ms=beat.ts_log_ms,
                )
            )
        for future in sent:
            future.get(timeout=_CREATE_TIMEOUT_MS / 1000)
    finally:
        producer.close()
    return len(empty)


def _raw_inputs(counts: Mapping[str, int]) -> dict[str, int]:
    return {t.name: counts[t.name] for t in TOPICS if t.raw_input}


def _differences(
    states: list[TopicState], counts: Mapping[str, int], *, recorded: bool
) -> list[str]:
    stamp: Stamp = "recorded" if recorded else "append"
    differences = []
    for state in states:
        spec = BY_NAME[state.name]
        pairs: tuple[tuple[str, object, object], ...] = (
            ("partitions", state.partitions, counts[state.name]),
            ("timestamps", state.stamp, stamp),
            ("retention_ms", state.retention_ms, _FOREVER if recorded else spec.retention_ms),
            ("compacted", state.compacted, spec.compacted),
        )
        differences += [
            f"{state.name}: {what}={was}, should be {wanted}"
            for what, was, wanted in pairs
            if was != wanted
        ]
    return differences


def _states(admin: Any, where: str | Connection, names: tuple[str, ...]) -> list[TopicState]:
    if not names:
        return []
    described = {t["name"]: t for t in admin.describe_topics(list(names))}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, list(_COMPARED)) for name in names]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    counts = {name: len(described[name]["partitions"]) for name in names}
    held = offsets(where, counts)
    return [_state(where, described[n], configs[n], held) for n in names]


def _state(
    where: str | Connection,
    described: Mapping[str, Any],
    configs: Mapping[str, Mapping[str, Any]],
    held: Mapping[TopicPartition, tuple[int, int]],
) -> TopicState:
    name, partitions = described["name"], described["partitions"]
    own = [span for tp, span in held.items() if tp.topic == name]
    raw = BY_NAME[name].raw_input
    return TopicState(
        name=name,
        partitions=len(partitions),
        replicas=min(len(p["replica_nodes"]) for p in partitions),
        stamp=_STAMPS[configs["message.timestamp.type"]["value"]],
        retention_ms=int(configs["retention.ms"]["value"]),
        compacted="compact" in str(configs["cleanup.policy"]["value"]),
        records=sum(end - start for start, end in own),
        log_start_ms=first_log_start_ms(where, {name: len(partitions)}) if raw else None,
    )
