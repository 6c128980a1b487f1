from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.price import micro_usd, pack_price
from streams.files.numbers import micro_usds, pack_prices

decimals = st.builds(lambda m, e: float(f"{m}e{e}"), st.integers(1, 10**15), st.integers(-27, -4))


@settings(deadline=None)
@given(st.lists(st.floats(1e-100, 1e12) | decimals, max_size=30))
@example([1e-12, 1e9, 0.1 + 0.2, 9.99999999999999e-5, 999999999999999.9e-3, 1e12, 123456.7890125])
@example([0.999999999999999944, 1 - 2**-53, 99999999999999.95e-8, 5e-15, 2.5000000000000004])
def test_prices_are_packed_as_one_by_one(prices: list[float]) -> None:
    prices = [p for p in prices if 0 < p <= 1e12]
    assert pack_prices(np.array(prices, np.float64)).tolist() == [pack_price(p) for p in prices]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e12) | st.builds(lambda k: k / 2e6, st.integers(0, 10**9))))
@example([0.0000005, 0.0000015, 2.5e-6, 1e12, 12345.6789015, 999999999.9999995])
def test_money_is_rounded_as_one_by_one(values: list[float]) -> None:
    expected = [micro_usd(v, "value_usd") for v in values]
    assert micro_usds(np.array(values, np.float64)).tolist() == expected
