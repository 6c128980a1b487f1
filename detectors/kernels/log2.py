"""log2 in whole numbers of 2**-20, from tables and a short polynomial: the same bits everywhere."""

from __future__ import annotations

import math
import struct
from decimal import Context, Decimal
from typing import Any, Final

import numpy as np

from detectors.jit import WORD, Int64, compiled, int64, jit, nth, of_int64
from detectors.layout import LOG2_OF_TEN

Q20: Final = 1 << 20
STEPS: Final = 128
"""Parts of an octave: within one, a value's ratio to its middle is 1 + r, with r below 2**-8."""
_FRACTION_BITS: Final = 52  # of an IEEE 754 double
_SHIFT: Final = _FRACTION_BITS - (STEPS.bit_length() - 1)
_BIAS: Final = 1023
_CONTEXT: Final = Context(prec=40)
_LN_2: Final = _CONTEXT.ln(Decimal(2))


def _doublings_q20(nats: Decimal) -> float:
    return float(_CONTEXT.divide(_CONTEXT.multiply(nats, Decimal(Q20)), _LN_2))


_INVERSE: Final = np.array([2 * STEPS / (2 * STEPS + 2 * k + 1) for k in range(STEPS)])
_LOG: Final = np.array([-_doublings_q20(_CONTEXT.ln(Decimal(x))) for x in _INVERSE.tolist()])
_HALVES: Final = np.array([2.0**-k for k in range(64)])  # 2**63 - 1 rounds up to an octave more
# of log2(1 + r): r - r**2 / 2 + r**3 / 3 ...
_C1, _C2, _C3, _C4, _C5 = (
    _doublings_q20(_CONTEXT.divide(Decimal(sign), Decimal(k)))
    for k, sign in enumerate((1, -1, 1, -1, 1), 1)
)


def double_bits(x: float) -> Int64:
    """The bits of a double as an int64: sign, exponent and fraction (IEEE 754).

    >>> hex(double_bits(1.0)), hex(double_bits(3.0))
    ('0x3ff0000000000000', '0x4008000000000000')
    """
    return int64(struct.unpack("<q", struct.pack("<d", x))[0])


@compiled(double_bits, of_int64)
def _double_bits(  # pragma: no cover - runs in numba's compiler alone
    _: Any, builder: Any, __: Any, args: Any
) -> Any:
    return builder.bitcast(args[0], WORD)


@jit
def log2_q20(value: Int64) -> Int64:
    """log2 of a positive integer in 2**-20, rounded: what is left out is below 2**-29 of such a unit.

    >>> int(log2_q20(1)), int(log2_q20(8)), int(log2_q20(10))
    (0, 3145728, 3483294)
    """
    x = float(value)
    bits = double_bits(x)
    octave = (bits >> _FRACTION_BITS) - _BIAS
    step = nth((bits >> _SHIFT) & (STEPS - 1))
    r = x * (_HALVES[nth(octave & 63)] * _INVERSE[step]) - 1.0
    square = r * r
    # in the order that leaves the least to wait for
    more = (_C1 + _C2 * r) + square * ((_C3 + _C4 * r) + square * _C5)
    return octave * Q20 + np.int64(math.floor(_LOG[step] + r * more + 0.5))


@jit
def log2_price(packed: Int64) -> Int64:
    """log2 of a packed price in US dollars, in 2**-20.

    >>> int(log2_price((5 << 8) | 127))  # 0.5
    -1048576
    """
    return log2_q20(packed >> 8) + LOG2_OF_TEN[packed & 255]
