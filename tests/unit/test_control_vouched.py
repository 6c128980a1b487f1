"""The control topic read from a heartbeat that vouches for what is before it: as if all had been read."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from detectors.model import blank_model
from detectors.resolve.lexicon import Lexicon
from detectors.settings import EngineSettings
from schemas.decode import encode_record
from schemas.records import Control, Heartbeat, Record
from schemas.topics import CONTROL, MENTIONS, TICKS, TOKEN_INFO
from streams.control import vouched
from streams.control.decisions import Decisions
from streams.control.files import ControlFiles
from streams.control.vouched import EVERY, LOOK_BACK, key_of, vouched_by
from streams.detection import Detection
from streams.log.base import Item, LogRecord
from streams.worker.control import ControlReader
from streams.worker.telling import CONTROL_EVERY_MS, Telling

T = 1_736_812_800_000
COUNTS = {MENTIONS: 2, TICKS: 1, TOKEN_INFO: 1, CONTROL: 1}


class Memory:
    """A log in memory whose records keep the stamps they are given; it notes what is read."""

    def __init__(self) -> None:
        self.topics: dict[tuple[str, int], list[LogRecord]] = {}
        self.looked_at: set[int] = set()

    def put(self, record: Record | bytes, ms: int, key: bytes | None = None) -> LogRecord:
        pile = self.topics.setdefault((CONTROL, 0), [])
        value = record if isinstance(record, bytes) else encode_record(record)
        pile.append(LogRecord(CONTROL, 0, len(pile), ms, key, value))
        return pile[-1]

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        pile = self.topics.setdefault((topic, partition), [])
        for key, value, ms in items:
            pile.append(LogRecord(topic, partition, len(pile), ms or 0, key, value))
        return list(range(len(pile) - len(items), len(pile)))

    async def read(
        self, topic: str, partition: int, offset: int, limit: int = 1000
    ) -> list[LogRecord]:
        found = self.topics[topic, partition][offset : offset + limit]
        self.looked_at.update(record.offset for record in found)
        return found

    async def start_offset(self, topic: str, partition: int) -> int:
        return 0

    async def end_offset(self, topic: str, partition: int) -> int:
        return len(self.topics[topic, partition])

    async def partitions(self, topic: str) -> int:
        return COUNTS[topic]


def new_reader(log: Memory) -> ControlReader:
    lexicon = Lexicon.parse('{"versions":[{"version":1,"effective_log_ms":0,"tokens":[]}]}')
    base = Detection(EngineSettings(), blank_model(), lexicon)
    return ControlReader(log, Decisions(base, ControlFiles(Path("nowhere"))))


def beat(ms: int) -> Heartbeat:
    return Heartbeat(f"heartbeat-{ms}", ms)


def knows(reader: ControlReader) -> tuple[object, ...]:
    changes = [(c.from_bar, c.settings, c.fingerprint) for c in reader.decisions.changes()]
    return (
        reader.decisions.steps,
        reader.decisions.version,
        changes,
        reader.through_ms,
        reader._start_ms,
        reader._next,
    )


async def a_long_topic(seed: int, n: int) -> tuple[Memory, ControlReader]:
    """Heartbeats with changes between them, good and bad and twice the same; stamps that fall, too."""
    rng = random.Random(seed)
    log = Memory()
    log.put(Heartbeat("start", T, log_start_ms=T - 77), T)
    reader = new_reader(log)
    ms, said = T, 0
    for _ in range(n):
        ms += rng.randrange(-2_000, 12_000)
        if rng.random() < 0.01:
            said += 1
            setting = rng.choice(["engine.candidate_bars", "engine.fading_bars", "engine.none"])
            name = f"c{rng.randrange(said)}"
            log.put(Control(name, ms, ms + rng.randrange(-9, 99_000), setting, "3"), ms)
        elif rng.random() < 0.01:
            log.put(b"{", ms)
        else:
            await reader.read()
            log.put(beat(ms), ms, reader.vouch())
    await reader.read()
    return log, reader


@pytest.mark.parametrize("seed", range(3))
async def test_who_begins_at_a_heartbeat_knows_what_who_has_read_all_knows(seed: int) -> None:
    log, first = await a_long_topic(seed, 3 * LOOK_BACK)
    log.looked_at.clear()
    second = new_reader(log)
    await second.read()
    assert knows(second) == knows(first)
    assert first.decisions.version > 10
    assert len(log.looked_at) <= LOOK_BACK + EVERY + 1
    last = Control("new", T, first.through_ms + 10**6, "engine.candidate_bars", "4")
    log.put(last, first.through_ms - 5)
    for reader in (first, second):
        await reader.read()
    assert knows(second) == knows(first)
    assert second.decisions.latest.settings.candidate_bars == 4


async def test_heartbeats_vouch_now_and_then() -> None:
    log, reader = await a_long_topic(0, 3 * EVERY)
    found = [v.next for r in log.topics[CONTROL, 0] if (v := vouched_by(r)) is not None]
    assert found == [EVERY, 2 * EVERY, 3 * EVERY]
    assert reader.vouch() is None
    other = new_reader(log)  # another worker, to which the topic was given
    await other.read()
    assert other.vouch() is None
    assert new_reader(log).vouch() is None  # which has read nothing


async def test_what_would_take_too_much_room_is_not_vouched_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(vouched, "MOST_BYTES", 100)
    log, _ = await a_long_topic(0, 2 * EVERY)
    assert not any(map(vouched_by, log.topics[CONTROL, 0]))


async def test_a_heartbeat_fed_into_another_topic_vouches_for_nothing_there() -> None:
    log, first = await a_long_topic(1, 2 * LOOK_BACK)
    fed = Memory()
    for record in log.topics[CONTROL, 0][7:]:  # as a recording that began later
        fed.put(record.value or b"", record.timestamp, record.key)
    reader = new_reader(fed)
    await reader.read()
    assert len(fed.looked_at) == len(fed.topics[CONTROL, 0])
    assert reader.through_ms == first.through_ms
    plain = Memory()
    for record in fed.topics[CONTROL, 0]:
        plain.put(record.value or b"", record.timestamp)
    told = new_reader(plain)
    await told.read()
    assert knows(reader) == knows(told)


async def test_other_code_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    log, first = await a_long_topic(2, 2 * LOOK_BACK)
    monkeypatch.setattr(vouched, "sources_hash", lambda: "other")
    log.looked_at.clear()
    reader = new_reader(log)
    await reader.read()
    assert knows(reader) == knows(first)
    assert len(log.looked_at) == len(log.topics[CONTROL, 0])


def test_only_a_heartbeat_vouches_and_only_for_what_is_before_it() -> None:
    log = Memory()
    last = log.put(beat(T), T)
    key = key_of(last, T, T, ())
    assert key is not None
    assert vouched_by(last._replace(offset=1, key=key)) is not None
    change = encode_record(Control("c", T, T, "engine.candidate_bars", "3"))
    for wrong in (
        last._replace(key=key),
        last._replace(offset=1, key=key, value=change),
        last._replace(offset=1, key=key, value=b"{"),
        last._replace(offset=1, key=key, value=None),
        last._replace(offset=1, key=key[:-1]),
        last._replace(offset=1, key=key.replace(b'"next":1', b'"next":0')),
        last._replace(offset=1, key=b'{"vouched":1,"next":1}'),
        last._replace(offset=1, key=b"momo"),
        last._replace(offset=1, key=None),
    ):
        assert vouched_by(wrong) is None


async def test_the_control_topic_is_told_seldom_and_the_others_each_time() -> None:
    log = Memory()
    keys = iter([b"first", None, b"third", b"fallen"])
    tell = Telling(log, COUNTS, lambda: next(keys))
    step = CONTROL_EVERY_MS // 4
    times = [T + n * step for n in range(9)]
    for ms in [*times, times[-1] - 10 * step]:  # the clock falls
        await tell(beat(ms))
    told = log.topics.pop((CONTROL, 0))
    assert [(r.timestamp, r.key) for r in told] == [
        (T, b"first"),
        (times[4], None),
        (times[8], b"third"),
        (times[8] - 10 * step, b"fallen"),
    ]
    assert set(log.topics) == {(MENTIONS, 0), (MENTIONS, 1), (TICKS, 0), (TOKEN_INFO, 0)}
    for pile in log.topics.values():
        assert [(r.timestamp, r.key) for r in pile] == [(ms, None) for ms in times] + [
            (times[8] - 10 * step, None)
        ]


async def test_what_nobody_knows_in_a_change_need_not_be_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = Memory()
    log.put(beat(T), T)
    change = encode_record(Control("c", T, T, "engine.candidate_bars", "5"))
    log.put(change.replace(b"{", b'{"note":"\xff\xfe",', 1), T)
    reader = new_reader(log)
    await reader.read()
    assert [step.record for step in reader.decisions.steps] == ["c"]
    monkeypatch.setattr("streams.worker.control.EVERY", 1)
    key = reader.vouch()
    assert key is not None
    for n in range(LOOK_BACK):
        log.put(beat(T + n), T + n, key if n == 0 else None)
    later = new_reader(log)
    await later.read()
    assert knows(later)[:2] == knows(reader)[:2]
