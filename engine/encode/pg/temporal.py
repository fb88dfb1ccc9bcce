"""Dates, times, timestamps and intervals as Postgres sends them: ISO text and binary numbers.

Invariant: exact, for every value that Postgres's types can hold; what they cannot is refused.
Trap: Postgres keeps microseconds. Nanoseconds are rounded to the nearest, halves to even, as
Postgres rounds the digits of its input: `23:59:59.9999999` becomes `24:00:00`.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.encode.pg.cells import (
    Cells,
    check_range,
    fixed,
    fixed_text,
    stored,
    text_of,
)
from engine.encode.pg.clock import DATE_WIDTH, clock_rows, date_rows, without_zeros
from engine.encode.pg.zones import offset_text, offset_texts, offsets_s
from engine.encode.strings import (
    TEXT,
    Array,
    Ints,
    Text,
    concat,
    kernels,
    literal,
    nulled,
)

_YEAR_WIDTH = 4
_STAMP_POINT = DATE_WIDTH + 9  # where the fraction of a second begins
_STAMP_WIDTH = DATE_WIDTH + 16
DAY_S = 86_400
DAY_US = DAY_S * 1_000_000
SECOND_US = 1_000_000
_PER_SECOND = {"s": 1, "ms": 1_000, "us": SECOND_US, "ns": 1_000_000_000}
# Postgres counts from 2000-01-01 and begins with Julian day 0, 4714-11-24 BC.
EPOCH_DAYS = 10_957
EPOCH_US = EPOCH_DAYS * DAY_US
_FIRST_DAY = -2_440_588
_LAST_DATE = 2_145_042_905  # 5874897-12-31
_LAST_DAY = 106_762_939  # 294276-12-31
_DATE64_DAY = DAY_S * 1_000
_INTERVAL = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])
_SENT_INTERVAL = np.dtype([("micros", ">i8"), ("days", ">i4"), ("months", ">i4")])


def date_binary(array: Array) -> Cells:
    """Days since 2000-01-01."""
    return fixed(_days(array) - EPOCH_DAYS, ">i4", array)


def date_text(array: Array) -> Cells:
    """Text of dates: `2024-01-02`, `0044-03-15 BC`, `12024-01-02`."""
    days = _days(array)
    rows = np.empty((len(days), DATE_WIDTH), np.uint8)
    years = date_rows(days, rows)
    return fixed_text(rows, array) if years is None else _far(years, rows, None, "", array)


def time_binary(array: Array) -> Cells:
    """Microseconds since midnight."""
    return fixed(_time_us(array), ">i8", array)


def time_text(array: Array) -> Cells:
    """Text of times: `03:04:05`, `03:04:05.12`."""
    micros = _time_us(array)
    rows = np.empty((len(micros), 15), np.uint8)
    fractions = clock_rows(micros, rows)
    if not fractions.any():
        return fixed_text(np.ascontiguousarray(rows[:, :8]), array)
    return without_zeros(rows, fractions, 8, array)


def timestamp_binary(array: Array) -> Cells:
    """Microseconds since 2000-01-01, of the instant for those with a zone."""
    return fixed(_timestamp_us(array) - EPOCH_US, ">i8", array)


def timestamp_text(array: Array, zone: str | None) -> Cells:
    """Text of timestamps: `2024-01-02 03:04:05.12`, with `+05:30` behind it in a zone.

    Args:
        array: timestamps, of instants if there is a zone.
        zone: the session's; None for timestamps without a time zone.
    """
    micros = _timestamp_us(array)
    days = micros // DAY_US
    micros = micros - days * DAY_US
    shifts = None if zone is None else offsets_s(days * DAY_S + micros // SECOND_US, zone)
    suffix: Array | str = "" if zone is None else "+00"
    if shifts is not None:
        micros = micros + shifts * SECOND_US
        over = micros // DAY_US
        days, micros = days + over, micros - over * DAY_US
        is_same = (shifts == shifts[0]).all()
        suffix = offset_text(int(shifts[0])) if is_same else offset_texts(shifts)
    ending = suffix if isinstance(suffix, str) else ""
    rows = np.empty((len(micros), _STAMP_WIDTH + len(ending)), np.uint8)
    years = date_rows(days, rows)
    rows[:, DATE_WIDTH] = ord(" ")
    fractions = clock_rows(micros, rows[:, DATE_WIDTH + 1 :])
    if years is not None or not isinstance(suffix, str):
        return _far(years, rows[:, :_STAMP_WIDTH], fractions, suffix, array)
    rows[:, _STAMP_WIDTH:] = np.frombuffer(ending.encode(), np.uint8)
    if not fractions.any():
        whole = np.concatenate((rows[:, :_STAMP_POINT], rows[:, _STAMP_WIDTH:]), axis=1)
        return fixed_text(whole, array)
    return without_zeros(rows, fractions, _STAMP_POINT, array)


def interval_binary(array: Array) -> Cells:
    """Microseconds, days and months, 16 bytes."""
    months, days, micros = _interval_parts(array)
    sent = np.empty(len(micros), _SENT_INTERVAL)
    sent["micros"], sent["days"], sent["months"] = micros, days, months
    return fixed(sent.view("V16"), "V16", array)


def interval_text(array: Array) -> Cells:
    """Text in IntervalStyle `postgres`: `1 year 2 mons -3 days +04:05:06.7`."""
    months, days, micros = _interval_parts(array)
    size = np.abs(months)
    sign = np.sign(months)
    text: Text | None = None
    # The sign of the last part that is not zero; a part after a negative one shows its plus.
    last = np.zeros(len(micros), np.int64)
    for values, unit in ((size // 12 * sign, "year"), (size % 12 * sign, "mon"), (days, "day")):
        if values.any():
            part = _part(values, unit, last)
            text = part if text is None else _spaced(text, part)
            last = np.where(values != 0, np.sign(values), last)
    if text is None or micros.any() or not last.all():
        clock = _clock_text(micros, last)
        text = clock if text is None else _spaced(text, clock)
    return nulled(text, array)


def _part(values: Ints, unit: str, last: Ints) -> Text:
    """`-3 days`; empty where zero."""
    plus = kernels.if_else(pa.array((last < 0) & (values > 0)), literal("+"), literal(""))
    plural = kernels.if_else(pa.array(values == 1), literal(""), literal("s"))
    text = concat(plus, pa.array(values).cast(TEXT), f" {unit}", plural)
    return kernels.if_else(pa.array(values != 0), text, literal(""))


def _spaced(left: Text, right: Text) -> Text:
    """Join with a space where both have something."""
    return kernels.ascii_trim(concat(left, " ", right), " ")


def _clock_text(micros: Ints, last: Ints) -> Text:
    """`-04:05:06.7`; empty where zero, unless nothing else is shown; hours as many as there are."""
    size = np.abs(micros)
    hours, rest = size // (3_600 * SECOND_US), size % (3_600 * SECOND_US)
    rows = np.empty((len(micros), 15), np.uint8)
    fractions = clock_rows(rest, rows)
    tail = without_zeros(rows, fractions, 8, pa.array(micros))
    sign = np.where(micros < 0, 2, last < 0).astype(np.int64)
    signs = kernels.take(pa.array(["", "+", "-"], TEXT), pa.array(sign))
    hour = kernels.utf8_lpad(pa.array(hours).cast(TEXT), 2, "0")
    # The clock's own hour is zero here: what follows it is wanted.
    text = concat(signs, hour, kernels.utf8_slice_codeunits(tail, 2))
    return kernels.if_else(pa.array((micros != 0) | (last == 0)), text, literal(""))


def _far(
    years: Ints | None,
    rows: npt.NDArray[np.uint8],
    fractions: Ints | None,
    suffix: Array | str,
    nulls_of: Array,
) -> Text:
    """Text of dates or timestamps some of whose years have not four digits, or whose zone varies.

    Args:
        years: astronomical years, 0 is 1 BC; None when all have four digits.
        rows: text of dates, followed by that of clocks if there are `fractions`.
        fractions: microseconds below the second; None for dates.
        suffix: what follows the clock.
        nulls_of: null in the result where this is null.
    """
    cut = 0 if years is None else _YEAR_WIDTH
    tail_rows = rows[:, cut:]
    if fractions is None:
        tail = text_of(fixed_text(np.ascontiguousarray(tail_rows), nulls_of))
    else:
        tail = without_zeros(tail_rows, fractions, _STAMP_POINT - cut, nulls_of)
    if years is None:
        return concat(tail, suffix)
    shown = pa.array(np.where(years > 0, years, 1 - years)).cast(TEXT)
    era = kernels.if_else(pa.array(years > 0), literal(""), literal(" BC"))
    return concat(kernels.utf8_lpad(shown, _YEAR_WIDTH, "0"), tail, suffix, era)


def _rounded(nanos: Ints) -> Ints:
    """Nanoseconds to the nearest microsecond, halves to the even one."""
    micros = nanos // 1_000
    below = nanos - micros * 1_000
    half = 500
    up: Ints = ((below > half) | ((below == half) & (micros & 1 == 1))).astype(np.int64)
    return micros + up


def _micros(ticks: Ints, unit: str, name: str) -> Ints:
    if unit == "us":
        return ticks
    if unit == "ns":
        return _rounded(ticks)
    factor = SECOND_US // _PER_SECOND[unit]
    ticks = ticks.astype(np.int64)
    check_range(ticks, -(2**63) // factor + 1, 2**63 // factor - 1, name)
    return ticks * factor


def _days(array: Array) -> Ints:
    days = stored(array)
    if pa.types.is_date64(array.type):
        days = days // _DATE64_DAY
    check_range(days, _FIRST_DAY, _LAST_DATE, "date")
    return days


def _time_us(array: Array) -> Ints:
    micros = _micros(stored(array), array.type.unit, "time")
    check_range(micros, 0, DAY_US, "time")
    return micros


def _timestamp_us(array: Array) -> Ints:
    micros = _micros(stored(array), array.type.unit, "timestamp")
    check_range(micros, _FIRST_DAY * DAY_US, (_LAST_DAY + 1) * DAY_US - 1, "timestamp")
    return micros


def _interval_parts(array: Array) -> tuple[Ints, Ints, Ints]:
    """Return (months, days, microseconds)."""
    if pa.types.is_duration(array.type):
        micros = _micros(stored(array), array.type.unit, "interval")
        check_range(micros, -(2**63) + 1, 2**63 - 1, "interval")
        return np.zeros(len(micros), np.int64), np.zeros(len(micros), np.int64), micros
    end = array.offset + len(array)
    raw = np.frombuffer(array.buffers()[1], _INTERVAL, end)[array.offset :]
    valid: npt.NDArray[np.bool_] = array.is_valid().to_numpy(zero_copy_only=False)
    months, days, nanos = (
        np.where(valid, raw[name].astype(np.int64), 0) for name in ("months", "days", "nanos")
    )
    return months, days, _rounded(nanos)
