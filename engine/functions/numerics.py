"""Functions of numbers that DataFusion lacks."""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, InvalidOperation

import numpy as np
import pyarrow as pa

from engine.errors import SqlInvalid
from engine.functions.registry import FLOAT, INTEGER, TEXT, Function
from engine.functions.value_text import type_name
from engine.functions.values import Column, by_value, map_distinct, map_rows, masked, pc, validity

_DECIMAL = pa.decimal128(38, 10)
_QUANTUM = Decimal(1).scaleb(-10)
_EXACT = Context(prec=76, rounding=ROUND_HALF_UP)


def _width_bucket(values: Column, lows: Column, highs: Column, counts: Column) -> Column:
    """The bucket of a histogram of equal ones: 0 below it, one more than ``count`` above.

    Raises:
        SqlInvalid: the bounds are equal, or there is no bucket.
    """
    there = validity(values, lows, highs, counts)
    value, low, high = (
        pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False) for column in (values, lows, highs)
    )
    count = pc.fill_null(counts, 1).to_numpy(zero_copy_only=False)
    if (count[there] <= 0).any():
        raise SqlInvalid("count must be greater than zero")
    if np.isnan(value).any() or not np.isfinite([low, high]).all():
        raise SqlInvalid("operand, lower bound, and upper bound cannot be NaN")
    if (low[there] == high[there]).any():
        raise SqlInvalid("lower bound cannot equal upper bound")
    span = np.where(there, high - low, 1.0)
    place = np.floor((value - low) / span * count) + 1
    return masked(np.clip(place, 0, count + 1).astype(np.int64), there, INTEGER)


def _width_bucket_array(values: Column, thresholds: Column) -> Column:
    def bucket(value: float, bounds: list[float]) -> int:
        return int(np.searchsorted(np.asarray(bounds), value, side="right"))

    return map_rows((values, thresholds), INTEGER, bucket)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise SqlInvalid(f"'{text}' is no number") from error


def _div(dividends: Column, divisors: Column) -> Column:
    """The whole part of a quotient, towards zero; exact, so a loop over distinct rows."""

    def quotient(dividend: str, divisor: str) -> Decimal:
        if not _number(divisor):
            raise SqlInvalid("division by zero")
        whole = _EXACT.divide_int(_number(dividend), _number(divisor))
        return whole.quantize(_QUANTUM, ROUND_DOWN)

    return map_rows((dividends, divisors), _DECIMAL, quotient)


def _integer_of(values: Column, types: Column) -> Column:
    """Cast to an integer: doubles round to even, decimals away from zero, texts are read.

    Raises:
        SqlInvalid: out of the range of bigint, or a text is no integer.
    """
    return by_value(types, values, INTEGER, _integers)


def _integers(arrow_type: str, values: Column) -> Column:
    name = type_name(arrow_type)
    if name in ("real", "double precision"):
        numbers = pc.fill_null(pc.cast(values, FLOAT), 0.0).to_numpy(zero_copy_only=False)
        rounded = np.rint(numbers)
        if not ((rounded >= -(2.0**63)) & (rounded < 2.0**63)).all():
            raise SqlInvalid("bigint out of range")
        return masked(rounded.astype(np.int64), validity(values), INTEGER)
    if name == "numeric":
        exact = pc.cast(values, pa.decimal256(76, 30))
        return pc.cast(pc.round(exact, 0, "half_towards_infinity"), INTEGER)
    if name == "boolean":
        return pc.cast(pc.cast(values, pa.bool_()), INTEGER)
    return pc.cast(pc.utf8_trim_whitespace(values), INTEGER)


def _scale(values: Column) -> Column:
    return map_distinct(values, INTEGER, lambda text: _places(_number(text)))


def _min_scale(values: Column) -> Column:
    return map_distinct(values, INTEGER, lambda text: _places(_number(text).normalize(_EXACT)))


def _places(number: Decimal) -> int | None:
    """Digits behind the point; NULL where there is no number of them: NaN and the infinities."""
    return max(0, -int(number.as_tuple().exponent)) if number.is_finite() else None


FUNCTIONS = (
    Function("width_bucket", _width_bucket, (FLOAT, FLOAT, FLOAT, INTEGER), INTEGER),
    Function("width_bucket_of", _width_bucket_array, (FLOAT, pa.list_(FLOAT)), INTEGER),
    Function("div", _div, (TEXT, TEXT), _DECIMAL),
    Function("integer_of", _integer_of, (TEXT, TEXT), INTEGER),
    Function("scale", _scale, (TEXT,), INTEGER),
    Function("min_scale", _min_scale, (TEXT,), INTEGER),
)
