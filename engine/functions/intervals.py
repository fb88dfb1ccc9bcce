"""Intervals read from text, multiplied and compared as Postgres does.

A month has 30 days and a day 24 hours wherever a fraction goes down, or two intervals are compared.
"""

import re
from decimal import Decimal

import numpy as np
import pyarrow as pa

from engine.errors import SqlInvalid
from engine.functions.registry import FLOAT, INTEGER, INTERVAL, TEXT, Function
from engine.functions.values import (
    Column,
    integers,
    make_intervals,
    map_distinct,
    masked,
    pc,
    read_intervals,
    validity,
)

_DAY_MICROS = 86_400_000_000
_MONTH_DAYS = 30
_FACTOR_MAX = 1e9
_CLOCK_MAX = 9e18
_MONTHS = {
    **dict.fromkeys(("y", "yr", "yrs", "year", "years"), 12),
    **dict.fromkeys(("mon", "mons", "month", "months"), 1),
    **dict.fromkeys(("dec", "decs", "decade", "decades"), 120),
    **dict.fromkeys(("c", "cent", "century", "centuries"), 1200),
    **dict.fromkeys(("mil", "mils", "millennium", "millennia"), 12_000),
}
_DAYS = {
    **dict.fromkeys(("d", "day", "days"), 1),
    **dict.fromkeys(("w", "week", "weeks"), 7),
}
_MICROS = {
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600_000_000),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60_000_000),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1_000_000),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 1000),
    **dict.fromkeys(("us", "usec", "usecs", "microsecond", "microseconds"), 1),
}
_UNITS = ((kind, unit) for kind in (_MONTHS, _DAYS, _MICROS) for unit in kind)
# The first of the names that a unit has.
_FIRST_NAMES = {
    unit: next(name for name in kind if kind[name] == kind[unit]) for kind, unit in _UNITS
}
_PIECE = re.compile(
    r"\s*(?:(?P<sign>[+-]?)(?P<hour>\d+):(?P<minute>\d\d?)(?::(?P<second>\d\d?(?:\.\d*)?))?"
    r"|(?P<years>[+-]?\d+)-(?P<months>\d+)(?![\d:])"
    r"|(?P<number>[+-]?\d*\.?\d+)\s*(?P<unit>[a-zA-Z]*))(?=[\s+-]|$|(?<=[a-zA-Z])\d)"
)
_ISO = re.compile(
    r"P(?=[-\d.T])(?P<Y>-?[\d.]+Y)?(?P<M>-?[\d.]+M)?(?P<W>-?[\d.]+W)?(?P<D>-?[\d.]+D)?"
    r"(?:T(?P<h>-?[\d.]+H)?(?P<m>-?[\d.]+M)?(?P<s>-?[\d.]+S)?)?"
)
_ISO_UNITS = {"Y": "y", "M": "mon", "W": "w", "D": "d", "h": "h", "m": "min", "s": "s"}
_Parts = tuple[int, int, int]


def read_interval(text: str) -> _Parts:
    """Read an interval in the forms of Postgres: words, a clock, years-months, ISO 8601.

    Returns:
        Months, days and microseconds.

    Raises:
        SqlInvalid: it is none.

    >>> read_interval("1 month -2 days 03:04:05.5"), read_interval("1.5 days ago")
    ((1, -2, 11045500000), (0, -1, -43200000000))
    """
    total = [Decimal(0), Decimal(0), Decimal(0)]
    iso = _ISO.fullmatch(text.strip())
    if iso:
        for name, unit in _ISO_UNITS.items():
            if iso[name]:
                _add(total, Decimal(iso[name][:-1]), unit, text)
        return _whole(total)
    plain = text.lower().replace(",", " ").strip().removeprefix("@").strip()
    is_ago = plain.endswith(" ago")
    pieces = _pieces(plain.removesuffix(" ago").strip(), text)
    seen: set[str] = set()
    for place, piece in enumerate(pieces):
        is_before_clock = place + 1 < len(pieces) and bool(pieces[place + 1]["hour"])
        units = _add_piece(total, piece, "d" if is_before_clock else "s", text)
        if seen & units:
            raise SqlInvalid(f'invalid input syntax for type interval: "{text}"')
        seen |= units
    months, days, micros = _whole(total)
    return (-months, -days, -micros) if is_ago else (months, days, micros)


def _pieces(plain: str, text: str) -> list[re.Match[str]]:
    """Split what is no ISO 8601 into a clock, years-months, and numbers with their units."""
    pieces: list[re.Match[str]] = []
    at = 0
    while at < len(plain) or not pieces:
        piece = _PIECE.match(plain, at)
        if piece is None:
            raise SqlInvalid(f'invalid input syntax for type interval: "{text}"')
        pieces.append(piece)
        at = piece.end()
    return pieces


def _add_piece(total: list[Decimal], piece: re.Match[str], unit: str, text: str) -> set[str]:
    """Add a piece, whose number has this unit when it says none; return the units it has."""
    if piece["hour"]:
        seconds = (int(piece["hour"]) * 60 + int(piece["minute"])) * 60
        micros = (seconds + Decimal(piece["second"] or 0)) * 1_000_000
        total[2] += -micros if piece["sign"] == "-" else micros
        return {"h", "m", "s"}
    if piece["years"]:
        months = abs(int(piece["years"])) * 12 + int(piece["months"])
        total[0] += -months if piece["years"].startswith("-") else months
        return {"y", "mon"}
    unit = piece["unit"] or unit
    _add(total, Decimal(piece["number"]), unit, text)
    return {_FIRST_NAMES[unit]}


def _add(total: list[Decimal], number: Decimal, unit: str, text: str) -> None:
    """Add a number of units; fractions of months go to days, those of days to the clock."""
    if unit in _MONTHS:
        months = number * _MONTHS[unit]
        whole = int(months)
        total[0] += whole
        # Of years and longer only whole months are kept.
        if _MONTHS[unit] == 1:
            _add(total, (months - whole) * _MONTH_DAYS, "d", text)
    elif unit in _DAYS:
        days = number * _DAYS[unit]
        whole = int(days)
        total[1] += whole
        total[2] += (days - whole) * _DAY_MICROS
    elif unit in _MICROS:
        total[2] += number * _MICROS[unit]
    else:
        raise SqlInvalid(f'invalid input syntax for type interval: "{text}"')


def _whole(total: list[Decimal]) -> _Parts:
    return int(total[0]), int(total[1]), int(total[2].to_integral_value())


def _interval_of_text(texts: Column) -> Column:
    """A loop over distinct texts."""
    coded = texts.dictionary_encode()
    parts = np.array(
        [read_interval(text) for text in coded.dictionary.to_pylist()] or [(0, 0, 0)], np.int64
    )
    rows = parts[integers(coded.indices)]
    return make_intervals(rows[:, 0], rows[:, 1], rows[:, 2], validity(texts))


def _interval_times(spans: Column, factors: Column) -> Column:
    """Multiply, as Postgres does: what months and days leave over goes down."""
    there = validity(spans, factors)
    months, days, micros = read_intervals(spans)
    factor = pc.fill_null(factors, 0.0).to_numpy(zero_copy_only=False)
    if not (np.abs(factor[there]) < _FACTOR_MAX).all():  # NaN is not less
        raise SqlInvalid("interval out of range")
    exact_months, exact_days = months * factor, days * factor
    whole_months, whole_days = np.trunc(exact_months), np.trunc(exact_days)
    left_days = np.rint((exact_months - whole_months) * _MONTH_DAYS * 1e6) / 1e6
    left = exact_days - whole_days + left_days - np.trunc(left_days)
    seconds = np.rint(left * 86_400 * 1e6) / 1e6
    carried = np.trunc(seconds / 86_400)
    seconds = seconds - carried * 86_400
    whole_days = whole_days + carried + np.trunc(left_days)
    clock = np.rint(micros * factor + seconds * 1e6)
    if (np.abs(clock[there]) > _CLOCK_MAX).any():
        raise SqlInvalid("interval out of range")
    parts = [
        np.where(there, part, 0).astype(np.int64) for part in (whole_months, whole_days, clock)
    ]
    return make_intervals(parts[0], parts[1], parts[2], there)


def _interval_divided(spans: Column, divisors: Column) -> Column:
    if pc.any(pc.equal(divisors, 0.0)).as_py():
        raise SqlInvalid("division by zero")
    return _interval_times(spans, pc.divide(1.0, divisors))


def _interval_key(spans: Column) -> Column:
    """Microseconds to compare and to order by."""
    months, days, micros = read_intervals(spans)
    return masked((months * _MONTH_DAYS + days) * _DAY_MICROS + micros, validity(spans), INTEGER)


def _bytea(text: str) -> bytes:
    if text.startswith("\\x"):
        try:
            return bytes.fromhex(text[2:])
        except ValueError as error:
            raise SqlInvalid("invalid hexadecimal data") from error
    if re.search(r"\\(?![0-3][0-7]{2}|\\)", text.replace("\\\\", "")):
        raise SqlInvalid("invalid input syntax for type bytea")
    octets = re.sub(
        rb"\\([0-3][0-7]{2}|\\)",
        lambda match: b"\\" if match[1] == b"\\" else bytes([int(match[1], 8)]),
        text.encode(),
    )
    return bytes(octets)


def _bytea_of_text(texts: Column) -> Column:
    return map_distinct(texts, pa.binary(), _bytea)


FUNCTIONS = (
    Function("interval_of_text", _interval_of_text, (TEXT,), INTERVAL),
    Function("interval_times", _interval_times, (INTERVAL, FLOAT), INTERVAL),
    Function("interval_divided", _interval_divided, (INTERVAL, FLOAT), INTERVAL),
    Function("interval_key", _interval_key, (INTERVAL,), INTEGER),
    Function("bytea_of_text", _bytea_of_text, (TEXT,), pa.binary()),
)
