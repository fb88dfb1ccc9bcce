"""Digits of dates and clocks, written into rows of bytes by table look-ups.

Invariant: (rows, width) matrices in, their bytes filled in place: no text is made value by value.
Trap: a year that has not four digits is left to the caller, who gets all years back.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.encode.strings import Array, Bytes, Ints, Text, from_parts, offsets_of

DATE_WIDTH = 10
_YEAR_MAX = 9_999
_CYCLE_DAYS = 146_097
_MARCH_0_DAYS = 719_468


def date_rows(days: Ints, rows: Bytes) -> Ints | None:
    """Write `2024-01-02` into the first ten bytes of each row.

    Args:
        days: since 1970-01-01, (rows,).
        rows: (rows, at least 10).

    Returns:
        None if all years are 0001 to 9999; else all astronomical years, and the bytes of the year
        are left undefined.
    """
    year, month, day = civil(days)
    rows[:, 4] = rows[:, 7] = ord("-")
    _put(rows, 5, _digits(2)[month])
    _put(rows, 8, _digits(2)[day])
    if len(year) and (year.min() < 1 or year.max() > _YEAR_MAX):
        return year
    _put(rows, 0, _digits(4)[year])
    return None


def clock_rows(micros: Ints, rows: Bytes) -> Ints:
    """Write `03:04:05.000000` into the first 15 bytes of each row.

    Args:
        micros: of the day, at most 24 hours, (rows,).
        rows: (rows, at least 15).

    Returns:
        The microseconds below the second.
    """
    seconds = (micros // 1_000_000).astype(np.int32)
    fractions = (micros - seconds * np.int64(1_000_000)).astype(np.int32)
    _put(rows, 0, _clocks()[seconds])
    if fractions.any():
        rows[:, 8] = ord(".")
        high = fractions // 1_000
        _put(rows, 9, _digits(4)[high * 10])
        # The fourth digit of the first half was a filler: the second half overwrites it.
        low = fractions - high * 1_000
        rows[:, 12] = low // 100 + ord("0")
        _put(rows, 13, _digits(2)[low % 100])
    return fractions.astype(np.int64)


def without_zeros(rows: Bytes, fractions: Ints, point: int, nulls_of: Array) -> Text:
    """Return rows as texts without the zeros that end a fraction, nor a point with nothing behind.

    Args:
        rows: (rows, width); what stands behind the fraction remains.
        fractions: microseconds, (rows,).
        point: where the point of the fraction stands; six digits follow it.
        nulls_of: null in the result where this is null.
    """
    masks, widths = _kept_masks(point, rows.shape[1])
    shown = _shown_digits()[fractions]
    kept = masks.take(shown, axis=0)
    return from_parts(offsets_of(widths[shown]), rows[kept].data, nulls_of)


def civil(days: Ints) -> tuple[Ints, Ints, Ints]:
    """Return (year, month, day) of days since 1970-01-01 in the proleptic Gregorian calendar.

    Years are astronomical: 0 is 1 BC. The year begins in March, so that the leap day ends it.
    """
    since = days.astype(np.int64) + _MARCH_0_DAYS
    cycles = since // _CYCLE_DAYS
    of_cycle = (since - cycles * _CYCLE_DAYS).astype(np.int32)
    year = (of_cycle - of_cycle // 1_460 + of_cycle // 36_524 - of_cycle // 146_096) // 365
    of_year = of_cycle - (365 * year + year // 4 - year // 100)
    fifth = (5 * of_year + 2) // 153
    day = of_year - (153 * fifth + 2) // 5 + 1
    is_late = fifth >= 10  # noqa: PLR2004 - January and February
    month = fifth + 3 - 12 * is_late
    return year + cycles * 400 + is_late, month, day


def _put(rows: Bytes, at: int, texts: npt.NDArray[Any]) -> None:
    """Write items of `texts`, whole numbers standing for bytes, into the columns from `at` on."""
    part = rows[:, at : at + texts.dtype.itemsize]
    part.view(texts.dtype)[:, 0] = texts


@cache
def _digits(width: int) -> npt.NDArray[Any]:
    """All numbers of `width` digits, each as one item of that many bytes."""
    text = "".join(f"{number:0{width}}" for number in range(10**width))
    return np.frombuffer(text.encode(), f"u{width}")


@cache
def _clocks() -> npt.NDArray[Any]:
    """`03:04:05` of each second of a day, and `24:00:00`."""
    seconds = np.arange(86_401)
    rows = np.full((len(seconds), 8), ord(":"), np.uint8)
    for at, digits in ((0, seconds // 3_600), (3, seconds // 60 % 60), (6, seconds % 60)):
        _put(rows, at, _digits(2)[digits])
    return rows.reshape(-1).view("u8")


@cache
def _shown_digits() -> npt.NDArray[np.uint8]:
    """How many digits each fraction of a second in microseconds needs, 0 to 6."""
    thousandths = np.arange(1_000)
    shown = np.full(1_000, 3, np.uint8)
    for digits in (2, 1, 0):
        shown[thousandths % 10 ** (3 - digits) == 0] = digits
    low = np.where(shown > 0, shown + 3, 0).astype(np.uint8)
    return np.where(low > 0, low, shown[:, None]).reshape(-1)


@cache
def _kept_masks(point: int, width: int) -> tuple[npt.NDArray[np.bool_], Ints]:
    """For each number of digits: which bytes of a row remain, (7, width), and how many, (7,)."""
    masks = np.ones((7, width), np.bool_)
    masks[0, point : point + 7] = False
    for digits in range(1, 7):
        masks[digits, point + 1 + digits : point + 7] = False
    return masks, masks.sum(axis=1, dtype=np.int64)
