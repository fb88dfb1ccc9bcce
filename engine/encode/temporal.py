"""Text of dates, times, timestamps, durations and intervals, as ISO 8601 or as arrow-rs prints it.

Invariant: exact. A fraction has 3, 6 or 9 digits and is absent when zero; offset zero is written Z.
Trap: Arrow's own casts know the years 0000 to 9999 and, for named zones, the rules up to 2037;
instants outside take the slow exact path here.
"""

import datetime as dt
import zoneinfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from engine.encode.strings import (
    TEXT,
    Array,
    Bytes,
    Ints,
    Text,
    concat,
    from_parts,
    kernels,
    literal,
    matrix,
    nulled,
    offsets_of,
    taken,
)

DAY_S = 86_400
YEAR_0_DAYS, YEAR_10000_DAYS = -719_528, 2_932_897
# Arrow reads the zone files' transitions, which end in 2037, and ignores the rule that follows them.
ZONE_RULES_END_S = 2_114_380_800
PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
ZERO_OFFSET_ZONES = frozenset(("UTC", "Etc/UTC", "+00:00"))
_STORED = {32: pa.int32(), 64: pa.int64()}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_EPOCH_ORDINAL = 719_163
_DAYS_PER_400_YEARS = 146_097


def date_text(array: Array) -> Text:
    """Text of date32: `2024-01-02`."""
    days = _ticks(array)
    far = (days < YEAR_0_DAYS) | (days >= YEAR_10000_DAYS)
    return _patched(array.cast(TEXT), far, [_far_date(int(day)) for day in days[far]])


def timestamp_text(array: Array) -> Text:
    """Text of timestamps and date64, shifted to their zone: `2024-01-02T03:04:05.120+01:00`."""
    unit = "ms" if pa.types.is_date64(array.type) else array.type.unit
    zone = None if pa.types.is_date64(array.type) else array.type.tz
    per_second, ticks = PER_SECOND[unit], _ticks(array)
    lowest, highest = _near_range(per_second)
    far = (ticks < lowest) | (ticks > highest)
    near = np.where(far, 0, ticks)
    shift_s = _shift_s(np.clip(ticks, lowest, highest) // per_second, zone)
    local = near if shift_s is None else near + shift_s * per_second
    shifts = np.zeros(len(ticks), np.int64) if shift_s is None else shift_s
    far_rows = zip(ticks[far].tolist(), shifts[far].tolist(), strict=True)
    far_texts = [_far_timestamp(tick, shift, per_second) for tick, shift in far_rows]
    text = _patched(_local_text(local, unit, array), far, far_texts)
    if not zone:
        return text
    return concat(text, "Z" if shift_s is None else _offset_text(shift_s))


def time_text(array: Array) -> Text:
    """Text of time32 and time64: `01:02:03.000004`."""
    per_second, ticks = PER_SECOND[array.type.unit], _ticks(array)
    far = (ticks < 0) | (ticks >= DAY_S * per_second)
    near = np.where(far, 0, ticks).astype(ticks.dtype)
    cells = pa.array(near).view(array.type).cast(TEXT)
    text = _clipped(matrix(cells, 8 + _point_width(per_second)), 8, near % per_second, array)
    return _patched(text, far, [_far_time(int(tick), per_second) for tick in ticks[far]])


def duration_text(array: Array) -> Text:
    """Text of durations: `PT86402.000003S`, `-PT0.5S`, `P0D`."""
    per_second, ticks = PER_SECOND[array.type.unit], _ticks(array)
    # |-2**63| is right again once the wrapped bits are read as unsigned.
    size = np.abs(ticks).view(np.uint64)
    sign = kernels.if_else(pa.array(ticks < 0), literal("-PT"), literal("PT"))
    seconds = pa.array(size // np.uint64(per_second)).cast(TEXT)
    fraction = kernels.ascii_rtrim(_fraction_text(size % np.uint64(per_second), per_second), ".0")
    text = kernels.if_else(
        pa.array(ticks == 0), literal("P0D"), concat(sign, seconds, fraction, "S")
    )
    return nulled(text, array)


def interval_text(array: Array) -> Text:
    """Text of month-day-nano intervals: `1 mons 2 days 3 hours`; distinct values are few."""
    fields = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])
    raw = np.frombuffer(array.buffers()[1], fields)[array.offset : array.offset + len(array)]
    distinct, index = np.unique(raw, return_inverse=True)
    texts = [_interval(int(m), int(d), int(n)) for m, d, n in distinct.tolist()]
    return nulled(taken(texts, index), array)


def _ticks(array: Array) -> Ints:
    """Return the stored integers, zero where null; int32 for the 32-bit types."""
    stored = array.view(_STORED[array.type.bit_width]).fill_null(0)
    ticks: Ints = stored.to_numpy(zero_copy_only=False)
    return ticks


def _near_range(per_second: int) -> tuple[int, int]:
    """Return the ticks that stay inside years 0000 to 9999, and inside int64, in every zone."""
    lowest = max((YEAR_0_DAYS + 1) * DAY_S * per_second, -(2**63) + DAY_S * per_second)
    highest = min((YEAR_10000_DAYS - 1) * DAY_S * per_second, 2**63 - 1 - DAY_S * per_second)
    return lowest, highest


def _local_text(local: Ints, unit: str, nulls_of: Array) -> Text:
    per_second = PER_SECOND[unit]
    cells = matrix(
        pa.array(local).view(pa.timestamp(unit)).cast(TEXT), 19 + _point_width(per_second)
    )
    cells[:, 10] = ord("T")
    return _clipped(cells, 19, local % per_second, nulls_of)


def _point_width(per_second: int) -> int:
    """Return how many bytes the point and all digits of the fraction take: 0, 4, 7 or 10."""
    return len(str(per_second)) if per_second > 1 else 0


def _clipped(cells: Bytes, whole: int, fraction: Ints, nulls_of: Array) -> Text:
    """Cut each row after its last non-zero group of three fraction digits.

    Args:
        cells: (rows, width) text with all fraction digits.
        whole: bytes before the point.
        fraction: ticks below one second, (rows,).
        nulls_of: null in the result where this is null.
    """
    rows, width = cells.shape
    if not fraction.any():
        return from_parts(
            np.arange(rows + 1) * whole, np.ascontiguousarray(cells[:, :whole]).data, nulls_of
        )
    lengths = np.full(rows, width, np.int64)
    for group in range(1, (width - whole - 1) // 3):
        lengths[fraction % 1_000**group == 0] = width - 3 * group
    lengths[fraction == 0] = whole
    if lengths.min() == width:
        return from_parts(np.arange(rows + 1) * width, cells.data, nulls_of)
    kept = cells[np.arange(width) < lengths[:, None]]
    return from_parts(offsets_of(lengths), kept.data, nulls_of)


def _fraction_text(fraction: npt.NDArray[np.uint64], per_second: int) -> Text:
    """Text `.000003` of each fraction, all digits; only a point when the unit is the second."""
    cells = matrix(pa.array(fraction + np.uint64(per_second)).cast(TEXT), len(str(per_second)))
    cells[:, 0] = ord(".")
    return from_parts(np.arange(len(cells) + 1) * cells.shape[1], cells.data, pa.array(fraction))


def _shift_s(seconds: Ints, zone: str | None) -> Ints | None:
    """Return the zone's offset from UTC at each instant, in seconds; None when it is always zero.

    A zone this machine does not know is written as UTC: the same instant, another clock.
    """
    if not zone or zone in ZERO_OFFSET_ZONES:
        return None
    try:
        local = kernels.local_timestamp(pa.array(seconds).view(pa.timestamp("s", zone)))
    except pa.ArrowInvalid:
        return None
    shift_s: Ints = local.view(pa.int64()).to_numpy() - seconds
    late = seconds >= ZONE_RULES_END_S
    if late.any() and not zone.startswith(("+", "-")):
        # Offsets change on quarter hours, so one look-up serves all instants of the same quarter.
        quarters, index = np.unique(seconds[late] // 900, return_inverse=True)
        info = zoneinfo.ZoneInfo(zone)
        shift_s[late] = np.array([_rule_offset_s(int(q) * 900, info) for q in quarters])[index]
    return shift_s


def _rule_offset_s(second: int, zone: zoneinfo.ZoneInfo) -> int:
    offset = (_EPOCH + dt.timedelta(seconds=second)).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset else 0


def _offset_text(shift_s: Ints) -> Array:
    distinct, index = np.unique(shift_s, return_inverse=True)
    return taken([_offset(int(shift)) for shift in distinct], index)


def _offset(shift_s: int) -> str:
    """`+05:30`; rounded to the minute, which matters before zones had whole minutes."""
    if not shift_s:
        return "Z"
    hours, minutes = divmod((abs(shift_s) + 30) // 60, 60)
    return f"{'-' if shift_s < 0 else '+'}{hours:02}:{minutes:02}"


def _patched(text: Text, mask: npt.NDArray[np.bool_], texts: list[str]) -> Array:
    """Put `texts`, one for each True of `mask`, into a copy of `text`; nulls stay null."""
    if not texts:
        return text
    patched = kernels.replace_with_mask(text, pa.array(mask), pa.array(texts, TEXT))
    return nulled(patched, text)


def _far_date(day: int) -> str:
    """Years after 9999 carry a sign, as ISO 8601 asks: `+10000-01-01`, `-0001-12-31`."""
    cycles, rest = divmod(day + _EPOCH_ORDINAL - 1, _DAYS_PER_400_YEARS)
    date = dt.date.fromordinal(rest + 1)
    year = date.year + 400 * cycles
    sign = "" if YEAR_0_DAYS <= day < YEAR_10000_DAYS else "+" if day > 0 else "-"
    return f"{sign}{abs(year):04}-{date.month:02}-{date.day:02}"


def _far_timestamp(tick: int, shift_s: int, per_second: int) -> str:
    day, rest = divmod(tick + shift_s * per_second, DAY_S * per_second)
    return f"{_far_date(day)}T{_far_time(rest, per_second)}"


def _far_time(tick: int, per_second: int) -> str:
    """A time of day; outside of the day, which Arrow forbids, `-00:00:01` or `25:00:00`."""
    seconds, fraction = divmod(abs(tick), per_second)
    digits = f"{fraction:0{len(str(per_second)) - 1}}" if fraction else ""
    while digits.endswith("000"):
        digits = digits[:-3]
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{'-' if tick < 0 else ''}{clock}{'.' if digits else ''}{digits}"


def _interval(months: int, days: int, nanos: int) -> str:
    sign, size = "-" if nanos < 0 else "", abs(nanos)
    seconds, below = divmod(size, 1_000_000_000)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    words = [f"{months} mons" if months else "", f"{days} days" if days else ""]
    words += [f"{sign}{hours} hours" if hours else "", f"{sign}{minutes} mins" if minutes else ""]
    words += [f"{sign}{seconds}.{below:09} secs" if seconds or below else ""]
    return " ".join(word for word in words if word) or "0 secs"
