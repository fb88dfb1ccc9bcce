"""Dates, timestamps, times and intervals as fields: read from Arrow's text, and counted by the calendar.

Years are astronomical: 0 is 1 BC. Days are counted from 1970-01-01. The calendar is Gregorian at all times, as
that of Postgres. Arithmetic: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.errors import SqlInvalid
from engine.functions.values import Column, Integers, integers, pc

MICROS_OF_DAY = 86_400_000_000
# Of a timestamp with microseconds: more digits are cut.
_LENGTH_MAX = len("2024-01-01T00:00:00.000000")
_JULIAN_OF_1970 = 2_440_588
_FEBRUARY, _DECEMBER = 2, 12
_MARCH_TO_DECEMBER = 10
_STAMP = (
    r"^(?P<year>[+-]?\d{4,})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?"
    r"(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?)?$"
)
_CLOCK = r"^(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d+))?)?$"
_SPAN = (
    r"^(?:(?P<months>-?\d+) mons ?)?(?:(?P<days>-?\d+) days ?)?(?:(?P<hours>-?\d+) hours ?)?"
    r"(?:(?P<minutes>-?\d+) mins ?)?(?:(?P<seconds>-?\d+)(?:\.(?P<fraction>\d+))? secs)?$"
)


@dataclass(frozen=True)
class Moments:
    """Points in time or intervals, by field; garbage where ``there`` is false.

    Attributes:
        year: astronomical; of an interval its whole years.
        month: 1 to 12; of an interval what is left of its months.
        day: of the month; of an interval its days.
        hour: of the day; of an interval all hours of its clock.
        minute, second, micro: of the clock; of an interval with its sign.
        offset_s: of the zone from UTC, in seconds.
        there: false where NULL.
        is_interval: of all.
        has_zone: of all.
    """

    year: Integers
    month: Integers
    day: Integers
    hour: Integers
    minute: Integers
    second: Integers
    micro: Integers
    offset_s: Integers
    there: npt.NDArray[np.bool_]
    is_interval: bool = False
    has_zone: bool = False

    def days(self) -> Integers:
        """Days from 1970-01-01."""
        return days_of(self.year, self.month, self.day)

    def day_of_year(self) -> Integers:
        """From 1."""
        return (
            self.days() - days_of(self.year, np.ones_like(self.month), np.ones_like(self.day)) + 1
        )

    def iso_week(self) -> tuple[Integers, Integers, Integers]:
        """ISO year, its week, and the day in that year from 1."""
        thursday = self.days() + 3 - (self.days() + 3) % 7
        year, _, _ = date_of(thursday)
        first = monday_of_week_one(year)
        day = self.days() - first + 1
        return year, (day - 1) // 7 + 1, day

    def weekday(self) -> Integers:
        """0 for Sunday to 6."""
        return (self.days() + 4) % 7

    def julian(self) -> Integers:
        """The Julian day."""
        return self.days() + _JULIAN_OF_1970

    def clock_micros(self) -> Integers:
        """Microseconds of the clock."""
        return ((self.hour * 60 + self.minute) * 60 + self.second) * 1_000_000 + self.micro


def days_of(year: Integers, month: Integers, day: Integers) -> Integers:
    """Days from 1970-01-01 of dates.

    >>> int(days_of(np.array([2024]), np.array([2]), np.array([29]))[0])
    19782
    """
    shifted = year - (month <= _FEBRUARY)
    era = shifted // 400
    year_of_era = shifted - era * 400
    day_of_year = (153 * (month + np.where(month > _FEBRUARY, -3, 9)) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    days: Integers = era * 146_097 + day_of_era - 719_468
    return days


def date_of(days: Integers) -> tuple[Integers, Integers, Integers]:
    """Year, month and day of days from 1970-01-01."""
    shifted = days + 719_468
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    part = (5 * of_year + 2) // 153
    month = part + np.where(part < _MARCH_TO_DECEMBER, 3, -9)
    return year + era * 400 + (month <= _FEBRUARY), month, of_year - (153 * part + 2) // 5 + 1


def monday_of_week_one(year: Integers) -> Integers:
    """The day on which ISO years begin: that of the week with 4 January."""
    fourth = days_of(year, np.ones_like(year), np.full_like(year, 4))
    return fourth - (fourth + 3) % 7


def days_in_month(year: Integers, month: Integers) -> Integers:
    """How many days months have."""
    after = days_of(year + (month == _DECEMBER), month % _DECEMBER + 1, np.ones_like(month))
    return after - days_of(year, month, np.ones_like(month))


def read_moments(texts: Column) -> Moments:
    """Read what DataFusion writes dates, timestamps, times or intervals as.

    Args:
        texts: all of one kind, which the first one decides.

    Raises:
        SqlInvalid: a text is none of these.
    """
    first = texts.drop_null()[:1]
    sample = first[0].as_py() if len(first) else ""
    if re.match(_CLOCK, sample):
        return _read_clocks(texts)
    if re.match(_STAMP, sample) or not len(first):
        return _read_stamps(texts)
    return _read_spans(texts)


def is_moment(text: str) -> bool:
    """Whether a text is a date, a timestamp, a time or an interval, as DataFusion writes them."""
    return text != "" and any(re.match(form, text) for form in (_STAMP, _CLOCK, _SPAN))


def _read_stamps(texts: Column) -> Moments:
    """Read dates and timestamps: by Arrow when it can, by a pattern when years or zones are rare."""
    plain = pc.ascii_rtrim(texts, "Z")
    longest = pc.max(pc.binary_length(plain)).as_py() or 0
    if longest > _LENGTH_MAX:
        plain = pc.utf8_slice_codeunits(plain, 0, _LENGTH_MAX)
    try:
        micros = integers(pc.cast(plain, pa.timestamp("us")))
    except pa.ArrowInvalid:
        return _by_pattern(texts)
    days = micros // MICROS_OF_DAY
    year, month, day = date_of(days)
    clock = _clock_of(micros - days * MICROS_OF_DAY)
    return Moments(
        year=year,
        month=month,
        day=day,
        **clock,
        offset_s=np.zeros_like(days),
        there=_there(texts),
        has_zone=bool(pc.any(pc.ends_with(texts, "Z")).as_py()),
    )


def _by_pattern(texts: Column) -> Moments:
    parts = _extract(texts, _STAMP)
    return Moments(
        year=_number(parts["year"]),
        month=_number(parts["month"]),
        day=_number(parts["day"]),
        hour=_number(parts["hour"]),
        minute=_number(parts["minute"]),
        second=_number(parts["second"]),
        micro=_micros(parts["fraction"]),
        offset_s=_offset_of(parts["zone"]),
        there=_there(texts),
        has_zone=bool(pc.any(pc.not_equal(pc.fill_null(parts["zone"], ""), "")).as_py()),
    )


def _read_clocks(texts: Column) -> Moments:
    """A time becomes an interval, as Postgres casts it."""
    parts = _extract(texts, _CLOCK)
    seconds = (_number(parts["hour"]) * 60 + _number(parts["minute"])) * 60
    micros = (seconds + _number(parts["second"])) * 1_000_000 + _micros(parts["fraction"])
    none = np.zeros(len(texts), np.int64)
    return _spans(none, none, micros, _there(texts))


def _read_spans(texts: Column) -> Moments:
    parts = _extract(texts, _SPAN)
    hours, minutes, seconds = (_number(parts[name]) for name in ("hours", "minutes", "seconds"))
    fraction = _micros(parts["fraction"])
    # "-0.5 secs": the sign is that of the text, zero has none.
    negative = pc.starts_with(pc.fill_null(parts["seconds"], ""), "-")
    fraction = np.where(negative.to_numpy(zero_copy_only=False), -fraction, fraction)
    micros = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction
    return _spans(_number(parts["months"]), _number(parts["days"]), micros, _there(texts))


def _spans(
    months: Integers, days: Integers, micros: Integers, there: npt.NDArray[np.bool_]
) -> Moments:
    """Split as C does: what is left has the sign of the whole."""
    year = divided(months, 12)
    return Moments(
        year=year,
        month=months - year * 12,
        day=days,
        **_clock_of(micros),
        offset_s=np.zeros_like(year),
        there=there,
        is_interval=True,
    )


def _clock_of(micros: Integers) -> dict[str, Any]:
    """Hour, minute, second and microsecond of microseconds."""
    hour = divided(micros, 3_600_000_000)
    rest = micros - hour * 3_600_000_000
    minute = divided(rest, 60_000_000)
    rest = rest - minute * 60_000_000
    second = divided(rest, 1_000_000)
    return {
        "hour": hour,
        "minute": minute,
        "second": second,
        "micro": rest - second * 1_000_000,
    }


def divided(numbers: Integers, divisor: int) -> Integers:
    """Divide towards zero."""
    quotient: Integers = np.sign(numbers) * (np.abs(numbers) // divisor)
    return quotient


def _extract(texts: Column, form: str) -> dict[str, Column]:
    found = pc.extract_regex(texts, form)
    if found.null_count > texts.null_count:
        strange = texts.filter(pc.and_(pc.is_null(found), pc.is_valid(texts)))[0].as_py()
        raise SqlInvalid(f"'{strange}' is no date, time or interval")
    return {field.name: pc.struct_field(found, field.name) for field in found.type}


def _there(texts: Column) -> npt.NDArray[np.bool_]:
    there: npt.NDArray[np.bool_] = pc.is_valid(texts).to_numpy(zero_copy_only=False)
    return there


def _number(digits: Column) -> Integers:
    """Read digits; 0 where there are none."""
    plain = pc.if_else(pc.equal(digits, ""), None, pc.ascii_ltrim(digits, "+"))
    return integers(plain)


def _micros(fraction: Column) -> Integers:
    """Read the digits after the point as microseconds; more than six are cut, as our results are."""
    six = pc.utf8_slice_codeunits(pc.ascii_rpad(fraction, 6, "0"), 0, 6)
    return integers(six)


def _offset_of(zone: Column) -> Integers:
    """Seconds from UTC of ``Z`` or ``+02:00``."""
    digits = pc.replace_substring(zone, ":", "")
    hours = _number(_or_none(pc.utf8_slice_codeunits(digits, 1, 3)))
    minutes = _number(_or_none(pc.utf8_slice_codeunits(digits, 3, 5)))
    west = pc.fill_null(pc.starts_with(zone, "-"), False).to_numpy(zero_copy_only=False)
    seconds: Integers = np.where(west, -1, 1) * (hours * 3600 + minutes * 60)
    return seconds


def _or_none(digits: Column) -> Column:
    return pc.if_else(pc.equal(pc.utf8_length(digits), 2), digits, None)
