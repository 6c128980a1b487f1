"""Which records wait for company before they are handed on, and until when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.log.base import LogRecord
from streams.log.slab import Slab, joined
from streams.transport.gathering import FULL_MS, MOST, PATIENCE_S, Gathering

Given = list[tuple[str, list[int]]]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def record(offset: int, ms: int, topic: str = "t") -> LogRecord:
    return LogRecord(topic, 0, offset, ms, None, b"{}")


def given_of(some: Gathering[str]) -> Given:
    return [(tp, [each.offset for each in records]) for tp, records in some.take()]


def test_records_wait_until_the_log_has_passed_a_whole_second() -> None:
    some: Gathering[str] = Gathering({"t"}, Clock())
    some.add("t/0", [record(0, 999)])
    assert given_of(some) == [("t/0", [0])]  # nothing is known of what came before
    some.add("t/0", [record(1, 999), record(2, 998)])
    assert given_of(some) == []
    some.add("t/0", [record(3, FULL_MS)])
    assert given_of(some) == [("t/0", [1, 2, 3])]
    some.add("t/0", [record(4, 2 * FULL_MS - 1)])
    some.add("t/0", [record(5, 5 * FULL_MS), record(6, 3 * FULL_MS)])  # the broker's clock fell
    assert given_of(some) == [("t/0", [4, 5, 6])]
    some.add("t/0", [record(7, 5 * FULL_MS - 1)])
    assert given_of(some) == []


def test_partitions_wait_each_for_itself_and_other_topics_not_at_all() -> None:
    some: Gathering[str] = Gathering({"t"}, Clock())
    for offset in range(2):
        some.add("t/0", [record(offset, 0)])
        some.add("t/1", [record(offset, offset * FULL_MS)])
        some.add("u/0", [record(offset, 0, "u")])
        assert (
            given_of(some)
            == [
                [("t/0", [0]), ("t/1", [0]), ("u/0", [0])],
                [("t/1", [1]), ("u/0", [1])],
            ][offset]
        )


def test_many_records_do_not_wait() -> None:
    some: Gathering[str] = Gathering({"t"}, Clock())
    some.add("t/0", [record(0, 0)])
    some.take()
    some.add("t/0", [record(n, 0) for n in range(1, MOST)])
    assert given_of(some) == []
    some.add("t/0", [record(MOST, 0)])
    assert given_of(some) == [("t/0", list(range(1, MOST + 1)))]


def test_a_log_that_falls_silent_holds_nothing_back_for_long() -> None:
    clock = Clock()
    some: Gathering[str] = Gathering({"t"}, clock)
    some.add("t/0", [record(0, 0)])
    some.take()
    some.add("t/0", [record(1, 1)])
    clock.now = PATIENCE_S / 2
    some.add("t/0", [record(2, 2)])
    assert given_of(some) == []
    clock.now = PATIENCE_S
    assert given_of(some) == [("t/0", [1, 2])]
    some.add("t/0", [record(3, 3)])
    assert given_of(some) == []  # it waits from now on


def test_a_hole_between_records_begins_another_batch() -> None:
    some: Gathering[str] = Gathering({"t"}, Clock())
    some.add("t/0", [record(0, 0)])
    some.take()
    some.add("t/0", [record(1, 1)])
    some.add("t/0", [record(7, FULL_MS)])
    assert given_of(some) == [("t/0", [1]), ("t/0", [7])]


def test_what_is_forgotten_is_not_handed_on() -> None:
    some: Gathering[str] = Gathering({"t"}, Clock())
    some.add("t/0", [record(0, 0)])
    some.take()
    some.add("t/0", [record(1, 1)])
    some.add("t/0", [record(7, 2)])  # a hole
    some.clear()
    assert given_of(some) == []
    some.add("t/0", [record(1, 1)])  # read again
    assert given_of(some) == [("t/0", [1])]


runs = st.lists(
    st.tuples(
        st.lists(st.tuples(st.none() | st.binary(max_size=9), st.none() | st.binary(max_size=9)),
                 min_size=1, max_size=5),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)  # fmt: skip


@given(runs)
def test_runs_joined_are_the_records_one_after_the_other(
    runs: list[tuple[list[tuple[bytes | None, bytes | None]], bool]],
) -> None:
    records: list[LogRecord] = []
    parts = []
    for rows, as_slab in runs:
        run = [LogRecord("t", 3, len(records) + i, 5, *row) for i, row in enumerate(rows)]
        records += run
        parts.append(Slab.of(run) if as_slab else run)
    found = joined(parts)
    assert list(found) == records
    assert isinstance(found, Slab) == any(as_slab for _, as_slab in runs)


@pytest.mark.parametrize("cut", [slice(0, 2), slice(1, 3)])
def test_slabs_that_are_parts_of_others_can_be_joined(cut: slice) -> None:
    whole = Slab.of([LogRecord("t", 0, n, n, b"k%d" % n, b"v%d" % n) for n in range(3)])
    more = Slab.of([LogRecord("t", 0, 3, 3, None, None)])
    assert list(joined([whole[cut], more])) == [*whole[cut], *more]
