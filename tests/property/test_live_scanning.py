"""The live paths that scan many records at once give what decoding one by one gives, mistakes included."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.batch.resolver import BatchResolver
from detectors.resolve.resolver import Resolver
from detectors.resolved import decode_batch, unpack_batch
from schemas.decode import encode_record
from schemas.records import DeadLetter, Tick
from schemas.topics import DEAD_LETTERS, MENTIONS, RESOLVED, TICKS, TOKEN_INFO
from streams.log.base import Item, LogRecord
from streams.log.slab import Slab, Slices
from streams.worker import resolve as resolve_module
from streams.worker.dead_letters import DeadLetters
from streams.worker.handler import TP
from streams.worker.inputs import decode_raw
from streams.worker.resolve import ResolveHandler
from streams.worker.scanning import TickScanner
from streams.worker.tally import Tally
from tests.helpers.records import LEXICON, T0, TOKENS, infos, mentions, others, plain, ticks

PARTITIONS = 3
NONSENSE: tuple[bytes | None, ...] = (
    None,
    *(b"", b"{}", b"nonsense", b"[1]", b"\n", b"null", b"\xff\xfe", b'{"type":"tick"'),
    b'{"type":"tick","id":"\xff"}',
    b'{"type":"mention","id":"\xed\xa0\x80"}',
    b'{"id":"h","ts_event_ms":1736812800000}',
    encode_record(Tick("t", T0, "eip155:1/erc20:0x00", 1, 1, "buy", "w")),
)


def spaced(raw: bytes) -> bytes:
    """The same JSON over many lines."""
    return json.dumps(json.loads(raw), indent=1, ensure_ascii=False).encode("utf-8", "replace")


def upper(raw: bytes) -> bytes:
    """The same with the token in capitals: the same token, written otherwise."""
    return raw.replace(TOKENS[1].encode(), TOKENS[1].encode().replace(b"fb69", b"FB69"))


def values_of(kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[list[bytes | None]]:
    """Values of a topic, some of them not as they should be."""
    good = kinds.map(encode_record)
    any_ = good | good.map(spaced) | good.map(upper) | st.sampled_from(NONSENSE)
    return st.lists(any_, min_size=1, max_size=40)


def records_of(topic: str, values: Sequence[bytes | None], rng: Any) -> list[LogRecord]:
    """Records at rising offsets with holes, at stamps that fall."""
    offset, out = rng.randrange(3), []
    for value in values:
        out.append(LogRecord(topic, 1, offset, T0 + rng.randrange(20_000), b"k", value))
        offset += rng.choice((1, 1, 1, 3))
    return out


def comparable(decoded: Any) -> tuple[Any, ...]:
    rejects = [(r.offset, r.ts_log_ms, r.error.code, str(r.error), r.raw) for r in decoded.rejects]
    return (
        plain(decoded.columns), decoded.through_offset, decoded.through_log_ms, decoded.log_start_ms,
        rejects, decoded.progress, decoded.falls,
    )  # fmt: skip


@given(
    st.sampled_from([TICKS, TOKEN_INFO]),
    values_of(ticks | infos | mentions | others),
    st.sampled_from([-1, T0 + 10_000]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_ticks_scanned_equal_ticks_decoded(
    topic: str, values: list[bytes | None], floor_ms: int, rng: Any
) -> None:
    records = records_of(topic, values, rng)
    scanner = TickScanner()
    expected = comparable(decode_raw(topic, records, floor_ms))
    assert comparable(scanner.decode(topic, records, floor_ms)) == expected
    assert comparable(scanner.decode(topic, Slab.of(records), floor_ms)) == expected


def test_a_mistake_leaves_the_others_as_the_kernels_want_them() -> None:
    # Columns that are not contiguous are taken all the same, after seconds of compiling for them.
    ticks = [Tick(f"t{i}", T0, TOKENS[1], 0.5, 10, "sell", "w") for i in range(9)]
    values = [*map(encode_record, ticks), b"nonsense"]
    records = [LogRecord(TICKS, 1, i, T0 + i, None, value) for i, value in enumerate(values)]
    decoded = TickScanner().decode(TICKS, records, -1)
    assert (len(plain(decoded.columns)), len(decoded.rejects)) == (9, 1)


@given(st.lists(st.none() | st.binary(max_size=5)), st.data())
def test_a_slab_is_the_records_it_is_made_of(values: list[bytes | None], data: Any) -> None:
    read = [LogRecord("t", 2, 3 * i, i, values[-i], value) for i, value in enumerate(values)]
    if not read:
        assert len(Slices.of([]).starts) == 0
        return
    slab = Slab.of(read)
    assert list(slab) == read
    assert Slab.of(slab) is slab
    part = data.draw(st.slices(len(read)).filter(lambda part: part.step in (None, 1)))
    assert list(slab[part]) == read[part]


class Kept:
    """A log that remembers what was appended."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, int], list[bytes]] = {}

    async def append(self, topic: str, partition: int, items: Sequence[Item]) -> list[int]:
        kept = self.items.setdefault((topic, partition), [])
        kept += [item.value or b"" for item in items]
        return list(range(len(kept) - len(items), len(kept)))

    async def read(self, topic: str, partition: int, offset: int, limit: int = 1000) -> list[Any]:
        return []

    async def start_offset(self, topic: str, partition: int) -> int:
        return 0

    async def end_offset(self, topic: str, partition: int) -> int:
        return 0

    async def partitions(self, topic: str) -> int:
        return PARTITIONS if topic == RESOLVED else 2


async def resolved(resolver: Any, cuts: Sequence[Sequence[LogRecord]]) -> tuple[Any, ...]:
    """Rows by token partition, progress of each, dead letters and counts."""
    log, tally = Kept(), Tally()
    handler = ResolveHandler(log, resolver, lexicon="x", dead=DeadLetters(log, tally), tally=tally)
    await handler.restore({TP(MENTIONS, 1)})
    for records in cuts:
        await handler.handle(TP(MENTIONS, 1), records)
    rows, ends = [], []
    for p in range(PARTITIONS):
        found, end = [], None
        for raw in log.items[RESOLVED, p]:
            batch = decode_batch(raw)
            assert end is None or batch.from_offset == end[0] + 1
            end = (batch.through_offset, batch.through_log_ms, batch.log_start_ms, batch.lexicon)
            if batch.ids:
                offsets = np.frombuffer(batch.offset, "<i8")
                assert np.all(np.diff(offsets) >= 0)
                found += list(zip(offsets.tolist(), plain(unpack_batch(batch, -1)), strict=True))
                assert set(batch.tokens) == {row[0] for _, row in found[-len(batch.ids) :]}
        rows.append(sorted(found))
        ends.append(end)
    letters = log.items.get((DEAD_LETTERS, 1 % 2), [])
    assert all(isinstance(json.loads(raw), dict) for raw in letters), DeadLetter
    return rows, ends, letters, +tally.records


@given(values_of(mentions | ticks | others), st.integers(0, 40), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_mentions_resolved_at_once_equal_those_resolved_one_by_one(
    values: list[bytes | None], cut: int, rng: Any
) -> None:
    records = records_of(MENTIONS, values, rng)
    cuts = [part for part in (records[:cut], records[cut:]) if part]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resolve_module, "FEW", 1)
        patch.setattr(resolve_module, "FLUSH_BYTES", rng.choice([300, 400_000]))
        expected = asyncio.run(resolved(Resolver(LEXICON), cuts))
        assert asyncio.run(resolved(BatchResolver(LEXICON), cuts)) == expected
        slabs = [Slab.of(part) for part in cuts]
        assert asyncio.run(resolved(BatchResolver(LEXICON), slabs)) == expected
