"""Vectors that kernels look with: compiled they tell what they mean in numpy, at every edge."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from detectors.grown import lines
from detectors.jit import Int64, jit
from detectors.kernels import lanes
from detectors.kernels.maths import MONEY_MAX, Y_MAX
from detectors.layout import LINE, LP_RING, M_COLS, SHORT, STATE, TEXTS, W_BYTES
from detectors.simhash import LONG

BAR = 1 << 29  # whereabouts bars are
COUNTS = arrays(np.int32, SHORT, elements=st.integers(0, 1 << 30))
MONEY = arrays(np.int64, SHORT, elements=st.integers(0, MONEY_MAX))
BARS = arrays(np.int32, SHORT, elements=st.sampled_from([-1, BAR - 13, BAR - 12, BAR - 11, BAR]))
SETS = arrays(np.uint32, 8, elements=st.integers(0, (1 << 32) - 1))
TEXT = st.integers(0, (1 << 63) - 1)


@jit
def _sums(bars: NDArray[Any], since: Int64, a: NDArray[Any], b: NDArray[Any]) -> Any:
    return lanes.sums_since(bars, since, a, b)


@jit
def _marks(bars: NDArray[Any], since: Int64, counts: NDArray[Any]) -> Int64:
    return lanes.marks_since(bars, since, counts)


@jit
def _hold(ring: NDArray[Any], newest: Int64, passed: Int64, value: Int64) -> None:
    lanes.hold(ring, newest, passed, value)


@jit
def _near(
    texts: NDArray[Any], bars: NDArray[Any], text: Int64, most: Int64, oldest: Int64
) -> Int64:
    return lanes.near_marks(texts, bars, text, most, oldest)


@jit
def _add(total: NDArray[Any], squares: NDArray[Any], row: NDArray[Any], sign: Int64) -> None:
    lanes.add_row(total, squares, row, sign)


@jit
def _unite(people: NDArray[Any], more: NDArray[Any]) -> Int64:
    lanes.unite(people, more)
    return lanes.ones(people)


@given(BARS, COUNTS, COUNTS, MONEY, MONEY)
def test_sums_are_of_what_is_later(
    bars: NDArray[Any], a: NDArray[Any], b: NDArray[Any], c: NDArray[Any], d: NDArray[Any]
) -> None:
    for x, y in ((a, b), (c, d)):
        some = [k for k in range(SHORT) if bars[k] > BAR - 12]
        expected = sum(int(x[k]) for k in some), sum(int(y[k]) for k in some)
        for sums in (_sums, lanes.sums_since):
            assert tuple(int(z) for z in sums(bars, np.int64(BAR - 12), x, y)) == expected


@given(BARS, COUNTS)
def test_marks_are_of_what_is_later_and_counted(bars: NDArray[Any], counts: NDArray[Any]) -> None:
    counts[::3] = 0
    some = sum(1 << k for k in range(SHORT) if bars[k] > BAR - 12 and counts[k] > 0)
    for marks in (_marks, lanes.marks_since):
        assert int(marks(bars, np.int64(BAR - 12), counts)) == some


@given(st.integers(0, 1 << 30), st.integers(0, LP_RING), st.integers(-(2**31), 2**31 - 1))
def test_a_ring_holds_a_value_for_so_many_places(newest: int, passed: int, value: int) -> None:
    expected = list(range(LP_RING))
    for at in range(newest - passed + 1, newest + 1):
        expected[at % LP_RING] = value
    for hold in (_hold, lanes.hold):
        ring = np.arange(LP_RING + 1, dtype=np.int32)
        hold(ring, np.int64(newest), np.int64(passed), np.int64(value))
        assert ring.tolist() == [*expected, LP_RING]


@given(
    arrays(np.int64, TEXTS, elements=TEXT),
    TEXT,
    st.lists(st.integers(0, 62), max_size=14),
    st.integers(0, 12),
)
def test_texts_are_near_that_differ_in_few_bits(
    texts: NDArray[Any], text: int, bits: list[int], most: int
) -> None:
    for k in range(3):  # of each kind, a few bits apart
        texts[k] = text ^ sum(1 << bit for bit in set(bits[: 4 * k + 2]))
    bars = np.arange(TEXTS, dtype=np.int32)
    expected = sum(
        1 << k
        for k in range(1, TEXTS)
        if (int(texts[k]) ^ text).bit_count() <= most and int(texts[k]) & LONG == text & LONG
    )
    for near in (_near, lanes.near_marks):
        assert int(near(texts, bars, np.int64(text), np.int64(most), np.int64(1))) == expected


@given(
    arrays(np.int32, M_COLS, elements=st.integers(-Y_MAX, Y_MAX)),
    arrays(np.int64, M_COLS, elements=st.integers(-(2**55), 2**55)),
)
def test_a_row_is_added_and_taken_out(row: NDArray[Any], before: NDArray[Any]) -> None:
    for sign in (1, -1):
        total = [int(t) + sign * int(x) for t, x in zip(before, row, strict=True)]
        squares = [int(t) + sign * int(x) ** 2 for t, x in zip(before, row, strict=True)]
        for add in (_add, lanes.add_row):
            sums = before.copy(), before.copy()
            add(*sums, row, np.int64(sign))
            assert [each.tolist() for each in sums] == [total, squares]


@given(SETS, SETS)
def test_sets_are_united_and_counted(a: NDArray[Any], b: NDArray[Any]) -> None:
    members = sum((int(x) | int(y)).bit_count() for x, y in zip(a, b, strict=True))
    for unite in (_unite, _unite_plain):
        people = np.append(a.view(np.int64), [-1])  # what lies behind is left alone
        assert int(unite(people, b)) == members
        assert int(people[-1]) == -1


def _unite_plain(people: NDArray[Any], more: NDArray[Any]) -> Int64:
    lanes.unite(people, more)
    return lanes.ones(people)


def test_what_is_written_together_begins_a_cache_line() -> None:
    assert STATE.itemsize % LINE == W_BYTES % LINE == 0
    assert {lines(n, STATE).ctypes.data % LINE for n in range(1, 9)} == {0}
