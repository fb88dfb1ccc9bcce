"""Functions of dates, timestamps and intervals."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa

from engine.errors import SqlInvalid
from engine.functions.datetime_reading import read_dates, read_timestamps
from engine.functions.datetime_text import datetime_text
from engine.functions.moments import (
    MICROS_OF_DAY,
    Moments,
    days_in_month,
    days_of,
    divided,
    is_moment,
    read_moments,
)
from engine.functions.number_columns import number_texts
from engine.functions.number_text import read_number
from engine.functions.registry import (
    BOOLEAN,
    FLOAT,
    INTEGER,
    INTERVAL,
    TEXT,
    TIMESTAMPTZ,
    Function,
)
from engine.functions.values import (
    Column,
    Integers,
    by_value,
    integers,
    make_intervals,
    map_distinct,
    masked,
    pc,
    read_intervals,
    validity,
)

_DECIMAL = pa.decimal128(38, 10)
_TIMESTAMP = pa.timestamp("us")
_DAYS_OF_MONTH = 30
_MONTHS = 12
_INTEGER_MAX = 2**31


def _to_char(values: Column, patterns: Column) -> Column:
    return by_value(patterns, values, TEXT, _written)


def _written(pattern: str, values: Column) -> Column:
    first = values.drop_null()[:1]
    if pattern == "" or not len(first):
        return pc.utf8_slice_codeunits(values, 0, 0)
    if is_moment(first[0].as_py()):
        return datetime_text(read_moments(values), pattern)
    return number_texts(values, pattern)


def _to_number(values: Column, patterns: Column) -> Column:
    return by_value(patterns, values, _DECIMAL, _read_numbers)


def _read_numbers(pattern: str, values: Column) -> Column:
    quantum = pa.scalar(0, _DECIMAL).as_py()
    return map_distinct(values, _DECIMAL, lambda text: read_number(text, pattern).quantize(quantum))


def _to_date(values: Column, patterns: Column) -> Column:
    return by_value(patterns, values, pa.date32(), lambda p, texts: read_dates(texts, p))


def _to_timestamp(values: Column, patterns: Column) -> Column:
    return by_value(patterns, values, TIMESTAMPTZ, lambda p, texts: read_timestamps(texts, p))


def _age(later: Column, earlier: Column) -> Column:
    """Years, months, days and time between: counted from the calendar, as Postgres does."""
    left, right = read_moments(later), read_moments(earlier)
    there = left.there & right.there
    # Postgres subtracts the earlier from the later, and turns the sign of all fields.
    left_at = left.days() * MICROS_OF_DAY + left.clock_micros()
    right_at = right.days() * MICROS_OF_DAY + right.clock_micros()
    swap = left_at < right_at
    months = (left.year * 12 + left.month) - (right.year * 12 + right.month)
    days, micros = left.day - right.day, left.clock_micros() - right.clock_micros()
    sign = np.where(swap, -1, 1)
    months, days, micros = months * sign, days * sign, micros * sign
    days, micros = days - (micros < 0), micros + (micros < 0) * MICROS_OF_DAY
    # A borrowed month has the days of the month of the earlier moment.
    year, month = np.where(swap, left.year, right.year), np.where(swap, left.month, right.month)
    year, month = np.where(there, year, 2000), np.where(there, month, 1)
    days, months = (
        days + np.where(days < 0, days_in_month(year, month), 0),
        months - (days < 0),
    )
    months, days, micros = (np.where(there, part * sign, 0) for part in (months, days, micros))
    return make_intervals(months, days, micros, there)


def _make_interval(*parts: Column) -> Column:
    """Years, months, weeks, days, hours, minutes, and seconds with a fraction."""
    there = validity(*parts)
    years, months, weeks, days, hours, minutes = (integers(part) for part in parts[:-1])
    seconds = pc.fill_null(parts[-1], 0.0).to_numpy(zero_copy_only=False)
    for part in (years, months, weeks, days, hours, minutes, seconds):
        # NaN is not less either.
        if not (np.abs(part) < _INTEGER_MAX).all():
            raise SqlInvalid("interval out of range")
    micros = (hours * 3600 + minutes * 60) * 1_000_000 + np.rint(seconds * 1e6).astype(np.int64)
    return make_intervals(years * 12 + months, weeks * 7 + days, micros, there)


def _local_micros(*parts: Column) -> tuple[Integers, Column]:
    """Microseconds from 1970 of year, month, day, hour, minute and second."""
    there = validity(*parts)
    year, month, day, hour, minute = (
        np.where(there, integers(part), default)
        for part, default in zip(parts[:5], (2000, 1, 1, 0, 0), strict=True)
    )
    seconds = np.where(there, pc.fill_null(parts[5], 0.0).to_numpy(zero_copy_only=False), 0)
    is_wrong = (year == 0) | (month < 1) | (month > _MONTHS) | (day < 1)
    year = year + (year < 0)
    is_wrong |= day > days_in_month(year, np.clip(month, 1, _MONTHS))
    for part, most in ((hour, 23), (minute, 59), (seconds, 60)):
        is_wrong |= ~((part >= 0) & (part <= most))
    if is_wrong.any():
        raise SqlInvalid("date/time field value out of range")
    clock = (hour * 60 + minute) * 60_000_000 + np.rint(seconds * 1e6).astype(np.int64)
    return days_of(year, month, day) * MICROS_OF_DAY + clock, there


def _make_timestamp(*parts: Column) -> Column:
    micros, there = _local_micros(*parts)
    return masked(micros, there, _TIMESTAMP)


def _make_timestamptz(*parts: Column) -> Column:
    """In the zone of the last argument."""
    micros, there = _local_micros(*parts[:6])
    local = masked(micros, there & validity(parts[6]), _TIMESTAMP)
    return by_value(parts[6], local, TIMESTAMPTZ, _in_zone)


def _in_zone(zone: str, local: Column) -> Column:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise SqlInvalid(f"time zone '{zone}' not recognized") from error
    # What the clocks skip is read as before the change, what they repeat as after it: as Postgres.
    moments = pc.assume_timezone(local, zone, ambiguous="latest", nonexistent="earliest")
    return moments.cast(TIMESTAMPTZ)


def _justify_hours(spans: Column) -> Column:
    months, days, micros = read_intervals(spans)
    days, micros = _carried(days, micros, MICROS_OF_DAY)
    days, micros = _same_sign(days, micros, MICROS_OF_DAY)
    return make_intervals(months, days, micros, validity(spans))


def _justify_days(spans: Column) -> Column:
    months, days, micros = read_intervals(spans)
    months, days = _carried(months, days, _DAYS_OF_MONTH)
    months, days = _same_sign(months, days, _DAYS_OF_MONTH)
    return make_intervals(months, days, micros, validity(spans))


def _justify_interval(spans: Column) -> Column:
    months, days, micros = read_intervals(spans)
    days, micros = _carried(days, micros, MICROS_OF_DAY)
    months, days = _carried(months, days, _DAYS_OF_MONTH)
    down = (months > 0) & ((days < 0) | ((days == 0) & (micros < 0)))
    up = (months < 0) & ((days > 0) | ((days == 0) & (micros > 0)))
    months, days = months - down + up, days + (down * _DAYS_OF_MONTH) - (up * _DAYS_OF_MONTH)
    days, micros = _same_sign(days, micros, MICROS_OF_DAY)
    return make_intervals(months, days, micros, validity(spans))


def _carried(large: Integers, small: Integers, unit: int) -> tuple[Integers, Integers]:
    whole = divided(small, unit)
    return large + whole, small - whole * unit


def _same_sign(large: Integers, small: Integers, unit: int) -> tuple[Integers, Integers]:
    down, up = (large > 0) & (small < 0), (large < 0) & (small > 0)
    return large - down + up, small + down * unit - up * unit


def span_texts(moments: Moments) -> Column:
    """Write intervals as Postgres: ``1 year 2 mons -3 days +04:05:06.7``; a loop over distinct ones."""
    rows = zip(
        *(
            part.tolist()
            for part in (
                *(moments.year, moments.month, moments.day),
                *(moments.hour, moments.minute, moments.second, moments.micro),
            )
        ),
        strict=True,
    )
    known: dict[tuple[int, ...], str] = {}
    texts = [known.get(row) or known.setdefault(row, _span_text(*row)) for row in rows]
    return pc.if_else(pa.array(moments.there), pa.array(texts, TEXT), pa.scalar(None, TEXT))


def _span_text(*parts: int) -> str:
    words: list[str] = []
    is_before = False
    for number, unit in zip(parts[:3], ("year", "mon", "day"), strict=True):
        if number:
            plus = "+" if is_before and number > 0 else ""
            words.append(f"{plus}{number} {unit}{'' if number == 1 else 's'}")
            is_before = number < 0
    hour, minute, second, micro = parts[3:]
    if any(parts[3:]) or not words:
        is_negative = min(parts[3:]) < 0
        sign = "-" if is_negative else "+" if is_before else ""
        fraction = f".{abs(micro):06d}".rstrip("0") if micro else ""
        words.append(f"{sign}{abs(hour):02d}:{abs(minute):02d}:{abs(second):02d}{fraction}")
    return " ".join(words)


def _isfinite(values: Column) -> Column:
    """True: Arrow has no infinite moments."""
    return pc.if_else(pc.is_valid(values), True, pa.scalar(None, BOOLEAN))


_SIX = (INTEGER, INTEGER, INTEGER, INTEGER, INTEGER, FLOAT)
FUNCTIONS = (
    Function("to_char", _to_char, (TEXT, TEXT), TEXT),
    Function("to_number", _to_number, (TEXT, TEXT), _DECIMAL),
    Function("to_date_by_pattern", _to_date, (TEXT, TEXT), pa.date32()),
    Function("to_timestamp_by_pattern", _to_timestamp, (TEXT, TEXT), TIMESTAMPTZ),
    Function("age", _age, (TEXT, TEXT), INTERVAL),
    Function("make_interval", _make_interval, (*[INTEGER] * 6, FLOAT), INTERVAL),
    Function("make_timestamp", _make_timestamp, _SIX, _TIMESTAMP),
    Function("make_timestamptz", _make_timestamptz, (*_SIX, TEXT), TIMESTAMPTZ),
    Function("justify_hours", _justify_hours, (INTERVAL,), INTERVAL),
    Function("justify_days", _justify_days, (INTERVAL,), INTERVAL),
    Function("justify_interval", _justify_interval, (INTERVAL,), INTERVAL),
    Function("isfinite", _isfinite, (TEXT,), BOOLEAN),
)
