"""What topics must be: differences and notes, each with what mends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from detectors.settings import EngineSettings
from schemas.errors import UserError
from schemas.topics import (
    ALERTS,
    BY_NAME,
    CHECKPOINTS,
    CONTROL,
    DEAD_LETTERS,
    GAUGES,
    HEAT,
    MENTIONS,
    RESOLVED,
    SCORES,
    TICKS,
    TOKEN_INFO,
    TOPICS,
)
from streams.kafka.connection import Connection
from streams.kafka.layout import is_live
from streams.kafka.needs import Plan, compare, missing, unbegun, wanted_configs
from streams.kafka.topic_state import STAMPS, TopicState
from streams.log.topics import partition_counts

HOUR_MS = 3_600_000
HISTORY_MS = EngineSettings().history_ms
COUNTS = partition_counts(4, 2)


def plan(**changes: Any) -> Plan:
    return replace(Plan(Connection("b:9092"), COUNTS), **changes)


def state(name: str, *, recorded: bool = False, **configs: str) -> TopicState:
    """A topic as `create` makes it, but for these configs."""
    values = {"min.insync.replicas": "1", "retention.bytes": "-1"}
    values |= wanted_configs(BY_NAME[name], recorded=recorded)
    values |= {key.replace("_", "."): value for key, value in configs.items()}
    return TopicState(
        name=name,
        partitions=COUNTS[name],
        replicas=1,
        in_sync=1,
        leaderless=(),
        stamp=STAMPS[values["message.timestamp.type"]],
        retention_ms=int(values["retention.ms"]),
        compacted="compact" in values["cleanup.policy"],
        records=COUNTS[name],
        spans=((0, 1),) * COUNTS[name],
        log_start_ms=1 if BY_NAME[name].raw_input else None,
        size_bytes=None,
        configs=values,
    )


def states(**changed: TopicState) -> list[TopicState]:
    by_name = {s.name: s for s in changed.values()}
    return [by_name.get(t.name, state(t.name)) for t in TOPICS]


@pytest.mark.parametrize("recorded", [False, True])
def test_topics_as_created_differ_in_nothing(recorded: bool) -> None:
    made = [state(t.name, recorded=recorded) for t in TOPICS]
    assert compare(made, plan(recorded=recorded)) == []
    assert unbegun(made, plan()) == []


def test_the_heat_of_narratives_goes_by_token() -> None:
    assert BY_NAME[HEAT].keyed_by == "token"
    assert COUNTS[HEAT] == COUNTS[TICKS] == 4


@pytest.mark.parametrize(
    ("topic", "configs", "problem", "mends"),
    [
        (TICKS, {"message_timestamp_type": "CreateTime"}, "timestamps=recorded", "LogAppendTime"),
        (
            TICKS,
            {"retention_ms": str(HOUR_MS)},
            "keeps 1 h, shorter than",
            "retention.ms=691200000",
        ),
        (TICKS, {"retention_bytes": "1000"}, "deletes by size", "retention.bytes=-1"),
        (TICKS, {"cleanup_policy": "compact"}, "cleanup.policy=compact", "cleanup.policy=delete"),
        (CHECKPOINTS, {"cleanup_policy": "compact,delete"}, "should be compact", "policy=compact"),
        (CHECKPOINTS, {"max_message_bytes": "9"}, "should be 1048588", "max.message.bytes=1048588"),
        (CONTROL, {"retention_ms": "1000"}, "should be for ever", "retention.ms=-1"),
        (ALERTS, {"min_insync_replicas": "2"}, "nothing can be written", "min.insync.replicas=1"),
    ],
)
def test_a_setting_that_harms_is_a_difference_with_its_command(
    topic: str, configs: dict[str, str], problem: str, mends: str
) -> None:
    (found,) = compare(states(one=state(topic, **configs)), plan())
    assert not found.note
    assert problem in str(found)
    assert found.remedy.startswith("kafka-configs.sh --bootstrap-server b:9092 --alter")
    assert f"--entity-name {topic} " in found.remedy
    assert found.remedy.endswith(mends)


@pytest.mark.parametrize("topic", [MENTIONS, TICKS, TOKEN_INFO, RESOLVED, ALERTS])
def test_what_is_read_again_is_kept_for_the_baseline_and_the_checkpoints_age(topic: str) -> None:
    for age_ms in (0, 10_000, 72 * HOUR_MS):
        needed = HISTORY_MS + age_ms
        for retention_ms, note in ((needed, True), (needed - 1, False)):
            kept = state(topic, retention_ms=str(retention_ms))
            (found,) = compare(states(one=kept), plan(checkpoint_age_ms=age_ms))
            assert found.note == note, (retention_ms, found)


def test_what_is_declared_is_too_short_where_nobody_has_run_for_a_week() -> None:
    (found,) = compare([state(TICKS)], plan(checkpoint_age_ms=168 * HOUR_MS))
    assert "the checkpoint's age (7 days)" in found.problem
    assert found.remedy.endswith(f"retention.ms={2 * (HISTORY_MS + 168 * HOUR_MS)}")


def test_a_log_of_posts_alone_is_kept_for_more_than_a_week() -> None:
    alone = plan(history_ms=EngineSettings(ticks=False).history_ms)
    assert compare([state(MENTIONS), state(RESOLVED)], alone) == []
    (found,) = compare([state(MENTIONS, retention_ms=str(169 * HOUR_MS))], alone)
    assert "shorter than the longest baseline (7.083 days)" in found.problem
    assert not compare([state(MENTIONS, retention_ms=str(169 * HOUR_MS))], plan())[0].problem.count(
        "baseline"
    )


def test_a_longer_retention_is_a_note_and_so_is_a_shorter_one_that_is_enough() -> None:
    longer = state(TICKS, retention_ms=str(400 * 24 * HOUR_MS))
    shorter = state(SCORES, retention_ms=str(HOUR_MS))
    found = compare(states(a=longer, b=shorter), plan())
    assert [(f.topic, f.note, f.remedy) for f in found] == [
        (TICKS, True, "it may stay so"),
        (SCORES, True, "it may stay so"),
    ]
    assert compare(states(a=state(TICKS, retention_ms="-1")), plan()) == []


def test_recordings_are_kept_for_ever_and_may_be_of_any_time() -> None:
    made = [state(t.name, recorded=True) for t in TOPICS if t.name != TICKS]
    ticks = state(
        TICKS, recorded=True, retention_ms="86400000", message_timestamp_after_max_ms="3600000"
    )
    found = compare([*made, ticks], plan(recorded=True))
    assert ["refused" in f.problem for f in found] == [True, False]
    assert found[1].problem.endswith("should be for ever")
    assert found[1].remedy.endswith("retention.ms=-1")


def test_partition_counts_name_what_to_ask_for_or_what_to_make_anew() -> None:
    ((mentions),) = compare([replace(state(MENTIONS), partitions=9)], plan())
    assert "--mention-partitions 9" in mentions.remedy
    all_of_eight = [replace(s, partitions=8) for s in states() if COUNTS[s.name] == 4]
    assert {f.remedy for f in compare(all_of_eight, plan())} == {
        "ask for what is there: --partitions 8, or the setting kafka.partitions"
    }
    odd = replace(state(RESOLVED), partitions=8)
    (found,) = compare(states(one=odd), plan())
    assert str(found) == f"{RESOLVED}: partitions=8, should be 4"
    assert "cannot be dealt anew" in found.remedy
    (found,) = compare(states(one=replace(odd, records=0)), plan())
    assert found.remedy == (
        f"kafka-topics.sh --bootstrap-server b:9092 --delete --topic {RESOLVED}; "
        "goldendog topics create --bootstrap b:9092 --partitions 4 --mention-partitions 2"
    )


def test_copies() -> None:
    few = compare([replace(state(TICKS), replicas=2)], plan(replicas=3))
    assert [str(f) for f in few] == [f"{TICKS}: 2 replicas, should be 3"]
    three = replace(state(TICKS), replicas=3, in_sync=3)
    (note,) = compare([three], plan(replicas=3))
    assert note.note
    assert "min.insync.replicas=2" in note.remedy
    (dead,) = compare([replace(state(TICKS), leaderless=(1, 3))], plan())
    assert str(dead) == f"{TICKS}: no broker leads partition 1, 3"


def test_missing_and_unbegun_topics_are_made_by_one_command() -> None:
    (found,) = missing([GAUGES], plan(recorded=True))
    assert found.remedy.endswith("--partitions 4 --mention-partitions 2 --recorded")
    bare = replace(state(TICKS), spans=((0, 1), (0, 0), (0, 1), (0, 1)))
    (found,) = unbegun([bare], plan())
    assert str(found) == f"{TICKS}: partition 1 is empty, its first heartbeat is missing"
    (found,) = unbegun([state(TICKS), replace(state(MENTIONS), log_start_ms=2)], plan())
    assert "start at different times" in str(found)


def test_tools_are_told_to_log_in_where_the_brokers_ask_for_it() -> None:
    where = Connection("b:9092", "SASL_SSL")
    (found,) = compare([state(TICKS, retention_ms="1")], plan(where=where))
    assert "--bootstrap-server b:9092 --command-config FILE --alter" in found.remedy


# At a worker's start


def test_a_worker_knows_live_topics_from_recorded_ones() -> None:
    assert is_live(states())
    assert not is_live([state(t.name, recorded=True) for t in TOPICS])


@pytest.mark.parametrize("name", [TICKS, TOKEN_INFO, RESOLVED, ALERTS, CHECKPOINTS])
def test_a_worker_refuses_topics_that_are_not_co_partitioned(name: str) -> None:
    odd = replace(state(name), partitions=5)
    with pytest.raises(UserError, match="must have equally many partitions") as refused:
        is_live(states(one=odd))
    assert f"{name} has 5" in str(refused.value)
    assert "topics check" in refused.value.remedy


def test_scores_count_where_they_are_kept() -> None:
    odd = replace(state(SCORES), partitions=5)
    assert is_live(states(one=odd))
    with pytest.raises(UserError, match=f"{SCORES} has 5"):
        is_live(states(one=odd), (SCORES,))


@pytest.mark.parametrize("name", [MENTIONS, CONTROL, DEAD_LETTERS, ALERTS])
def test_a_worker_names_the_topics_that_are_missing(name: str) -> None:
    with pytest.raises(UserError, match=f"no topic {name}; create the topics with"):
        is_live([s for s in states() if s.name != name])


def test_a_worker_refuses_two_orders_of_control_and_two_kinds_of_time() -> None:
    with pytest.raises(UserError, match="one order"):
        is_live(states(one=replace(state(CONTROL), partitions=2)))
    with pytest.raises(UserError, match="some raw inputs are stamped by the broker"):
        is_live(states(one=state(TICKS, recorded=True)))
