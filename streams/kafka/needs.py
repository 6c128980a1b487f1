"""What goldendog's topics must be, what they differ in from that, and the command that mends it.

Pure: it compares a plan with what was found. Three kinds of findings: a difference keeps workers
from working or loses what they need; a note is a choice of the operator's that harms nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from detectors.settings import EngineSettings
from schemas.topics import (
    ALERTS,
    BY_NAME,
    CHECKPOINTS,
    MENTIONS,
    RESOLVED,
    TICKS,
    TOKEN_INFO,
    TOPICS,
    TopicSpec,
)
from streams.kafka.connection import Connection
from streams.kafka.topic_state import TopicState
from streams.log.base import Stamp

MESSAGE_BYTES: Final = 1_048_588
"""A checkpoint's chunk, a large record, a batch of resolved mentions: Kafka's own default."""
FOREVER: Final = -1
ANY_TIME_MS: Final = 2**63 - 1
_REREAD: Final = (MENTIONS, TICKS, TOKEN_INFO, RESOLVED, ALERTS)
"""Topics that a worker reads again from where a checkpoint, or a baseline, begins."""
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True)
class Plan:
    """What topics should be like.

    Parameters
    ----------
    where : the brokers; commands in remedies are for them.
    counts : partitions of each topic.
    recorded : topics keep the records' own time, for ever.
    replicas : copies of each partition; the brokers' default when -1.
    history_ms : how far back the longest baseline reaches: state is rebuilt from so much of the log.
    checkpoint_age_ms : of the oldest among the newest checkpoints of each partition: a worker that
        starts now reads inputs from there.
    """

    where: Connection
    counts: Mapping[str, int]
    recorded: bool = False
    replicas: int = -1
    history_ms: int = EngineSettings().history_ms
    checkpoint_age_ms: int = 0

    @property
    def needed_ms(self) -> int:
        """How long what is read again must be kept."""
        return self.history_ms + self.checkpoint_age_ms


@dataclass(frozen=True)
class Finding:
    """One thing that is not as declared.

    Parameters
    ----------
    topic : which.
    problem : what it is and what it should be.
    remedy : the command that mends it, or what to do.
    note : it harms nothing.

    >>> str(Finding("dex.ticks.v1", "missing", "goldendog topics create"))
    'dex.ticks.v1: missing'
    """

    topic: str
    problem: str
    remedy: str
    note: bool = False

    def __str__(self) -> str:
        return f"{self.topic}: {self.problem}"


def wanted_configs(spec: TopicSpec, *, recorded: bool) -> dict[str, str]:
    """The settings that a topic is created with."""
    configs = {
        "message.timestamp.type": "CreateTime" if recorded else "LogAppendTime",
        "retention.ms": str(FOREVER if recorded else spec.retention_ms),
        "cleanup.policy": "compact" if spec.compacted else "delete",
        "max.message.bytes": str(MESSAGE_BYTES),
    }
    if recorded:
        # A scenario may play in the future; the broker would refuse it after an hour.
        configs["message.timestamp.after.max.ms"] = str(ANY_TIME_MS)
    if spec.compacted:
        configs |= {"min.cleanable.dirty.ratio": "0.1", "segment.ms": str(_HOUR_MS)}
    return configs


def compare(states: Sequence[TopicState], plan: Plan) -> list[Finding]:
    """Every difference of topics that exist, and every note, by topic."""
    found = [*_partitions(states, plan)]
    for state in states:
        found += _times(state, plan)
        found += _kept(state, plan)
        found += _sizes(state, plan)
        found += _copies(state, plan)
    order = [t.name for t in TOPICS]
    return sorted(found, key=lambda f: (f.note, order.index(f.topic)))


def missing(names: Sequence[str], plan: Plan) -> list[Finding]:
    """A finding for each topic that there is none of."""
    return [Finding(name, "missing", _create_command(plan)) for name in names]


def unbegun(states: Sequence[TopicState], plan: Plan) -> list[Finding]:
    """Raw inputs whose first heartbeat is not there, or tells another start than the others."""
    raw = [state for state in states if BY_NAME[state.name].raw_input]
    found = [
        Finding(
            state.name,
            f"partition {n} is empty, its first heartbeat is missing",
            _create_command(plan),
        )
        for state in raw
        for n, (_start, end) in enumerate(state.spans)
        if end == 0
    ]
    starts = {state.name: state.log_start_ms for state in raw if state.log_start_ms is not None}
    if len(set(starts.values())) > 1:
        told = ", ".join(f"{name} at {ms} ms" for name, ms in starts.items())
        found.append(
            Finding(
                next(iter(starts)),
                f"raw inputs start at different times: {told}",
                "delete the raw inputs and create them together: goldendog topics create",
            )
        )
    return found


def _partitions(states: Sequence[TopicState], plan: Plan) -> Iterator[Finding]:
    shared = {s.partitions for s in states if _by_token(s.name)}
    for state in states:
        wanted = plan.counts[state.name]
        if state.partitions == wanted:
            continue
        if state.name == MENTIONS:
            remedy = _ask_for("mention_partitions", state.partitions)
        elif shared == {state.partitions} and BY_NAME[state.name].keyed_by != "none":
            remedy = _ask_for("partitions", state.partitions)
        elif state.records:
            remedy = (
                "partitions that hold records cannot be dealt anew: record the topics, delete "
                "them, create them, and feed the recording back"
            )
        else:
            remedy = (
                f"{_topics_command(plan)} --delete --topic {state.name}; {_create_command(plan)}"
            )
        yield Finding(state.name, f"partitions={state.partitions}, should be {wanted}", remedy)


def _times(state: TopicState, plan: Plan) -> Iterator[Finding]:
    stamp: Stamp = "recorded" if plan.recorded else "append"
    wanted = wanted_configs(BY_NAME[state.name], recorded=plan.recorded)
    if state.stamp != stamp:
        key = "message.timestamp.type"
        yield Finding(
            state.name,
            f"timestamps={state.stamp}, should be {stamp}",
            _set(plan, state.name, key, wanted[key]),
        )
    key = "message.timestamp.after.max.ms"
    limit = int(state.configs.get(key, ANY_TIME_MS))
    if plan.recorded and limit < ANY_TIME_MS:
        yield Finding(
            state.name,
            f"{key}={limit}: recordings of the future would be refused",
            _set(plan, state.name, key, wanted[key]),
        )


def _kept(state: TopicState, plan: Plan) -> Iterator[Finding]:
    spec = BY_NAME[state.name]
    policy = state.configs["cleanup.policy"]
    wanted = "compact" if spec.compacted else "delete"
    if policy != wanted:
        yield Finding(
            state.name,
            f"cleanup.policy={policy}, should be {wanted}",
            _set(plan, state.name, "cleanup.policy", wanted),
        )
    if "delete" not in policy:
        return
    size = int(state.configs.get("retention.bytes", FOREVER))
    if size != FOREVER and state.name in _REREAD:
        yield Finding(
            state.name,
            f"retention.bytes={size} deletes by size, however young records are",
            _set(plan, state.name, "retention.bytes", str(FOREVER)),
        )
    if wanted == "compact" or state.retention_ms == FOREVER:
        return
    was, declared = state.retention_ms, FOREVER if plan.recorded else spec.retention_ms
    told = f"retention.ms={was} keeps {_span(was)}"
    mend = _set(plan, state.name, "retention.ms", str(_longer(declared, plan.needed_ms)))
    if declared == FOREVER:
        yield Finding(state.name, f"{told}, should be for ever", mend)
    elif state.name in _REREAD and was < plan.needed_ms:
        yield Finding(
            state.name,
            f"{told}, shorter than the longest baseline ({_span(plan.history_ms)}) and the "
            f"checkpoint's age ({_span(plan.checkpoint_age_ms)})",
            mend,
        )
    elif was != declared:
        than = "longer" if was > declared else "shorter"
        yield Finding(
            state.name,
            f"{told}, {than} than declared ({_span(declared)})",
            "it may stay so",
            note=True,
        )


def _sizes(state: TopicState, plan: Plan) -> Iterator[Finding]:
    key = "max.message.bytes"
    if int(state.configs.get(key, MESSAGE_BYTES)) < MESSAGE_BYTES:
        yield Finding(
            state.name,
            f"{key}={state.configs[key]}, should be {MESSAGE_BYTES} or more",
            _set(plan, state.name, key, str(MESSAGE_BYTES)),
        )


def _copies(state: TopicState, plan: Plan) -> Iterator[Finding]:
    if state.leaderless:
        yield Finding(
            state.name,
            f"no broker leads partition {', '.join(map(str, state.leaderless))}",
            "start the brokers that hold it",
        )
    if state.replicas < plan.replicas:
        yield Finding(
            state.name,
            f"{state.replicas} replicas, should be {plan.replicas}",
            "raise it with kafka-reassign-partitions.sh, or ask for what is there: "
            f"kafka.replication = {state.replicas}",
        )
    key = "min.insync.replicas"
    least = int(state.configs.get(key, "1"))
    if least > state.replicas:
        yield Finding(
            state.name,
            f"{key}={least} with {state.replicas} replicas: nothing can be written",
            _set(plan, state.name, key, str(state.replicas)),
        )
    elif least == 1 and state.replicas >= 3:
        yield Finding(
            state.name,
            f"{key}=1: what one broker alone has is called written, and is lost with it",
            _set(plan, state.name, key, "2"),
            note=True,
        )


def _by_token(name: str) -> bool:
    return BY_NAME[name].keyed_by == "token" or name == CHECKPOINTS


def _ask_for(setting: str, partitions: int) -> str:
    option = setting.replace("_", "-")
    return f"ask for what is there: --{option} {partitions}, or the setting kafka.{setting}"


def _longer(declared: int, needed: int) -> int:
    if declared == FOREVER or declared >= needed:
        return declared
    return 2 * needed


def _span(ms: int) -> str:
    """Time in the unit that suits it.

    >>> _span(90_000_000), _span(7 * 86_400_000), _span(-1), _span(12_000)
    ('25 h', '7 days', 'for ever', '12 s')
    """
    if ms < 0:
        return "for ever"
    if ms >= 48 * _HOUR_MS:
        return f"{ms / 86_400_000:.4g} days"
    return f"{ms / _HOUR_MS:.3g} h" if ms >= _HOUR_MS else f"{ms / 1000:.3g} s"


def _create_command(plan: Plan) -> str:
    options = f"--partitions {plan.counts[TICKS]} --mention-partitions {plan.counts[MENTIONS]}"
    recorded = " --recorded" if plan.recorded else ""
    return f"goldendog topics create --bootstrap {plan.where.bootstrap} {options}{recorded}"


def _set(plan: Plan, topic: str, key: str, value: str) -> str:
    return (
        f"{_tool(plan, 'kafka-configs.sh')} --alter --entity-type topics --entity-name {topic} "
        f"--add-config {key}={value}"
    )


def _topics_command(plan: Plan) -> str:
    return _tool(plan, "kafka-topics.sh")


def _tool(plan: Plan, name: str) -> str:
    login = "" if plan.where.security_protocol == "PLAINTEXT" else " --command-config FILE"
    return f"{name} --bootstrap-server {plan.where.bootstrap}{login}"
