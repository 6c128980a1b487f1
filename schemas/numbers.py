"""Numbers of the edge: decimal texts and floats to exact decimals."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from schemas.errors import RecordError


def parse_decimal(value: str | float, field: str) -> Decimal:
    """Exact decimal of a number or a decimal text; RecordError on NaN, infinity and the rest.

    A float means its shortest decimal that reads back the same, as Python and JSON write it.

    >>> parse_decimal(1e-12, "price_usd"), parse_decimal("0.10", "price_usd")
    (Decimal('1E-12'), Decimal('0.10'))
    >>> parse_decimal("nan", "price_usd")
    Traceback (most recent call last):
    schemas.errors.RecordError: price_usd: 'nan' is not a finite number; leave the field out ...
    """
    try:
        number = Decimal(value if isinstance(value, int) else str(value).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or len(number.as_tuple().digits) > 40:
        raise RecordError(
            "bad_number",
            f"{str(value)[:40]!r} is not a finite number",
            field=field,
            remedy="leave the field out or write a plain decimal such as 0.0015",
        )
    return number
