"""Bytes of any kind into every decoder: the declared errors come out, and nothing else ever."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detectors.engine import Engine
from detectors.resolve.lexicon import Lexicon
from detectors.resolve.resolver import Resolver
from detectors.resolved import decode_batch, unpack_batch
from schemas.decode import decode_as, decode_record, encode_record
from schemas.errors import (
    RECORD_ERROR_CODES,
    InputFileError,
    LexiconError,
    RecordError,
    StateError,
)
from schemas.records import Heartbeat, Mention, Record
from streams.log.base import LogRecord
from streams.worker.checkpoint import CheckpointStore
from tests.helpers.logs import T0, deal, engine_of, random_log
from tests.helpers.records import (
    TICK,
    TOKENS,
    chunks_of,
    records,
    rows_of_chunks,
    rows_one_by_one,
)

KINDS = ("mention", "tick", "token_info", "gauge", "control")
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers(-(2**70), 2**70) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
NOISE = st.binary(max_size=200) | JSON.map(
    lambda value: json.dumps(value).encode("utf-8", "replace")
)
EVERYWHERE: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def damage(raw: bytes, data: st.DataObject) -> bytes:
    """The bytes with a few of them changed, removed or put in, perhaps cut."""
    found = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(found)))
        found[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    return bytes(found[: data.draw(st.integers(0, len(found)) | st.just(len(found)))])


def outcome(decode: Callable[[bytes], object], raw: bytes) -> object:
    """What is decoded, or the code of a RecordError; any other error is the test's."""
    try:
        return decode(raw)
    except RecordError as error:
        assert error.code in RECORD_ERROR_CODES and error.problem  # noqa: PT017
        return error.code


@given(st.data())
@settings(max_examples=300, **EVERYWHERE)
def test_records_of_a_topic_of_any_kind(data: st.DataObject) -> None:
    raw = data.draw(NOISE | records.map(encode_record))
    if data.draw(st.booleans()):
        raw = damage(raw, data)
    anything = outcome(decode_record, raw)
    for kind in KINDS:
        typed = outcome(lambda raw, kind=kind: decode_as(raw, kind), raw)  # type: ignore[misc]
        if not isinstance(typed, str) and b'"type"' in raw:
            assert typed == anything  # a topic takes no record that the door would refuse


@given(data=st.data(), found=st.lists(records, min_size=1, max_size=12))
@settings(max_examples=120, **EVERYWHERE)
def test_good_lines_among_bad_ones_are_all_kept(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, found: list[Record]
) -> None:
    """Compiled or not, a file's lines give what each line gives alone."""
    lines = [encode_record(Heartbeat("first", T0 - 1))]  # what kind of file it is, is plain
    for record in found:
        raw = encode_record(record)
        what = data.draw(st.sampled_from(["as it is", "damaged", "noise before", "spaced"]))
        if what == "damaged":
            raw = damage(raw, data)
        elif what == "noise before":
            lines.append(data.draw(NOISE))
        elif what == "spaced":
            raw = json.dumps(msgspec.json.decode(raw), ensure_ascii=False).encode()
        lines.append(raw)
    lines = [line.replace(b"\n", b" ").replace(b"\0", b" ") for line in lines]
    path = tmp_path_factory.mktemp("lines") / "a.ndjson"
    path.write_bytes(b"\n".join(lines) + b"\n")
    wanted = [outcome(decode_record, text) for line in lines if (text := line.strip())]
    good: list[Any] = [each for each in wanted if not isinstance(each, str)]
    chunks = chunks_of(path)
    decoded = [chunk.decode() for chunk in chunks]
    bad = sorted(each.error.code for one in decoded for each in one.bad)
    assert bad == sorted(each for each in wanted if isinstance(each, str))
    assert sum(sum(one.counts.values()) for one in decoded) == len(good)
    rows = rows_of_chunks(chunks)
    assert sorted(rows) == sorted(rows_one_by_one(good))


POST: dict[str, Any] = {
    "type": "mention", "id": "m", "ts_event_ms": T0, "platform": "x", "author_id": "a",
    "text": "$MOMO", "tokens": [TOKENS[0]],
}  # fmt: skip
COLUMNS = {
    "type": st.sampled_from(["tick", "mention", "gauge", "?", None]),
    "id": st.text(max_size=4) | st.none(),
    "ts_event_ms": st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([0, 12_345, T0, T0 * 1000, None]),
    "ts_log_ms": st.sampled_from([T0, T0 + 5, 4_102_444_800_000, -1, None]),
    "token": st.text(max_size=9) | st.sampled_from([*TOKENS, "MOMO", None]),
    "price_usd": st.floats() | st.none(),
    "value_usd": st.floats(-1, 1e13) | st.none(),
    "liquidity_usd": st.floats() | st.none(),
    "side": st.sampled_from(["buy", "sell", "hold", None]),
    "trader_id": st.text(max_size=3) | st.none(),
    "platform": st.text(max_size=40) | st.none(),
    "author_id": st.text(max_size=3) | st.none(),
    "text": st.text(max_size=50) | st.none(),
    "reach": st.integers(-5, 2**62) | st.none(),
    "order": st.integers(-(2**63), 2**63 - 1) | st.none(),
    "tokens": st.lists(st.sampled_from([*TOKENS, "MOMO"]), max_size=3) | st.none(),
    "record": st.sampled_from([None, "{", "null", '{"type":"gauge"}']),
}


WHOLE = pa.schema(
    [
        (name, pa.int64() if name in ("ts_event_ms", "ts_log_ms", "reach", "order")
         else pa.float64() if name.endswith("_usd")
         else pa.list_(pa.string()) if name == "tokens" else pa.string())
        for name in COLUMNS
    ]
)  # fmt: skip


@given(data=st.data())
@settings(max_examples=120, **EVERYWHERE)
def test_rows_of_parquet_are_records_or_dead_letters(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    base = data.draw(st.sampled_from([TICK, POST]))
    some = data.draw(st.lists(st.sampled_from(sorted(COLUMNS)), max_size=4, unique=True))
    good = {"id": "good", "ts_event_ms": T0 + 10}
    rows = [base | {name: data.draw(COLUMNS[name]) for name in some} for _ in range(3)]
    rows.append(base | good)
    path = tmp_path_factory.mktemp("rows") / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=WHOLE), path)
    chunks = chunks_of(path)
    decoded = [chunk.decode() for chunk in chunks]
    read_rows = sum(sum(one.counts.values()) + len(one.bad) for one in decoded)
    assert read_rows == len(rows)
    assert all(each.error.code in RECORD_ERROR_CODES for one in decoded for each in one.bad)
    assert "good" in [row[1] for row in rows_of_chunks(chunks)]


@given(data=st.data(), how=st.sampled_from(["column", "type", "bytes"]))
@settings(max_examples=80, **EVERYWHERE)
def test_a_parquet_file_of_another_form_is_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, how: str
) -> None:
    path = tmp_path_factory.mktemp("form") / "a.parquet"
    row = dict(data.draw(st.sampled_from([TICK, POST])))
    name = data.draw(st.sampled_from(sorted(row)))
    if how == "column":
        del row[name]
    elif how == "type":
        row[name] = data.draw(st.sampled_from([1, 1.5, "x", True, [1], [[]], {"a": 1}, b"x"]))
    pq.write_table(pa.Table.from_pylist([row]), path)
    if how == "bytes":
        path.write_bytes(damage(path.read_bytes(), data))
    try:
        rows_of_chunks(chunks_of(path))
    except InputFileError as error:
        assert str(path) in str(error)  # noqa: PT017


BATCH = [
    1, "social.mentions.v1", 0, 0, 1, T0, T0, "l", ["a", "b"], ["x", "y"],
    np.array([0, 1], "<i4").tobytes(), *[np.array([1, 2], "<i8").tobytes() for _ in range(8)],
]  # fmt: skip


@given(data=st.data())
@settings(max_examples=300, **EVERYWHERE)
def test_resolved_batches(data: st.DataObject) -> None:
    parts = list(BATCH)
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(parts) - 1))
        parts[at] = data.draw(
            st.binary(max_size=17) | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=3)
            | st.lists(st.text(max_size=2), max_size=3) | st.none()
        )  # fmt: skip
    raw = msgspec.msgpack.encode(parts[: data.draw(st.integers(0, 20))])
    if data.draw(st.booleans()):
        raw = damage(raw, data)
    try:
        columns = unpack_batch(decode_batch(raw), -1)
    except StateError:
        return
    assert len(columns.ids or ()) == len(columns)
    assert not len(columns) or 0 <= columns.token.min() <= columns.token.max() < len(columns.tokens)


def test_the_batch_itself_is_read() -> None:
    assert len(unpack_batch(decode_batch(msgspec.msgpack.encode(BATCH)), -1)) == 2


LEXICON_TEXT = json.dumps(
    {"versions": [{"version": 1, "effective_log_ms": 0, "tokens": [
        {"token": TOKENS[1], "symbol": "MOMO", "aliases": ["momo the dog"], "context": ["coin"]}]}]}
).encode()  # fmt: skip


@given(data=st.data())
@settings(max_examples=300, **EVERYWHERE)
def test_lexicons(data: st.DataObject) -> None:
    raw = data.draw(NOISE) if data.draw(st.booleans()) else damage(LEXICON_TEXT, data)
    try:
        lexicon = Lexicon.parse(raw)
    except LexiconError as error:
        assert str(error).startswith("lexicon: ")  # noqa: PT017
        return
    post = Mention("m", T0, "x", "a", data.draw(st.text(max_size=30)) + " $MOMO momo the dog coin")
    assert set(Resolver(lexicon).resolve(post, T0)) <= set(lexicon.symbols())


def _engine_and_snapshot() -> tuple[Callable[[], Engine], bytes]:
    (inputs,) = deal(random_log(3, n=200), 1, 1)
    engine = engine_of(inputs)
    for one in inputs:
        ms = int(one.columns.ts_log_ms[-1]) if len(one.columns) else T0
        engine.push(one.name, one.columns, len(one.columns), ms, T0)
    return lambda: engine_of(inputs), engine.snapshot()


MAKE, SNAPSHOT = _engine_and_snapshot()


@given(data=st.data())
@settings(max_examples=150, **EVERYWHERE)
def test_snapshots_that_are_torn(data: st.DataObject) -> None:
    """Torn, not forged: a checkpoint's hash is checked before its snapshot is opened."""
    cut = data.draw(st.integers(0, len(SNAPSHOT) - 1))
    for raw in (SNAPSHOT[:cut], data.draw(NOISE), b""):
        engine = MAKE()
        with pytest.raises(StateError):
            engine.restore(raw)
        assert engine.tracked == 0
    MAKE().restore(SNAPSHOT)


class OneTopic:
    """A log that holds some messages of the checkpoints' topic."""

    def __init__(self, messages: list[tuple[bytes | None, bytes | None]]) -> None:
        self._records = [
            LogRecord("checkpoints.v1", 0, i, T0, key, value)
            for i, (key, value) in enumerate(messages)
        ]

    async def start_offset(self, _topic: str, _partition: int) -> int:
        return 0

    async def end_offset(self, _topic: str, _partition: int) -> int:
        return len(self._records)

    async def read(self, _topic: str, _partition: int, offset: int, limit: int) -> list[LogRecord]:
        return self._records[offset : offset + limit]


NAMES = st.sampled_from(["1-ab", "2-cd", "x", "", "-", "1-ab/0", "\u00b2-a", "9" * 30 + "-a"])


@given(data=st.data())
@settings(max_examples=300, **EVERYWHERE)
async def test_checkpoints(data: st.DataObject) -> None:
    state = zstandard.ZstdCompressor().compress(b"state")
    manifest = {
        "format": 1, "checkpoint": "1-ab", "sequence": 1, "partition": 0, "chunks": 1,
        "sha256": hashlib.sha256(state).hexdigest(), "state_bytes": 5, "positions": {},
        "alerts_end": 0, "fingerprint": "f", "closed_ms": 0,
    }  # fmt: skip
    messages: list[tuple[bytes | None, bytes | None]] = [
        (b"0/1-ab/0", state), (b"0/1-ab/manifest", msgspec.json.encode(manifest))
    ]  # fmt: skip
    for _ in range(data.draw(st.integers(0, 4))):
        piece = data.draw(st.sampled_from(["0", "1", "manifest", "?"]))
        key = f"{data.draw(st.sampled_from('01'))}/{data.draw(NAMES)}/{piece}".encode()
        odd = msgspec.json.encode(manifest | {
            data.draw(st.sampled_from(sorted(manifest))): data.draw(
                st.integers(-5, 5) | st.text(max_size=3) | st.none() | st.just("1-ab"))})  # fmt: skip
        value = data.draw(st.sampled_from([None, b"", state, odd]) | st.binary(max_size=40))
        at = data.draw(st.integers(0, len(messages)))
        messages.insert(at, (data.draw(st.sampled_from([key, key, None])), value))
    try:
        found = await CheckpointStore(OneTopic(messages)).load(0)  # type: ignore[arg-type]
    except StateError:
        return
    assert found is None or found.state in (b"state", b"")
