"""``extract``: the fields of dates, timestamps, times and intervals as exact numbers."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from engine.errors import SqlInvalid
from engine.functions.moments import MICROS_OF_DAY, Moments, divided, read_moments
from engine.functions.registry import TEXT, Function
from engine.functions.values import Column, Integers, by_value, column_of, pc

_ANSWER = pa.decimal128(38, 6)
_MICROS = 1_000_000
_YEAR_SECONDS = 31_557_600
_MONTH_DAYS = 30
_Part = Callable[[Moments], Integers]


def _whole(part: _Part) -> _Part:
    return lambda moments: part(moments) * _MICROS


def _year(moments: Moments) -> Integers:
    """There is no year 0: 1 BC is -1."""
    if moments.is_interval:
        return moments.year
    return np.where(moments.year <= 0, moments.year - 1, moments.year)


def _iso_year(moments: Moments) -> Integers:
    year = moments.iso_week()[0]
    return np.where(year <= 0, year - 1, year)


def _periods(years: int) -> _Part:
    """Centuries and millennia: the first begins with the year 1."""

    def part(moments: Moments) -> Integers:
        if moments.is_interval:
            return divided(moments.year, years)
        after = (moments.year + years - 1) // years
        return np.where(moments.year > 0, after, (moments.year - years) // years)

    return part


def _decade(moments: Moments) -> Integers:
    return divided(moments.year, 10) if moments.is_interval else moments.year // 10


def _seconds(moments: Moments) -> Integers:
    return moments.second * _MICROS + moments.micro


def _epoch(moments: Moments) -> Integers:
    """Microseconds since 1970, or of an interval, whose years have 365.25 days."""
    if moments.is_interval:
        days = moments.month * _MONTH_DAYS + moments.day
        return (
            moments.year * _YEAR_SECONDS * _MICROS + days * MICROS_OF_DAY + moments.clock_micros()
        )
    local = moments.days() * MICROS_OF_DAY + moments.clock_micros()
    return local - moments.offset_s * _MICROS


def _julian(moments: Moments) -> Integers:
    return moments.julian() * _MICROS + moments.clock_micros() * _MICROS // MICROS_OF_DAY


def _quarter(moments: Moments) -> Integers:
    """Negative intervals have negative quarters, since Postgres 18."""
    if moments.is_interval:
        sign = np.where(moments.year * 12 + moments.month < 0, -1, 1)
        return divided(moments.month, 3) + sign
    return divided(moments.month - 1, 3) + 1


def _isodow(moments: Moments) -> Integers:
    return np.where(moments.weekday() == 0, 7, moments.weekday())


# Each part in millionths.
_OF_BOTH: dict[str, _Part] = {
    "year": _whole(_year),
    "quarter": _whole(_quarter),
    "month": _whole(lambda m: m.month),
    "day": _whole(lambda m: m.day),
    "hour": _whole(lambda m: m.hour),
    "minute": _whole(lambda m: m.minute),
    "second": _seconds,
    "milliseconds": lambda m: _seconds(m) * 1000,
    "microseconds": lambda m: _seconds(m) * _MICROS,
    "epoch": _epoch,
    "decade": _whole(_decade),
    "century": _whole(_periods(100)),
    "millennium": _whole(_periods(1000)),
}
_OF_MOMENTS: dict[str, _Part] = {
    "week": _whole(lambda m: m.iso_week()[1]),
    "dow": _whole(Moments.weekday),
    "isodow": _whole(_isodow),
    "doy": _whole(Moments.day_of_year),
    "isoyear": _whole(_iso_year),
    "julian": _julian,
    "timezone": _whole(lambda m: m.offset_s),
    "timezone_hour": _whole(lambda m: divided(m.offset_s, 3600)),
    "timezone_minute": _whole(lambda m: divided(m.offset_s, 60) - divided(m.offset_s, 3600) * 60),
}


def _extract(fields: Column, values: Column) -> Column:
    return by_value(fields, values, _ANSWER, _extracted)


def _extracted(field: str, values: Column) -> Column:
    name = field.lower()
    moments = read_moments(values)
    part = _OF_BOTH.get(name) or (None if moments.is_interval else _OF_MOMENTS.get(name))
    if part is None:
        kind = "interval" if moments.is_interval else "timestamp"
        raise SqlInvalid(f'unit "{field}" not supported for type {kind}')
    whole = column_of(part(moments)).cast(pa.decimal128(19, 0)).cast(pa.decimal128(25, 0))
    # Millionths as they are: the point is moved, no digit is.
    scaled = pc.multiply(whole, pa.scalar(_MILLIONTH, pa.decimal128(7, 6))).cast(_ANSWER)
    return pc.if_else(column_of(moments.there), scaled, pa.scalar(None, _ANSWER))


_MILLIONTH = pa.scalar("0.000001").cast(pa.decimal128(7, 6)).as_py()
FUNCTIONS = (Function("extract_field", _extract, (TEXT, TEXT), _ANSWER),)
