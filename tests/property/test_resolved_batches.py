"""Resolved mentions cut into batches in any way, delivered again, overlapping: the same alerts."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from detectors.columns import ARRAYS, Columns, columns_of, columns_of_mentions
from detectors.engine import Engine
from detectors.resolved import decode_batch, pack_batch, unpack_batch
from schemas.errors import StateError
from schemas.records import Alert, Mention, Tick
from tests.helpers.logs import SETTINGS, T0, alert_bytes
from tests.helpers.models import crowd_model
from tests.helpers.wire import random_records

SEEDS = st.integers(0, 2**32 - 1)
Row = tuple[str, Mention, int]


class Upstream:
    """One partition of mentions and one of ticks, made from a random log."""

    def __init__(self, seed: int, n: int = 500) -> None:
        self.rows: list[list[Row]] = []  # by upstream offset
        self.log_ms: list[int] = []
        ticks: list[tuple[Tick, int]] = []
        reached = {Mention: T0, Tick: T0}
        for record in random_records(seed, n=n):
            if not isinstance(record, Mention | Tick):
                continue
            assert record.ts_log_ms is not None
            at = reached[type(record)] = max(reached[type(record)], record.ts_log_ms)
            if isinstance(record, Tick):
                ticks.append((record, at))
            else:
                self.rows.append([(token, record, at) for token in record.tokens])
                self.log_ms.append(at)
        self.ticks = columns_of([tick for tick, _ in ticks], [at for _, at in ticks])
        self.end_ms = max(at for at in reached.values()) + 240_000

    def batch(self, first: int, last: int) -> bytes:
        """Message of upstream offsets first to last, both included."""
        offsets = [k for k in range(first, last + 1) for _ in self.rows[k]]
        rows = [row for k in range(first, last + 1) for row in self.rows[k]]
        return pack_batch(
            rows,
            offsets,
            topic="social.mentions.v1",
            partition=0,
            from_offset=first,
            through_offset=last,
            through_log_ms=self.log_ms[last],
            log_start_ms=T0,
            lexicon="test",
        )

    def engine(self) -> Engine:
        engine = Engine(SETTINGS, crowd_model(), ["m", "t"], fingerprint="test")
        engine.push("t", self.ticks, 0, self.end_ms, T0)
        return engine

    def finish(self, engine: Engine) -> list[Alert]:
        return engine.push("m", None, len(self.rows), self.end_ms).alerts

    def reference(self) -> list[bytes]:
        """Alerts of the mentions as they are, pushed in one piece."""
        engine = self.engine()
        columns = columns_of_mentions([row for rows in self.rows for row in rows])
        alerts = engine.push("m", columns, len(self.rows) - 1, self.log_ms[-1], T0).alerts
        return alert_bytes(alerts + self.finish(engine))


def deliver(engine: Engine, raw: bytes) -> list[Alert]:
    """What a worker does with one message."""
    batch = decode_batch(raw)
    columns = unpack_batch(batch, engine.offset("m"))
    return engine.push(
        "m", columns, batch.through_offset, batch.through_log_ms, batch.log_start_ms
    ).alerts


def same(one: Columns, other: Columns) -> bool:
    return (
        one.tokens == other.tokens
        and list(one.ids or ()) == list(other.ids or ())
        and all(
            np.array_equal(getattr(one, name), getattr(other, name))
            and getattr(one, name).dtype == getattr(other, name).dtype
            and getattr(one, name).flags.c_contiguous
            for name in ARRAYS
        )
    )


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_a_batch_holds_the_columns_of_its_rows(seed: int) -> None:
    upstream = Upstream(seed, n=60)
    last = len(upstream.rows) - 1
    batch = decode_batch(upstream.batch(0, last))
    rows = [row for rows in upstream.rows for row in rows]
    assert same(unpack_batch(batch, -1), columns_of_mentions(rows))
    assert (batch.from_offset, batch.through_offset) == (0, last)
    assert batch.through_log_ms == upstream.log_ms[last]
    assert len(unpack_batch(batch, last)) == 0


@given(seed=SEEDS, how=SEEDS)
@settings(max_examples=25, deadline=None)
def test_rows_that_were_read_are_left_out(seed: int, how: int) -> None:
    upstream = Upstream(seed, n=60)
    after = int(np.random.default_rng(how).integers(-1, len(upstream.rows)))
    batch = decode_batch(upstream.batch(0, len(upstream.rows) - 1))
    part = unpack_batch(batch, after)
    rest = columns_of_mentions([row for rows in upstream.rows[after + 1 :] for row in rows])
    names = [part.tokens[i] for i in part.token.tolist()]
    assert names == [rest.tokens[i] for i in rest.token.tolist()]
    assert list(part.ids or ()) == list(rest.ids or ())
    for name in set(ARRAYS) - {"token"}:
        assert np.array_equal(getattr(part, name), getattr(rest, name)), name


@given(seed=SEEDS, how=SEEDS, most=st.sampled_from([3, 40, 400]))
@settings(max_examples=20, deadline=None)
def test_cuts_redelivery_and_overlap_change_no_alert(seed: int, how: int, most: int) -> None:
    upstream = Upstream(seed)
    rng = np.random.default_rng(how)
    messages: list[bytes] = []
    at, restarts = 0, 5
    while at < len(upstream.rows):
        last = min(at + int(rng.integers(0, most)), len(upstream.rows) - 1)
        messages.append(upstream.batch(at, last))
        at = last + 1
        if restarts and rng.random() < 0.2:  # the resolver starts anew, from an older position
            at -= int(rng.integers(0, min(at, 60)))
            restarts -= 1
    engine, alerts = upstream.engine(), list[Alert]()
    for k, message in enumerate(messages):
        alerts += deliver(engine, message)
        if rng.random() < 0.2:  # the detector starts anew, and is sent what it had
            blob = engine.snapshot()
            engine = Engine(SETTINGS, crowd_model(), ["m", "t"], fingerprint="test")
            engine.restore(blob)
            for old in messages[max(0, k - 3) : k + 1]:
                assert not deliver(engine, old)
    assert alert_bytes(alerts + upstream.finish(engine)) == upstream.reference()


def test_these_logs_do_raise_alerts() -> None:
    assert sum(len(Upstream(seed).reference()) for seed in range(3)) > 5


@given(raw=st.binary(max_size=100))
@settings(max_examples=25, deadline=None)
def test_what_is_no_batch_is_refused(raw: bytes) -> None:
    with pytest.raises(StateError, match="not a resolved batch"):
        decode_batch(raw)


def test_a_batch_of_another_version_is_refused() -> None:
    batch = decode_batch(Upstream(1, n=20).batch(0, 5))
    with pytest.raises(StateError, match="resolved batch of schema 2; this version reads 1"):
        decode_batch(msgspec.msgpack.encode(replace(batch, schema_version=2)))


@pytest.mark.parametrize("name", ["token", "platform", "offset", "author", "ts_log_ms"])
def test_a_torn_column_is_named(name: str) -> None:
    batch = decode_batch(Upstream(1, n=60).batch(0, 20))
    torn = getattr(batch, name)[:-1]
    with pytest.raises(StateError, match=f"has a torn column: {name}"):
        unpack_batch(replace(batch, **{name: torn}), -1)


@pytest.mark.parametrize("index", [-1, 99])
def test_a_token_beyond_the_table_is_refused(index: int) -> None:
    batch = decode_batch(Upstream(1, n=60).batch(0, 20))
    token = np.full(len(batch.ids), index, "<i4").tobytes()
    with pytest.raises(StateError, match="torn column: token"):
        unpack_batch(replace(batch, token=token), -1)
