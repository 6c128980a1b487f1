"""Creating and checking goldendog's topics on a broker. Blocking: in an event loop, use a thread."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiokafka.errors import KafkaConnectionError
from kafka import KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError, NoError, TopicAlreadyExistsError
from kafka.structs import OffsetAndMetadata

from schemas.errors import GoldendogError, UserError
from schemas.topics import BY_NAME, CHECKPOINTS, TOPICS
from streams.kafka.checkpoint_age import checkpoint_age_ms
from streams.kafka.connection import Connection
from streams.kafka.inputs import first_log_start_ms, offsets
from streams.kafka.needs import Finding, Plan, compare, missing, unbegun, wanted_configs
from streams.kafka.reach import down, reach
from streams.kafka.topic_state import TopicState, topic_states
from streams.log.topics import first_heartbeat, partition_counts

_CONNECT_TIMEOUT_MS: Final = 10_000
_CREATE_TIMEOUT_MS: Final = 30_000


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
    plan = Plan(Connection.of(where), counts, recorded=recorded, replicas=replicas)
    with _admin(where) as admin:
        have = set(admin.list_topics())
        existing = tuple(t.name for t in TOPICS if t.name in have)
        states = topic_states(admin, where, existing)
        if differences := [str(f) for f in compare(states, plan) if not f.note]:
            raise UserError(
                "topics exist with other settings: " + "; ".join(differences),
                "ask for the same settings, or delete the topics; `goldendog topics check` names "
                "the commands",
            )
        created = tuple(t.name for t in TOPICS if t.name not in have)
        if created:
            _create(admin, created, plan)
        kept = first_log_start_ms(where, _raw_inputs(counts))
        if kept is not None and log_start_ms not in (None, kept):
            raise UserError(
                f"the topics' log starts at {kept} ms, not {log_start_ms} ms",
                "leave log_start_ms out, or delete the topics",
            )
        start = kept or log_start_ms or time.time_ns() // 1_000_000
        begun = topics_begin(where, _raw_inputs(counts), start)
    return Created(created, existing, begun, start)


def topics_check(
    where: str | Connection,
    partitions: int,
    mention_partitions: int | None = None,
    *,
    history_ms: int = Plan.history_ms,
    recorded: bool = False,
    replicas: int = -1,
) -> list[Finding]:
    """Name every difference between the topics and what workers need, and what mends it.

    Without a finding that is no note, workers may start. What workers read again must be kept as
    long as the longest baseline reaches (``history_ms``), plus the age of the oldest checkpoint that one of them
    would start from. Raises ``UserError`` where no broker answers.
    """
    where = Connection.of(where)
    counts = partition_counts(partitions, mention_partitions)
    with _admin(where) as admin:
        have = set(admin.list_topics())
        names = tuple(t.name for t in TOPICS if t.name in have)
        states = topic_states(admin, where, names)
    age_ms = 0
    if not recorded and (held := next((s for s in states if s.name == CHECKPOINTS), None)):
        age_ms = checkpoint_age_ms(where, held.partitions)
    plan = Plan(where, counts, recorded, replicas, history_ms, age_ms)
    absent = [t.name for t in TOPICS if t.name not in have]
    findings = [*missing(absent, plan), *unbegun(states, plan), *compare(states, plan)]
    return sorted(findings, key=lambda finding: finding.note)


def topics_describe(where: str | Connection, *, sizes: bool = False) -> list[TopicState]:
    """Goldendog's topics as they are on the broker; those that do not exist are left out."""
    with _admin(where) as admin:
        have = set(admin.list_topics())
        names = tuple(t.name for t in TOPICS if t.name in have)
        return topic_states(admin, where, names, sizes=sizes)


def topic_ids(where: str | Connection, names: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Partitions, and the id that a topic made anew does not share, of those that exist."""
    with _admin(where) as admin:
        have = set(admin.list_topics())
        wanted = [name for name in names if name in have]
        described = admin.describe_topics(wanted) if wanted else []
    return {t["name"]: (len(t["partitions"]), str(t["topic_id"])) for t in described}


def topics_remake(where: str | Connection, names: Sequence[str], plan: Plan) -> None:
    """Delete topics, where they exist, and create them by a plan: empty, whatever was in them."""
    with _admin(where) as admin:
        if have := sorted(set(names) & set(admin.list_topics())):
            admin.delete_topics(have, timeout_ms=_CREATE_TIMEOUT_MS)
        until = time.monotonic() + _CREATE_TIMEOUT_MS / 1000
        while left := set(names) & set(admin.list_topics()):
            if time.monotonic() > until:
                raise GoldendogError(f"the broker does not delete {', '.join(sorted(left))}")
            time.sleep(0.2)
        _create(admin, tuple(names), plan)


def topics_configure(where: str | Connection, names: Sequence[str], *, recorded: bool) -> None:
    """Give topics the settings that they are declared with."""
    wanted = [
        ConfigResource(
            ConfigResourceType.TOPIC, name, wanted_configs(BY_NAME[name], recorded=recorded)
        )
        for name in names
    ]
    with _admin(where) as admin:
        admin.alter_configs(wanted)


def commit_offsets(
    where: str | Connection, group: str, ends: Mapping[tuple[str, int], int]
) -> None:
    """Set the committed offsets of a group that has no members, by topic and partition."""
    offsets = {TopicPartition(*tp): OffsetAndMetadata(at, "", -1) for tp, at in ends.items()}
    with _admin(where) as admin:
        refused = {
            f"{tp.topic}/{tp.partition}": error.__name__
            for tp, error in admin.alter_group_offsets(group, offsets).items()
            if error is not NoError
        }
    if refused:
        raise GoldendogError(f"the broker does not commit for {group}: {refused}")


@contextlib.contextmanager
def _admin(where: str | Connection) -> Iterator[Any]:
    connection = Connection.of(where)
    try:
        asyncio.run(reach(connection))
        admin = KafkaAdminClient(
            **connection.client_options(), bootstrap_timeout_ms=_CONNECT_TIMEOUT_MS
        )
    except (KafkaError, KafkaConnectionError, OSError, ValueError) as exc:
        raise down(connection, exc) from exc
    try:
        yield admin
    except KafkaError as exc:
        raise GoldendogError(f"the broker at {connection.bootstrap} refused: {exc}") from exc
    finally:
        admin.close()


def _create(admin: Any, names: tuple[str, ...], plan: Plan) -> None:
    wanted = {
        name: {
            "num_partitions": plan.counts[name],
            "replication_factor": plan.replicas,
            "configs": wanted_configs(BY_NAME[name], recorded=plan.recorded),
        }
        for name in names
    }
    try:
        admin.create_topics(wanted, timeout_ms=_CREATE_TIMEOUT_MS, wait_for_metadata=True)
    except TopicAlreadyExistsError as exc:
        raise UserError("somebody else is creating the same topics", "run it again") from exc


def topics_begin(where: str | Connection, inputs: Mapping[str, int], log_start_ms: int) -> int:
    """Begin the partitions that are empty of raw inputs with so many each; how many there were."""
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
