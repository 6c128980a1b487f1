"""Giving the topics by token another number of partitions, with no alert lost and none given again.

Brokers cannot deal records anew, nor rename a topic. So, while nobody reads or writes: what they hold is
recorded to a folder, the topics are made anew, and the recording is dealt over them, each record
with its log time. Workers then rebuild their state from that log, and by the promise that alerts do
not depend on partitions it is the state they had. Alerts that were given are in the new topic, and
each partition is told up to when bars were closed: none is given again.

From the moment a plan is in the folder, the recording is whole, and every later step can be done again.
"""

from __future__ import annotations

from asyncio import gather, sleep, to_thread
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from schemas.errors import GoldendogError, InputFileError, UserError
from schemas.topics import (
    ALERTS,
    BY_NAME,
    CHECKPOINTS,
    CONTROL,
    GAUGES,
    HEAT,
    MENTIONS,
    RESOLVED,
    SCORES,
    TICKS,
    TOKEN_INFO,
)
from streams.kafka.admin import (
    commit_offsets,
    topics_begin,
    topics_configure,
    topics_describe,
    topics_remake,
)
from streams.kafka.connection import Connection
from streams.kafka.groups import group_of
from streams.kafka.layout import is_live
from streams.kafka.needs import Plan as TopicPlan
from streams.log.base import Item, Log, LogRecord
from streams.log.topics import partition_counts
from streams.operate.dealing import dealt
from streams.operate.opened import opened
from streams.operate.reach_back import reach_back
from streams.recording.kafka import Wanted, record_kafka
from streams.recording.layout import make_durable
from streams.recording.read import RecordingReader
from streams.worker.checkpoint import told_marker

DEALT: Final = (TICKS, TOKEN_INFO, GAUGES, ALERTS)
"""Topics whose records are dealt anew."""
EMPTIED: Final = (RESOLVED, CHECKPOINTS, HEAT, SCORES)
"""Topics that begin empty: workers make them again, but for old scores."""
PLAN: Final = "plan.json"
RECORDING: Final = "recording"
CHUNK: Final = 4_000
SETTLE_S: Final = 1.0
"""Topics that nobody writes to end at the same offsets before and after so long."""

Say = Callable[[str], None]
OnProgress = Callable[[str, int], None]
"""Told of a topic, and how many of its records are dealt."""


class Plan(Struct, frozen=True):
    """What is to be done, once the recording is whole.

    ``told_ms`` is the event time up to which every alert was given; ``dispatched`` the group's
    offsets in the old alerts topic.
    """

    was: int
    now: int
    mentions: int
    live: bool
    replicas: int
    log_start_ms: int
    told_ms: int
    dispatched: dict[int, int]
    done: bool = False


@dataclass
class Report:
    """What a repartition found, and did.

    ``reasons`` say what would be lost; ``cut_short`` that an earlier run waits to be gone on with.
    """

    was: int
    now: int
    reasons: list[str] = field(default_factory=list)
    dealt: dict[str, int] = field(default_factory=dict)
    told_ms: int = 0
    cut_short: bool = False
    done: bool = False


async def repartition(
    where: Connection,
    group: str,
    now: int,
    folder: Path,
    *,
    history_ms: int,
    yes: bool,
    force: bool,
    say: Say,
    on_progress: OnProgress = lambda _topic, _n: None,
) -> Report:
    """Look at what would be done; with ``yes``, do it, or go on where an earlier run ended.

    Parameters
    ----------
    group : of the workers.
    now : partitions to be.
    folder : for the recording and the plan; made if missing.
    history_ms : how far back the log shows in a state.
    force : even where alerts may be lost or differ, for the reasons found.

    Raises
    ------
    UserError : workers are alive, somebody still writes, or the folder is of another repartition.
    """
    partition_counts(now)  # refuses what cannot be
    if (found := await to_thread(group_of, where, group)).alive:
        raise UserError(
            f"{len(found.members)} workers of the group {group} are alive "
            f"({', '.join(found.members[:3])})",
            "stop them, and every producer, first",
        )
    if (plan := read_plan(folder)) is None:
        report, plan = await _prepare(
            where, group, now, folder, history_ms=history_ms, yes=yes, force=force, say=say
        )
        if plan is None:
            return report
    elif plan.done:
        raise UserError(f"{folder} is of a repartition that is done", "name another folder")
    elif plan.now != now:
        raise UserError(f"{folder} is on its way to {plan.now} partitions", f"ask for {plan.now}")
    report = Report(plan.was, now, told_ms=plan.told_ms)
    if not yes:
        report.cut_short = True
        return report
    report.dealt = await _perform(where, group, plan, folder, say, on_progress)
    write_plan(folder, msgspec.structs.replace(plan, done=True))
    report.done = True
    return report


async def _prepare(
    where: Connection,
    group: str,
    now: int,
    folder: Path,
    *,
    history_ms: int,
    yes: bool,
    force: bool,
    say: Say,
) -> tuple[Report, Plan | None]:
    """Look, and record; there is a plan when the recording is whole and nobody writes."""
    states = {state.name: state for state in await to_thread(topics_describe, where)}
    live = is_live(list(states.values()))
    report = Report(states[TICKS].partitions, now)
    if report.was == now:
        raise UserError(f"the topics have {now} partitions already", "ask for another number")
    if (start_ms := states[CONTROL].log_start_ms) is None:
        raise GoldendogError(f"{CONTROL} no longer says when the log began")
    topics = tuple(name for name in DEALT if name in states)
    report.dealt = {name: states[name].records for name in topics}
    async with opened(where) as log:
        reach = await reach_back(log, history_ms)
        report.told_ms, report.reasons = reach.told_ms, list(reach.reasons)
        if not yes or (report.reasons and not force):
            return report, None
        before = await _ends(log, topics)
        say(f"recording {', '.join(topics)} to {folder / RECORDING}")
        tale = await record_kafka(where, folder / RECORDING, Wanted(topics), say)
        await sleep(SETTLE_S)
        if not tale.ended or await _ends(log, topics) != before:
            raise UserError(
                "the topics are still written to, or the recording was stopped",
                "stop every producer, and run it again: it goes on",
            )
    committed = (await to_thread(group_of, where, group)).committed
    plan = Plan(
        was=report.was,
        now=now,
        mentions=states[MENTIONS].partitions,
        live=live,
        replicas=min(states[name].replicas for name in topics),
        log_start_ms=start_ms,
        told_ms=reach.told_ms,
        dispatched={p: at for (topic, p), at in committed.items() if topic == ALERTS},
    )
    write_plan(folder, plan)
    return report, plan


async def _perform(
    where: Connection, group: str, plan: Plan, folder: Path, say: Say, on_progress: OnProgress
) -> dict[str, int]:
    """Make the topics anew and deal the recording over them; records by topic."""
    recording = RecordingReader(folder / RECORDING)
    topics = tuple(name for name in DEALT if name in recording.topics())
    counts = partition_counts(plan.now, plan.mentions)
    kept = TopicPlan(where, counts, recorded=True, replicas=plan.replicas)
    say(f"making {len(topics) + len(EMPTIED)} topics anew, of {plan.now} partitions")
    await to_thread(topics_remake, where, topics, kept)
    await to_thread(topics_remake, where, EMPTIED, replace(kept, recorded=not plan.live))
    raw = {name: plan.now for name in topics if BY_NAME[name].raw_input}
    await to_thread(topics_begin, where, raw, plan.log_start_ms)
    done: dict[str, int] = {}
    async with opened(where) as log:
        dealer = _Dealer(log, recording, plan)
        for name in topics:
            done[name] = await dealer.deal(name, on_progress)
        for p in range(plan.now):
            await log.append(CHECKPOINTS, p, [told_marker(p, plan.told_ms)])
    if plan.dispatched:
        await to_thread(commit_offsets, where, group, dealer.dispatched)
    if plan.live:
        await to_thread(topics_configure, where, topics, recorded=False)
    return done


class _Dealer:
    """Sends the records of a recording to topics of another number of partitions."""

    def __init__(self, log: Log, recording: RecordingReader, plan: Plan) -> None:
        self._log, self._recording, self._plan = log, recording, plan
        self._counts = [0] * plan.now
        self._first: dict[int, int] = {}

    @property
    def dispatched(self) -> dict[tuple[str, int], int]:
        """Where, in the new alerts topic, the first alert is that was not dispatched."""
        return {(ALERTS, q): self._first.get(q, n) for q, n in enumerate(self._counts)}

    async def deal(self, topic: str, on_progress: OnProgress) -> int:
        """Send a topic's records; how many there were."""
        plan, done = self._plan, 0
        records = dealt(self._recording, topic, plan.was, plan.now)
        while chunk := await to_thread(lambda: list(islice(records, CHUNK))):
            piles: dict[int, list[Item]] = defaultdict(list)
            for record, targets in chunk:
                for q in targets:
                    piles[q].append(Item(record.key, record.value, record.timestamp))
                    if topic == ALERTS:
                        self._note(record, q)
            await gather(*(self._log.append(topic, q, pile) for q, pile in piles.items()))
            done += len(chunk)
            on_progress(topic, done)
        return done

    def _note(self, alert: LogRecord, q: int) -> None:
        if alert.offset >= self._plan.dispatched.get(alert.partition, 0):
            self._first.setdefault(q, self._counts[q])
        self._counts[q] += 1


async def _ends(log: Log, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    places = [(topic, p) for topic in topics for p in range(await log.partitions(topic))]
    return {place: await log.end_offset(*place) for place in places}


def read_plan(folder: Path) -> Plan | None:
    """The plan in a folder; None where there is none. Raises InputFileError."""
    path = folder / PLAN
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputFileError(f"{path} cannot be read: {error}", "name another folder") from None


def write_plan(folder: Path, plan: Plan) -> None:
    """Write a plan, whole or not at all."""
    part = folder / f".{PLAN}"
    part.write_bytes(msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n")
    make_durable(part)
    part.replace(folder / PLAN)
    make_durable(folder)
