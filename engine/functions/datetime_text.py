"""Dates, timestamps, times and intervals written by a pattern of Postgres: ``to_char``.

One vectorised piece per field of the pattern, joined row by row in Arrow.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from engine.errors import SqlInvalid
from engine.functions.datetime_patterns import Field, parse_datetime_pattern
from engine.functions.moments import Moments, divided
from engine.functions.values import Column, Integers, column_of, pc

MONTHS = [
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
]
DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
ROMAN_MONTHS = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]
_NOON = 12
_WIDTH_OF_NAMES = 9
_WIDTH_OF_ROMAN = 4
_NOT_OF_INTERVALS = {
    *("DAY", "DY", "D", "ID", "TZ", "TZH", "TZM", "OF", "BC", "AD", "B.C.", "A.D.", "J"),
    *("IW", "IDDD", "IYYY", "IYY", "IY", "I"),
}
_Numbers = Callable[[Moments], Integers]


def _twelve(moments: Moments) -> Integers:
    hours = moments.hour - divided(moments.hour, 12) * 12
    return np.where(hours == 0, 12, hours)


def _year(moments: Moments) -> Integers:
    """Years as they are written: those before Christ count backwards."""
    if moments.is_interval:
        return moments.year
    return np.where(moments.year <= 0, 1 - moments.year, moments.year)


def _iso_year(moments: Moments) -> Integers:
    year = moments.iso_week()[0]
    return np.where(year <= 0, 1 - year, year)


def _remainder(numbers: Integers, divisor: int) -> Integers:
    return numbers - divided(numbers, divisor) * divisor


def _day_of_year(moments: Moments) -> Integers:
    if moments.is_interval:
        return (moments.year * 12 + moments.month) * 30 + moments.day
    return moments.day_of_year()


def _century(moments: Moments) -> Integers:
    if moments.is_interval:
        return divided(moments.year, 100)
    after = (moments.year - 1) // 100 + 1
    return np.where(moments.year > 0, after, divided(moments.year - 1, 100) - 1)


# Keyword: width when filled, and the number it stands for.
_NUMBERS: dict[str, tuple[int, _Numbers]] = {
    "HH24": (2, lambda m: m.hour),
    "HH12": (2, _twelve),
    "HH": (2, _twelve),
    "MI": (2, lambda m: m.minute),
    "SS": (2, lambda m: m.second),
    "SSSS": (1, lambda m: (m.hour * 60 + m.minute) * 60 + m.second),
    "SSSSS": (1, lambda m: (m.hour * 60 + m.minute) * 60 + m.second),
    "MM": (2, lambda m: m.month),
    "DD": (2, lambda m: m.day),
    "DDD": (3, _day_of_year),
    "D": (1, lambda m: m.weekday() + 1),
    "ID": (1, lambda m: np.where(m.weekday() == 0, 7, m.weekday())),
    "IDDD": (3, lambda m: m.iso_week()[2]),
    "WW": (2, lambda m: divided(_day_of_year(m) - 1, 7) + 1),
    "IW": (2, lambda m: m.iso_week()[1]),
    "W": (1, lambda m: divided(m.day - 1, 7) + 1),
    "Q": (1, lambda m: divided(m.month - 1, 3) + 1),
    "CC": (2, _century),
    "J": (1, Moments.julian),
    "YYYY": (4, _year),
    "YYY": (3, lambda m: _remainder(_year(m), 1000)),
    "YY": (2, lambda m: _remainder(_year(m), 100)),
    "Y": (1, lambda m: _remainder(_year(m), 10)),
    "IYYY": (4, _iso_year),
    "IYY": (3, lambda m: _remainder(_iso_year(m), 1000)),
    "IY": (2, lambda m: _remainder(_iso_year(m), 100)),
    "I": (1, lambda m: _remainder(_iso_year(m), 10)),
}
# These are as wide with FM as without.
_FRACTIONS: dict[str, int] = {"MS": 3, "US": 6, **{f"FF{digits}": digits for digits in range(1, 7)}}


def datetime_text(moments: Moments, pattern: str) -> Column:
    """Write moments by a pattern.

    Returns:
        Texts; NULL where the moment is.

    Raises:
        SqlInvalid: the pattern asks an interval for what it does not have.
    """
    count = len(moments.there)
    parts: list[Column] = []
    for field in parse_datetime_pattern(pattern):
        if moments.is_interval and field.word in _NOT_OF_INTERVALS:
            raise SqlInvalid(f"The pattern '{field.text}' is not of intervals")
        parts.append(_written(moments, field) if field.word else pa.scalar(field.text, pa.string()))
    empty = pa.array([""], pa.string()).take(column_of(np.zeros(count, np.int64)))
    joined = pc.binary_join_element_wise(empty, *parts, "")
    return pc.if_else(column_of(moments.there), joined, pa.scalar(None, pa.string()))


def _written(moments: Moments, field: Field) -> Column:
    word = field.word
    if word in _NUMBERS:
        width, numbers = _NUMBERS[word]
        values = numbers(moments)
        text = _ordinal(_padded(values, width if field.is_filled else 1), values, field)
        return _of_interval(moments, field, text) if moments.is_interval else text
    if word in _FRACTIONS:
        digits = _FRACTIONS[word]
        values = np.abs(moments.micro) // 10 ** (6 - digits)
        return _ordinal(_padded(values, digits), values, field)
    if word == "Y,YYY":
        year = _year(moments)
        thousands = _padded(divided(year, 1000), 1)
        return pc.binary_join_element_wise(thousands, _padded(year % 1000, 3), ",")
    if word in ("MONTH", "MON", "DAY", "DY", "RM"):
        return _name(moments, field)
    return _sign(moments, field)


def _of_interval(moments: Moments, field: Field, text: Column) -> Column:
    """What Postgres writes otherwise for intervals: no quarter without months, and a wide twelve."""
    if field.word == "Q":
        return pc.if_else(column_of(moments.month == 0), "", text)
    if field.word in ("HH", "HH12") and field.is_filled:
        is_wide = (moments.hour < 0) & (_twelve(moments) > 0)
        return pc.if_else(column_of(is_wide), pc.binary_join_element_wise("0", text, ""), text)
    return text


def _name(moments: Moments, field: Field) -> Column:
    word = field.word
    if word in ("DAY", "DY"):
        names, places = DAYS, moments.weekday()
    else:
        names, places = (ROMAN_MONTHS if word == "RM" else MONTHS), (moments.month - 1) % 12
    if word in ("MON", "DY"):
        names = [name[:3] for name in names]
    elif field.is_filled:
        width = _WIDTH_OF_ROMAN if word == "RM" else _WIDTH_OF_NAMES
        names = [name.ljust(width) for name in names]
    if field.text == field.text.lower():
        names = [name.lower() for name in names]
    elif field.text == word:
        names = [name.upper() for name in names]
    found = pa.array(names, pa.string()).take(column_of(np.where(moments.there, places, 0)))
    if moments.is_interval and word != "RM":
        return pc.if_else(column_of(moments.month == 0), "", found)
    return found


def _sign(moments: Moments, field: Field) -> Column:
    """Halves of the day, eras and zones."""
    word = field.word
    if word in ("AM", "PM", "A.M.", "P.M."):
        late = _remainder(moments.hour, 24) >= _NOON
        text = pc.if_else(column_of(late), word.replace("A", "P"), word.replace("P", "A"))
    elif word in ("AD", "BC", "A.D.", "B.C."):
        before, after = ("B.C.", "A.D.") if "." in word else ("BC", "AD")
        text = pc.if_else(column_of(moments.year <= 0), before, after)
    else:
        text = _zone(moments, field)
    return pc.utf8_lower(text) if field.text == field.text.lower() else text


def _zone(moments: Moments, field: Field) -> Column:
    hours = np.abs(moments.offset_s) // 3600
    minutes = np.abs(moments.offset_s) % 3600 // 60
    sign = pc.if_else(column_of(moments.offset_s < 0), "-", "+")
    if field.word == "TZM":
        return _padded(minutes, 2)
    whole = pc.binary_join_element_wise(sign, _padded(hours, 2 if field.is_filled else 1), "")
    if field.word == "TZH":
        return whole
    with_minutes = pc.binary_join_element_wise(whole, _padded(minutes, 2), ":")
    text = pc.if_else(column_of(minutes > 0), with_minutes, whole)
    if field.word == "OF":
        return text
    # A timestamp without a zone has no name for it; the values know no names but that of UTC.
    named = pc.if_else(column_of(moments.offset_s == 0), "UTC", text)
    return named if moments.has_zone else pc.utf8_slice_codeunits(named, 0, 0)


def _padded(numbers: Integers, width: int) -> Column:
    """Write numbers with zeros in front; the sign of a negative one makes it wider."""
    digits = pc.ascii_lpad(column_of(np.abs(numbers)).cast(pa.string()), width, "0")
    if (numbers >= 0).all():
        return digits
    sign = pc.if_else(column_of(numbers < 0), "-", "")
    return pc.binary_join_element_wise(sign, digits, "")


def _ordinal(text: Column, numbers: Integers, field: Field) -> Column:
    if not field.ordinal:
        return text
    last = np.where(np.abs(numbers) // 10 % 10 == 1, 0, np.abs(numbers) % 10)
    endings = pa.array(["th", "st", "nd", "rd", *["th"] * 6]).take(column_of(last))
    endings = pc.utf8_upper(endings) if field.ordinal == "TH" else endings
    return pc.binary_join_element_wise(text, endings, "")
