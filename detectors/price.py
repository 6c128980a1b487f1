"""Prices as mantissa and exponent in one integer: exact from 1e-12 to 1e9 and beyond.

``packed = mantissa * 256 + exponent + 128``, for ``price = mantissa * 10**exponent`` US dollars,
with at most 15 significant digits and no trailing zeros.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final

from schemas.numbers import parse_decimal

DIGITS: Final = 15
UNKNOWN: Final = 0
MICRO: Final = 1_000_000
_CONTEXT: Final = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN)
EXACT: Final = Context(prec=80)
"""Wide enough for every product here, whatever precision the thread has set."""


def pack_price(value: str | float) -> int:
    """Pack a positive price in US dollars.

    >>> pack_price("0.0015") == pack_price(1.5e-3), price_decimal(pack_price(1e9))
    (True, Decimal('1E+9'))
    """
    number = _CONTEXT.plus(parse_decimal(value, "price_usd")).normalize(_CONTEXT)
    _, digits, exponent = number.as_tuple()
    mantissa = 0
    for digit in digits:
        mantissa = mantissa * 10 + digit
    return mantissa * 256 + int(exponent) + 128


def unpack_price(packed: int) -> tuple[int, int]:
    """Mantissa and exponent of a packed price.

    >>> unpack_price(pack_price("0.0015"))
    (15, -4)
    """
    return packed >> 8, (packed & 255) - 128


def price_decimal(packed: int) -> Decimal:
    """The price as an exact decimal, in US dollars."""
    mantissa, exponent = unpack_price(packed)
    return Decimal(mantissa).scaleb(exponent, EXACT)


def micro_usd(value: str | float, field: str) -> int:
    """Money in millionths of a US dollar, rounded half to even.

    >>> micro_usd("12.5", "value_usd")
    12500000
    """
    exact = EXACT.multiply(parse_decimal(value, field), Decimal(MICRO))
    return int(exact.to_integral_value(ROUND_HALF_EVEN))
