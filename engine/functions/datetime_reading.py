"""Texts read by a pattern of Postgres: ``to_date`` and ``to_timestamp``.

The pattern becomes one regular expression, whose groups are read as columns. What Postgres forgives is
forgiven: missing separators, spaces, names in any case, an end before the end of the pattern.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from engine.errors import SqlInvalid
from engine.functions.datetime_patterns import Field, parse_datetime_pattern
from engine.functions.datetime_text import DAYS, MONTHS, ROMAN_MONTHS
from engine.functions.moments import (
    MICROS_OF_DAY,
    days_in_month,
    days_of,
    monday_of_week_one,
)
from engine.functions.values import Column, Integers, integers, masked, pc, validity

_WIDTHS = {
    **{"YYYY": 4, "YYY": 3, "YY": 2, "Y": 1, "IYYY": 4, "IYY": 3, "IY": 2, "I": 1},
    **{"MM": 2, "DD": 2, "DDD": 3, "D": 1, "ID": 1, "IDDD": 3, "W": 1, "WW": 2, "IW": 2},
    **{"HH24": 2, "HH12": 2, "HH": 2, "MI": 2, "SS": 2, "SSSS": 5, "SSSSS": 5, "CC": 2},
    **{"MS": 3, "US": 6, "TZH": 2, "TZM": 2, "J": 7, "Q": 1},
    **{f"FF{digits}": digits for digits in range(1, 7)},
}
_HALVES = ("AM", "PM", "A.M.", "P.M.")
_ERAS = ("AD", "BC", "A.D.", "B.C.")
_FRACTIONS = {"MS": 3, "US": 6, **{f"FF{digits}": digits for digits in range(1, 7)}}


def _with_short(names: Sequence[str]) -> list[str]:
    return [*names, *(name[:3] for name in names)]


_FORMS = {
    **dict.fromkeys(("MONTH", "MON"), "|".join(_with_short(MONTHS))),
    **dict.fromkeys(("DAY", "DY"), "|".join(_with_short(DAYS))),
    **dict.fromkeys(_HALVES, r"[ap]\.?m\.?"),
    **dict.fromkeys(_ERAS, r"(?:a\.?d|b\.?c)\.?"),
    **dict.fromkeys(("TZ", "OF"), r"utc|gmt|z|[+-]\d{1,2}(?::?\d{2})?"),
    "RM": "|".join(sorted(ROMAN_MONTHS, key=len, reverse=True)),
    "Y,YYY": r"\d+,\d{3}",
}
_SAME = {"HH12": "HH", "SSSSS": "SSSS", "MONTH": "MON"}
# Two digits of a year are those between 1970 and 2069.
_PIVOT = 70
_PIVOT_OF_THREE = 520
# From 1970 to the last day of Postgres's dates, and to that of its timestamps.
_DATE_DAYS_MAX = 2_145_042_541
_TIMESTAMP_DAYS_MAX = 106_751_983
_TWO_DIGITS, _THREE_DIGITS = 2, 3
_NOON = 12


@dataclass(frozen=True)
class _Reader:
    """The regular expression of a pattern, and the keywords of its groups: ``f0``, ``f1``, and on."""

    form: str
    words: tuple[str, ...]


def read_dates(texts: Column, pattern: str) -> Column:
    """Read dates by a pattern.

    Raises:
        SqlInvalid: a text does not follow the pattern, or no such day exists.
    """
    days, _ = _read(texts, pattern)
    _check_days(days, _DATE_DAYS_MAX)
    return masked(days, validity(texts), pa.date32())


def read_timestamps(texts: Column, pattern: str) -> Column:
    """Read timestamps by a pattern; without a zone in the text they are of UTC.

    Raises:
        SqlInvalid: a text does not follow the pattern, or no such moment exists.
    """
    days, micros = _read(texts, pattern)
    _check_days(days, _TIMESTAMP_DAYS_MAX)
    return masked(days * MICROS_OF_DAY + micros, validity(texts), pa.timestamp("us", "UTC"))


@lru_cache(maxsize=256)
def _reader(pattern: str) -> _Reader:
    fields = parse_datetime_pattern(pattern)
    pieces: list[str] = []
    words: list[str] = []
    gap: list[Field] = []
    is_open = False  # digits before would go on with the digits that follow
    for place, field in enumerate(fields):
        if not field.word:
            gap.append(field)
            continue
        following = fields[place + 1 : place + 2]
        is_number = field.word in _WIDTHS
        between = _gap(gap, is_needed=is_open and is_number)
        pieces.append(rf"{between}(?P<f{len(words)}>{_group(field, following)})")
        words.append(_SAME.get(field.word, field.word))
        gap, is_open = [], is_number and not (following and following[0].word in _WIDTHS)
    form = ""
    for piece in reversed(pieces):
        # The text may end before any field; what is left of it is not looked at.
        form = rf"{piece}(?:\s*$|{form})" if form else piece
    return _Reader(rf"(?i)^{form}", tuple(words))


def _gap(fields: Sequence[Field], *, is_needed: bool) -> str:
    """What is between two fields: each separator may be missing, a literal takes its length.

    Args:
        fields: the text of the pattern there.
        is_needed: something must be there, that is no digit: a number was before, another follows.
    """
    if any(field.is_quoted or field.text.isalnum() for field in fields):
        return "".join(map(_literal, fields)) + r"\s*"
    count = len([field for field in fields if not field.text.isspace()])
    separators = rf"(?:[^A-Za-z0-9\s+]\s*){{0,{max(count, 1)}}}"
    needed = rf"(?:\s+{separators}|(?:[^A-Za-z0-9\s+]\s*){{1,{max(count, 1)}}})"
    return needed if is_needed else rf"\s*{separators if fields else ''}"


def _literal(field: Field) -> str:
    if field.is_quoted or field.text.isalnum():
        return rf"(?s:.{{{len(field.text)}}})"
    return r"\s*" if field.text.isspace() else r"\s*[^A-Za-z0-9\s+]?"


def _group(field: Field, following: Sequence[Field]) -> str:
    word = field.word
    if word in _WIDTHS:
        sign = "[+-]?" if word == "TZH" else ""
        width = _WIDTHS[word]
        beside = bool(following) and following[0].word in _WIDTHS
        digits = rf"\d{{1,{width}}}" if beside or word in _FRACTIONS or word == "TZH" else r"\d+"
        ordinal = "(?:st|nd|rd|th)?" if field.ordinal else ""
        return f"{sign}{digits}){ordinal}(?:"
    if word not in _FORMS:
        raise SqlInvalid(f"to_timestamp and to_date do not read '{field.text}'")
    return _FORMS[word]


def _read(texts: Column, pattern: str) -> tuple[Integers, Integers]:
    """Return days from 1970-01-01, and microseconds of UTC in the day (perhaps beyond it)."""
    reader = _reader(pattern)
    found = pc.extract_regex(texts, reader.form)
    if found.null_count > texts.null_count:
        strange = texts.filter(pc.and_(pc.is_null(found), pc.is_valid(texts)))[0].as_py()
        raise SqlInvalid(f"'{strange}' does not follow the pattern '{pattern}'")
    parts: dict[str, Column] = {}
    for place, word in enumerate(reader.words):
        text = pc.struct_field(found, f"f{place}")
        parts[word] = pc.if_else(pc.equal(text, ""), None, text)
    there = validity(texts)
    return np.where(there, _days(parts, len(texts)), 0), np.where(
        there, _micros(parts, len(texts)), 0
    )


def _number(parts: dict[str, Column], word: str, default: int, count: int) -> Integers:
    if word not in parts:
        return np.full(count, default, np.int64)
    return integers(pc.fill_null(pc.cast(parts[word], pa.int64()), default))


def _days(parts: dict[str, Column], count: int) -> Integers:
    if "J" in parts:
        return _number(parts, "J", 0, count) - 2_440_588
    iso = next((word for word in ("IYYY", "IYY", "IY", "I") if word in parts), None)
    if iso:
        return _iso_days(parts, iso, count)
    year = _year(parts, count)
    month = _month(parts, count)
    day = _number(parts, "DD", 1, count)
    first = np.ones_like(year)
    if "DDD" in parts:
        of_year = _number(parts, "DDD", 1, count)
        _check(of_year, 1, days_of(year + 1, first, first) - days_of(year, first, first))
        return days_of(year, first, first) + of_year - 1
    if "WW" in parts:
        return days_of(year, first, first) + (_number(parts, "WW", 1, count) - 1) * 7
    if "W" in parts:
        day = (_number(parts, "W", 1, count) - 1) * 7 + 1
    # Postgres takes 0 for a month or a day that was not given.
    month, day = np.where(month == 0, 1, month), np.where(day == 0, 1, day)
    _check(month, 1, first * 12)
    _check(day, 1, days_in_month(year, month))
    return days_of(year, month, day)


def _iso_days(parts: dict[str, Column], word: str, count: int) -> Integers:
    year = _widened(_number(parts, word, 1, count), parts[word])
    monday = monday_of_week_one(year)
    if "IDDD" in parts:
        return monday + _number(parts, "IDDD", 1, count) - 1
    day = _number(parts, "ID", 1, count) if "ID" in parts else np.ones(count, np.int64)
    return monday + (_number(parts, "IW", 1, count) - 1) * 7 + day - 1


def _year(parts: dict[str, Column], count: int) -> Integers:
    word = next((word for word in ("YYYY", "YYY", "YY", "Y", "Y,YYY") if word in parts), None)
    if word is None:
        # Year 0 is 1 BC: what Postgres begins with.
        return (
            (_number(parts, "CC", 1, count) - 1) * 100 + 1
            if "CC" in parts
            else np.zeros(count, np.int64)
        )
    text = pc.replace_substring(parts[word], ",", "")
    year = integers(pc.fill_null(pc.cast(text, pa.int64()), 0))
    year = _widened(year, text) if word in ("YYY", "YY", "Y") else year
    era = next((name for name in _ERAS if name in parts), None)
    if era is None:
        return year
    before = pc.fill_null(pc.starts_with(pc.utf8_lower(parts[era]), "b"), False)
    return np.where(before.to_numpy(zero_copy_only=False), 1 - year, year)


def _widened(year: Integers, text: Column) -> Integers:
    """Give years of less than four digits their century, the nearest to 2020."""
    digits = integers(pc.utf8_length(text))
    two = np.where(year < _PIVOT, year + 2000, year + 1900)
    three = np.where(year < _PIVOT_OF_THREE, year + 2000, year + 1000)
    wide: Integers = np.select([digits <= _TWO_DIGITS, digits == _THREE_DIGITS], [two, three], year)
    return wide


def _month(parts: dict[str, Column], count: int) -> Integers:
    if "MON" in parts:
        start = pc.utf8_lower(pc.utf8_slice_codeunits(parts["MON"], 0, 3))
        found = pc.index_in(start, pa.array([name[:3].lower() for name in MONTHS]))
        return integers(found) + 1
    if "RM" in parts:
        return integers(pc.index_in(pc.utf8_upper(parts["RM"]), pa.array(ROMAN_MONTHS))) + 1
    return _number(parts, "MM", 1, count)


def _micros(parts: dict[str, Column], count: int) -> Integers:
    none = np.zeros(count, np.int64)
    ones = np.ones(count, np.int64)
    if "SSSS" in parts:
        seconds = _number(parts, "SSSS", 0, count)
        _check(seconds, 0, ones * 86_399)
    else:
        hours = _hours(parts, count)
        minutes = _number(parts, "MI", 0, count)
        second = _number(parts, "SS", 0, count)
        for value, most in ((hours, 23), (minutes, 59), (second, 59)):
            _check(value, 0, ones * most)
        seconds = (hours * 60 + minutes) * 60 + second
    fraction = none
    for word, digits in _FRACTIONS.items():
        if word in parts:
            text = pc.ascii_rpad(pc.fill_null(parts[word], "0"), digits, "0")
            fraction = fraction + integers(text) * 10 ** (6 - digits)
    return (seconds - _offset(parts, count)) * 1_000_000 + fraction


def _hours(parts: dict[str, Column], count: int) -> Integers:
    if "HH" not in parts:
        return _number(parts, "HH24", 0, count)
    hours = _number(parts, "HH", 12, count)
    _check(hours, 1, np.full(count, _NOON))
    half = next((word for word in _HALVES if word in parts), None)
    late = (
        np.zeros(count, np.bool_)
        if half is None
        else pc.fill_null(pc.starts_with(pc.utf8_lower(parts[half]), "p"), False).to_numpy(
            zero_copy_only=False
        )
    )
    return hours % _NOON + np.where(late, _NOON, 0)


def _offset(parts: dict[str, Column], count: int) -> Integers:
    """Seconds from UTC."""
    if "TZH" in parts:
        west = pc.fill_null(pc.starts_with(parts["TZH"], "-"), False)
        hours = np.abs(integers(pc.cast(pc.ascii_ltrim(parts["TZH"], "+"), pa.int64())))
        seconds = hours * 3600 + _number(parts, "TZM", 0, count) * 60
        return np.where(west.to_numpy(zero_copy_only=False), -seconds, seconds)
    zone = parts.get("TZ", parts.get("OF"))
    if zone is None:
        return np.zeros(count, np.int64)
    seconds_of = {text: _seconds_of_zone(text) for text in zone.unique().to_pylist()}
    return np.array([seconds_of[text] for text in zone.to_pylist()], np.int64)


def _seconds_of_zone(text: str | None) -> int:
    match = re.fullmatch(r"([+-])(\d{1,2}):?(\d{2})?", text or "")
    if match is None:
        return 0
    seconds = int(match[2]) * 3600 + int(match[3] or 0) * 60
    return -seconds if match[1] == "-" else seconds


def _check_days(days: Integers, most: int) -> None:
    if days.size and np.abs(days).max() > most:
        raise SqlInvalid("date/time field value out of range")


def _check(values: Integers, least: int, most: Integers) -> None:
    if ((values < least) | (values > most)).any():
        raise SqlInvalid("date/time field value out of range")
