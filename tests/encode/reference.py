"""The JSON that every Arrow type must become, one value at a time, and how to read ours back."""

import datetime as dt
import json
import math
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from engine.encode import open_encoder

# Raw values: ints for integers, dates, times, timestamps, durations and decimals (unscaled);
# floats; str; bytes; (months, days, nanos); lists; tuples for structs; pairs for maps.
Raw: TypeAlias = Any
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class Members(list[tuple[str, Any]]):
    """A JSON object with its order and its duplicates."""


def build(kind: pa.DataType, raws: list[Raw]) -> Any:
    """Make an Arrow array from raw values, without the conversions under test."""
    mask = np.array([raw is None for raw in raws], bool)
    if isinstance(kind, pa.ListType | pa.LargeListType):
        lengths = [len(raw or ()) for raw in raws]
        width = np.int32 if isinstance(kind, pa.ListType) else np.int64
        offsets = np.concatenate(([0], np.cumsum(lengths))).astype(width)
        child = build(kind.value_type, [item for raw in raws for item in raw or ()])
        maker: Any = pa.ListArray if isinstance(kind, pa.ListType) else pa.LargeListArray
        return maker.from_arrays(pa.array(offsets), child, mask=pa.array(mask))
    if isinstance(kind, pa.StructType):
        blank = (None,) * kind.num_fields
        columns = [
            build(kind.field(i).type, [(raw or blank)[i] for raw in raws])
            for i in range(kind.num_fields)
        ]
        return pa.StructArray.from_arrays(columns, fields=list(kind), mask=pa.array(mask))
    if pa.types.is_decimal(kind):
        whole = pa.array(
            [None if raw is None else Decimal(raw) for raw in raws], pa.decimal128(38, 0)
        )
        return pa.Array.from_buffers(kind, len(raws), whole.buffers())
    if pa.types.is_temporal(kind) and not pa.types.is_interval(kind):
        stored: Any = pa.array(raws, pa.int32() if kind.bit_width == 32 else pa.int64())
        return stored.view(kind)
    if pa.types.is_float16(kind):
        halves = np.array([0 if raw is None else raw for raw in raws], np.float16)
        return pa.array(halves, mask=mask)
    return pa.array(raws, kind)


def civil(days: int) -> str:
    """Walk 400-year cycles until Python's calendar can name the day."""
    cycles = 0
    while not 0 < days + 719_163 <= 3_652_059:
        step = max(1, abs(days) // 146_097 - 9) * (1 if days > 0 else -1)
        days, cycles = days - step * 146_097, cycles + step
    date = dt.date.fromordinal(days + 719_163)
    year = date.year + 400 * cycles
    shown = f"{year:04}" if 0 <= year <= 9999 else f"{'+' if year > 0 else '-'}{abs(year):04}"
    return f"{shown}-{date.month:02}-{date.day:02}"


def fraction(ticks: int, per_second: int) -> str:
    digits = f"{ticks * (10**9 // per_second):09}"
    for shown in (0, 3, 6, 9):
        if set(digits[shown:]) <= {"0"}:
            return f".{digits[:shown]}" if shown else ""
    raise AssertionError(digits)


def clock(ticks: int, per_second: int) -> str:
    seconds, below = divmod(ticks, per_second)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    return f"{hours:02}:{minutes:02}:{seconds:02}{fraction(below, per_second)}"


def shift_s(ticks: int, per_second: int, zone: str) -> int:
    if zone[0] in "+-":
        size = int(zone[1:3]) * 3600 + int(zone[4:]) * 60
        return size if zone[0] == "+" else -size
    instant = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=ticks // per_second)
    offset = instant.astimezone(zoneinfo.ZoneInfo(zone)).utcoffset() or dt.timedelta()
    return int(offset.total_seconds())


def timestamp(ticks: int, unit: str, zone: str | None) -> str:
    per_second = PER_SECOND[unit]
    shift = shift_s(ticks, per_second, zone) if zone else 0
    days, rest = divmod(ticks + shift * per_second, 86_400 * per_second)
    text = f"{civil(days)}T{clock(rest, per_second)}"
    if not zone:
        return text
    minutes = (abs(shift) + 30) // 60
    return text + (
        f"{'-' if shift < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}" if shift else "Z"
    )


def duration(ticks: int, unit: str) -> str:
    if ticks == 0:
        return "P0D"
    exact = Decimal(abs(ticks)) / PER_SECOND[unit]
    text = f"{exact:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{'-' if ticks < 0 else ''}PT{text}S"


def nested(kind: pa.DataType, raw: Raw) -> Any:
    if isinstance(kind, pa.StructType):
        named = zip(kind, raw, strict=True)
        return Members((f.name, expected(f.type, r)) for f, r in named if r is not None)
    if isinstance(kind, pa.MapType):
        return Members((key, expected(kind.item_type, r)) for key, r in raw if r is not None)
    return [expected(kind.value_type, item) for item in raw]  # type: ignore[attr-defined]  # a list


def floating(kind: pa.DataType, raw: float) -> Decimal | None:
    width: Any = {16: np.float16, 32: np.float32, 64: np.float64}[kind.bit_width]
    return Decimal(str(width(raw))) if math.isfinite(raw) else None


def decimal(kind: Any, raw: int) -> Decimal | int:
    digits = tuple(int(digit) for digit in str(abs(raw)))
    return Decimal((int(raw < 0), digits, -kind.scale)) if kind.scale > 0 else raw * 10**-kind.scale


RULES: tuple[tuple[Callable[[Any], bool], Callable[[Any, Raw], Any]], ...] = (
    (pa.types.is_floating, floating),
    (pa.types.is_decimal, decimal),
    (pa.types.is_date32, lambda _, r: civil(r)),
    (pa.types.is_date64, lambda _, r: timestamp(r, "ms", None)),
    (pa.types.is_timestamp, lambda k, r: timestamp(r, k.unit, k.tz)),
    (pa.types.is_time, lambda k, r: clock(r, PER_SECOND[k.unit])),
    (pa.types.is_duration, lambda k, r: duration(r, k.unit)),
    (pa.types.is_nested, nested),
    (lambda k: "binary" in str(k), lambda _, r: r.hex()),
)


def expected(kind: pa.DataType, raw: Raw) -> Any:
    """The JSON value that a raw value must become."""
    if raw is None:
        return None
    rule = next((rule for holds, rule in RULES if holds(kind)), lambda _, value: value)
    return rule(kind, raw)


def same(got: Any, want: Any) -> bool:
    """Equal, and of equal JSON type: 1 is not 1.0, and an exponent changes no Decimal."""
    if type(got) is not type(want):
        return False
    if isinstance(want, list):
        return len(got) == len(want) and all(map(same, got, want))
    if isinstance(want, tuple):
        return got[0] == want[0] and same(got[1], want[1])
    return bool(got == want) and str(got)[:1] == str(want)[:1]


def rows_json(*arrays: Any, slices: tuple[int, ...] = ()) -> list[list[Any]]:
    """Encode columns in the given row slices and parse what comes out."""
    batch = pa.RecordBatch.from_arrays(list(arrays), names=["x"] * len(arrays))
    encoder = open_encoder("json", batch.schema)
    bounds = [0, *sorted(slices), batch.num_rows]
    chunks = [encoder.begin()]
    for start, stop in pairwise(bounds):
        chunks += [bytes(chunk) for chunk in encoder.encode(batch.slice(start, stop - start))]
    text = b"[" + b"".join([*chunks, encoder.finish()]) + b"]"
    parsed: list[list[Any]] = json.loads(text, parse_float=Decimal, object_pairs_hook=Members)
    return parsed
