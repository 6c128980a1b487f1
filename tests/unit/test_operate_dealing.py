"""Records dealt over another number of partitions: each once, in the order of the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from schemas.decode import encode_record
from schemas.records import Heartbeat, Record, Tick
from schemas.topics import TICKS
from streams.log.base import LogRecord
from streams.log.partition import partition_of
from streams.operate.dealing import dealt, targets_of
from tests.helpers.records import T0

TOKENS = ["eip155:1/erc20:0x" + f"{n:040x}" for n in range(6)]


def tick(name: str, ms: int, *, token: str) -> Tick:
    return Tick(name, ms, token, "0.5", "12.5", "buy", "w1")


class Log:
    def __init__(self, records: list[LogRecord]) -> None:
        self.records = records

    def iter_topic(self, topic: str, partition: int, offset: int = 0) -> Iterator[LogRecord]:
        return (r for r in self.records if r.partition == partition and r.offset >= offset)


def raw(p: int, offset: int, ms: int, record: Record | bytes, key: bytes | None) -> LogRecord:
    value = record if isinstance(record, bytes) else encode_record(record)
    return LogRecord(TICKS, p, offset, ms, key, value)


@given(st.data(), st.integers(1, 4), st.integers(1, 7))
def test_each_record_goes_once_where_its_key_goes_and_times_never_fall(
    data: st.DataObject, was: int, now: int
) -> None:
    records = []
    for p in range(was):
        own = [token for token in TOKENS if partition_of(token.encode(), was) == p]
        ms = T0
        for offset in range(data.draw(st.integers(0, 8))):
            ms += data.draw(st.integers(0, 3))
            kind = data.draw(st.sampled_from(["tick", "keyless", "beat", "broken"]))
            if kind == "beat" or not own:
                records.append(raw(p, offset, ms, Heartbeat(f"h{p}-{offset}", ms), None))
                continue
            token = data.draw(st.sampled_from(own))
            record = b"{" if kind == "broken" else tick(f"{p}-{offset}", ms, token=token)
            key = None if kind == "keyless" else token.encode()
            records.append(raw(p, offset, ms, record, key))
    seen: dict[int, list[LogRecord]] = defaultdict(list)
    found = []
    for record, targets in dealt(Log(records), TICKS, was, now):
        found.append(record)
        for q in targets:
            seen[q].append(record)
    assert sorted(found, key=lambda r: (r.partition, r.offset)) == records
    for q, there in seen.items():
        assert [r.timestamp for r in there] == sorted(r.timestamp for r in there)
        assert all(partition_of(r.key, now) == q for r in there if r.key is not None)
        assert len({(r.partition, r.offset) for r in there}) == len(there)


def test_time_is_told_in_every_new_partition_once_by_each_that_told_it() -> None:
    for was, now in ((8, 32), (2, 4), (4, 2), (3, 7), (7, 3)):
        beats = [raw(p, 0, T0, Heartbeat(f"h{p}", T0), None) for p in range(was)]
        targets = [targets_of(beat, was, now) for beat in beats]
        assert {q for each in targets for q in each} == set(range(now))
        assert all(targets)
    begin = Heartbeat("begin", T0, log_start_ms=T0)
    assert targets_of(raw(0, 0, T0, begin, None), 2, 4) == []


def test_a_tick_without_a_key_goes_where_its_token_goes() -> None:
    record = raw(1, 5, T0, tick("t", T0, token=TOKENS[0]), None)
    assert targets_of(record, 2, 32) == [partition_of(TOKENS[0].encode(), 32)]
    assert targets_of(raw(1, 5, T0, b"\xff", None), 2, 32) == [1]
