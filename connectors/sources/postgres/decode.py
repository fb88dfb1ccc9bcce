"""Makes declared values of what the driver gives, column by column.

The invariant: a value that Arrow cannot hold becomes NULL and is counted, or is an error. Traps: the
driver moves the epoch of timestamps and dates without a check, so infinite and very late ones
arrive as other dates; they are told by numbers no real value has. ``24:00`` arrives as a time that
no reader of Arrow accepts. Each search costs one comparison of a batch.
"""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.arrow_batches import Array, numbers_of_text
from connectors.base import Losses
from connectors.errors import SourceFailed

Decode = Callable[[Array, str, Losses], Array]
"""Values as the driver gave them, name of the column, losses; the values as declared."""

TIMESTAMP_MIN = -210_866_803_200_000_000
"""Microseconds to 4714-11-24 BC, the first timestamp of Postgres."""
TIMESTAMP_INFINITIES = (-(1 << 63) + 946_684_799_999_999, -(1 << 63) + 946_684_800_000_000)
"""Infinity and -infinity after the driver has moved the epoch, which wraps around."""
TIMESTAMP_END = "294247-01-10 04:00:54.775808"
"""The first timestamp that 64 bits of microseconds since 1970 do not hold."""
DATE_MIN = -2_440_588
"""Days to 4714-11-24 BC, the first date of Postgres."""
DATE_INFINITIES = (-(1 << 31) + 10_956, -(1 << 31) + 10_957)
DAY_END = 86_400_000_000
"""Microseconds of 24:00."""

_INTEGER_TEXT = pa.decimal128(38, 6)


def decode_timestamps(array: Array, column: str, losses: Losses) -> Array:
    """Replace infinite timestamps, and those too late for Arrow, by NULL."""
    values = array.view(pa.int64())
    is_odd = pc.less(values, pa.scalar(TIMESTAMP_MIN))
    if not is_odd.true_count:
        return array
    infinite = pc.is_in(values, value_set=pa.array(TIMESTAMP_INFINITIES)).true_count
    losses.add(column, "of infinity became NULL", infinite)
    losses.add(column, "after the year 294246 became NULL", is_odd.true_count - infinite)
    return _without(array, is_odd)


def decode_dates(array: Array, column: str, losses: Losses) -> Array:
    """Replace infinite dates by NULL."""
    values = array.view(pa.int32())
    is_odd = pc.less(values, pa.scalar(DATE_MIN, pa.int32()))
    if not is_odd.true_count:
        return array
    losses.add(column, "of infinity became NULL", is_odd.true_count)
    return _without(array, is_odd)


def decode_times(array: Array, column: str, losses: Losses) -> Array:
    """Replace 24:00 by NULL."""
    values = array.view(pa.int64())
    is_odd = pc.greater_equal(values, pa.scalar(DAY_END))
    if not is_odd.true_count:
        return array
    losses.add(column, "of 24:00 became NULL", is_odd.true_count)
    return _without(array, is_odd)


def decode_decimals(array: Array, column: str, losses: Losses, *, dtype: pa.DataType) -> Array:
    """Read decimals from their text; NaN becomes NULL."""
    try:
        return array.cast(dtype)
    except pa.ArrowInvalid:
        return numbers_of_text(array, dtype, column=column, losses=losses)


def decode_lists(
    array: Array, column: str, losses: Losses, *, element: Decode, dtype: pa.DataType
) -> Array:
    """Decode the elements of lists."""
    lists: Any = array
    values = element(lists.values, column, losses)
    return pa.ListArray.from_arrays(lists.offsets, values, type=dtype, mask=lists.is_null())


def decode_any(array: Array, column: str, losses: Losses, *, dtype: pa.DataType) -> Array:
    """Bring the values of a query to the type a plan gave them.

    Raises:
        SourceFailed: a value is none of that type.
    """
    sent = array.type
    if pa.types.is_timestamp(sent):
        array = decode_timestamps(array, column, losses)
    elif pa.types.is_date32(sent):
        array = decode_dates(array, column, losses)
    elif pa.types.is_time64(sent):
        array = decode_times(array, column, losses)
    elif pa.types.is_string(sent) and pa.types.is_integer(dtype):
        array = numbers_of_text(array, _INTEGER_TEXT, column=column, losses=losses)
    if array.type == dtype:
        return array
    try:
        brought = array.cast(dtype)
        is_exact = not pa.types.is_temporal(dtype) or brought.cast(array.type).equals(array)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise SourceFailed(f"Column '{column}' holds a value that is no {dtype}") from error
    if not is_exact:
        raise SourceFailed(f"Column '{column}' holds a value that is no {dtype}")
    return brought


def _without(array: Array, is_odd: Array) -> Array:
    kept: Array = pc.if_else(is_odd, pa.scalar(None, array.type), array)
    return kept
