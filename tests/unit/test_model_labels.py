"""Labels: three times the price before half of it, from a price that could be had."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.labels import barrier_labels


@pytest.mark.parametrize(
    ("prices", "label"),
    [
        ([1.0, 2.9, 3.0], 1),
        ([1.0, 0.5, 9.0], 0),
        ([1.0, 0.51, 3.0], 1),
        ([1.0, 2.9, 2.9], -1),  # the log ends within the horizon
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0], 0),  # too late
    ],
)
def test_the_first_barrier_touched_decides(prices: list[float], label: int) -> None:
    ts = 10 * np.arange(1, len(prices) + 1)
    assert barrier_labels(np.array([5]), ts, np.array(prices), horizon_ms=60).tolist() == [label]


def test_a_horizon_that_passed_in_silence_is_no() -> None:
    ts, price = np.array([10, 20]), np.array([1.0, 2.0])
    got = [
        barrier_labels(np.array([5]), ts, price, horizon_ms=60, end_ms=end).tolist()
        for end in (64, 65)
    ]
    assert got == [[-1], [0]]


def test_entry_is_the_first_price_after_the_score() -> None:
    ts, price = np.array([10, 20, 30]), np.array([1.0, 3.0, 3.0])
    labels = barrier_labels(np.array([9, 10, 30]), ts, price, horizon_ms=12, end_ms=1_000)
    assert labels.tolist() == [1, 0, -1]  # of 30 none comes after


def test_without_prices_nothing_is_known() -> None:
    none = np.empty(0)
    assert barrier_labels(np.array([5]), none.astype(np.int64), none).tolist() == [-1]
