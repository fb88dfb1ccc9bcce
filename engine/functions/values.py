"""How the functions read their columns: by distinct values, and with a mask of what is there.

A user function of DataFusion has one exact signature. A text argument takes a value of any scalar type, as
its Arrow text: that is how one ``to_char`` serves dates, intervals and numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from engine.errors import SqlInvalid

# The stubs know no array whose items may be anything.
Column = Any
pc: Any = pyarrow.compute
Integers = npt.NDArray[np.int64]
_INTERVAL = np.dtype([("months", np.int32), ("days", np.int32), ("nanos", np.int64)])


def by_value(
    keys: Column, values: Column, answer: pa.DataType, run: Callable[[str, Column], Column]
) -> Column:
    """Call ``run(key, values of its rows)`` for each distinct key, and put the answers back in order.

    Args:
        keys: texts, mostly one and the same (a pattern); rows without one are NULL.
        values: of any type, as long as the keys.
        answer: type of what ``run`` returns.
        run: vectorised over its rows.
    """
    distinct = keys.unique()
    if len(distinct) == 1 and distinct[0].is_valid:
        return run(distinct[0].as_py(), values)
    places, parts = [], []
    for key in distinct.to_pylist():
        chosen = pc.is_null(keys) if key is None else pc.fill_null(pc.equal(keys, key), False)
        rows = np.flatnonzero(chosen.to_numpy(zero_copy_only=False))
        places.append(rows)
        parts.append(nulls(len(rows), answer) if key is None else run(key, values.take(rows)))
    if not parts:
        return nulls(0, answer)
    back = np.argsort(np.concatenate(places), kind="stable")
    return pa.concat_arrays([part.cast(answer) for part in parts]).take(pa.array(back))


def map_distinct(values: Column, answer: pa.DataType, run: Callable[[Any], Any]) -> Column:
    """Call ``run`` for each distinct value: a loop of Python, where no vectorised way exists.

    NULL stays NULL.
    """
    coded = values.dictionary_encode()
    answers = [None if value is None else run(value) for value in coded.dictionary.to_pylist()]
    return pa.array(answers, answer).take(coded.indices)


def map_rows(columns: Sequence[Column], answer: pa.DataType, run: Callable[..., Any]) -> Column:
    """Call ``run`` for each distinct row: a loop of Python, where no vectorised way exists.

    A row with a NULL is NULL. Rows whose other arguments are one value cost as :func:`map_distinct`.
    """
    first, others = columns[0], columns[1:]
    if not pa.types.is_list(first.type) and len(first) and all(map(_is_constant, others)):
        values = [column[0].as_py() for column in others]
        if None in values:
            return nulls(len(first), answer)
        return map_distinct(first, answer, lambda value: run(value, *values))
    known: dict[tuple[Any, ...], Any] = {}
    answers: list[Any] = []
    for row in zip(*(column.to_pylist() for column in columns), strict=True):
        if None in row:
            answers.append(None)
            continue
        key = tuple(tuple(item) if isinstance(item, list) else item for item in row)
        if key not in known:
            known[key] = run(*row)
        answers.append(known[key])
    return pa.array(answers, answer)


def _is_constant(column: Column) -> bool:
    """Whether all values are one: each equals the one before it."""
    return bool(column.slice(1).equals(column.slice(0, len(column) - 1)))


def relisted(lists: Column, items: Column) -> Column:
    """Make lists as long as others, of other items; a NULL list becomes an empty one."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    ends = pa.array(lengths.cumsum(), pa.int32())
    return pa.ListArray.from_arrays(pa.concat_arrays([pa.array([0], pa.int32()), ends]), items)


def nulls(count: int, dtype: pa.DataType) -> Column:
    """Make a column without values."""
    return pa.array([None] * count, dtype)


def column_of(values: npt.NDArray[Any]) -> Column:
    """Make a column of what numpy has: all are there."""
    return pa.array(values)


def integers(column: Column) -> Integers:
    """Read integers; 0 where there is none."""
    read: Integers = pc.fill_null(pc.cast(column, pa.int64()), 0).to_numpy(zero_copy_only=False)
    return read


def validity(*columns: Column) -> npt.NDArray[np.bool_]:
    """Where no column is NULL."""
    there = np.ones(len(columns[0]), np.bool_)
    for column in columns:
        if column.null_count:
            there &= pc.is_valid(column).to_numpy(zero_copy_only=False)
    return there


def masked(values: npt.NDArray[Any], there: npt.NDArray[np.bool_], dtype: pa.DataType) -> Column:
    """Make a column of values, NULL where nothing is there."""
    mask = None if there.all() else ~there
    if pa.types.is_timestamp(dtype) or pa.types.is_date32(dtype):
        narrow = values.astype(np.int32 if pa.types.is_date32(dtype) else np.int64)
        whole = pa.array(narrow, mask=mask)
        return whole.view(dtype)
    return pa.array(values, mask=mask).cast(dtype)


def read_intervals(column: Column) -> tuple[Integers, Integers, Integers]:
    """Read intervals as months, days and microseconds; 0 where there is none."""
    data = np.frombuffer(column.buffers()[1], _INTERVAL)
    data = data[column.offset : column.offset + len(column)]
    there = validity(column)
    months, days, nanos = (np.where(there, data[part], 0) for part in _INTERVAL.names or ())
    return months.astype(np.int64), days.astype(np.int64), nanos.astype(np.int64) // 1000


def make_intervals(
    months: Integers, days: Integers, micros: Integers, there: npt.NDArray[np.bool_]
) -> Column:
    """Make intervals of months, days and microseconds.

    Raises:
        SqlInvalid: a part is out of its range: 2**31 months or days, about 292 years of a clock.
    """
    for part, most in ((months, 2**31 - 1), (days, 2**31 - 1), (micros, (2**63 - 1) // 1000)):
        if part.size and np.abs(part).max() > most:
            raise SqlInvalid("interval out of range")
    data = np.empty(len(months), _INTERVAL)
    data["months"], data["days"], data["nanos"] = months, days, micros * 1000
    bits = pa.py_buffer(np.packbits(there, bitorder="little").tobytes())
    buffers: list[pa.Buffer | None] = [bits, pa.py_buffer(data.tobytes())]
    return pa.Array.from_buffers(pa.month_day_nano_interval(), len(months), buffers)
