"""log2 in 2**-20 is the nearest whole number to the exact one."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Context, Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.kernels.log2 import Q20, log2_price, log2_q20

EXACT = Context(prec=45)


def nearest(value: int) -> int:
    doublings = EXACT.divide(EXACT.ln(Decimal(value)), EXACT.ln(Decimal(2)))
    q20 = EXACT.multiply(doublings, Decimal(Q20))
    return int(EXACT.add(q20, Decimal("0.5")).to_integral_value(ROUND_FLOOR, EXACT))


@settings(deadline=None)  # the first compiles
@given(st.integers(0, 62).flatmap(lambda bits: st.integers(1 << bits, (2 << bits) - 1)))
@example(1)
@example(3)
@example((1 << 53) + 1)
@example((1 << 63) - 1)
def test_any_positive_integer(value: int) -> None:
    assert int(log2_q20(value)) == nearest(value)


@settings(deadline=None)
@given(st.integers(0, 62), st.sampled_from([-1, 0, 1]), st.integers(0, 128))
def test_either_side_of_every_step(bits: int, off: int, step: int) -> None:
    edge = (1 << bits) + (step << bits >> 7) + off
    value = min(max(edge, 1), (1 << 63) - 1)
    assert int(log2_q20(value)) == nearest(value)


@settings(deadline=None)
@given(st.integers(0, 42), st.integers(0, 10))
def test_a_price_of_whole_doublings_is_exact(up: int, down: int) -> None:
    assert int(log2_price((1 << up) << 8 | 128)) == up * Q20
    half = 5**down << 8 | 128 - down  # 2**-down, in decimal
    assert int(log2_price(half)) == -down * Q20
