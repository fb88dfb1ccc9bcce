"""A column's values in Postgres's text format, by the type it is announced as.

Invariant: what the output function of Postgres's type writes, byte for byte.
Trap: text is sent as it is, a zero byte too, which no Postgres has and C clients read as the end.
"""

import binascii
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from engine.encode.pg import temporal
from engine.encode.pg.arrays import array_text
from engine.encode.pg.cells import Cells, fixed, fixed_text
from engine.encode.pg.floats import float_text
from engine.encode.pg.pg_types import PgType
from engine.encode.strings import TEXT, Array, concat
from engine.encode.text import decoded, json_text, plain_text

_FALSE, _TRUE = ord("f"), ord("t")
_IS_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_UUID_WIDTH = 36
_UUID_DASHES = [8, 13, 18, 23]
_UUID_DIGITS = [place for place in range(_UUID_WIDTH) if place not in _UUID_DASHES]


def text_cells(array: Array, kind: PgType, time_zone: str) -> Cells:
    """Encode a column as text.

    Args:
        array: of any Arrow type.
        kind: what `pg_type_of` says of it.
        time_zone: in which timestamps with a time zone are shown; checked before.

    Raises:
        SqlInvalid: a value is outside the range of its Postgres type.
    """
    array = decoded(array)
    if not len(array) or pa.types.is_null(array.type):
        return pa.nulls(len(array), TEXT)
    if kind.is_array:
        element = kind.element
        return array_text(array, element, lambda cells: text_cells(cells, element, time_zone))
    if kind.name == "timestamptz":
        return temporal.timestamp_text(array, time_zone)
    return _ENCODERS.get(kind.name, _string)(array)


def json_string(array: Array) -> Cells:
    """JSON documents: strings as they are, anything else as this service writes JSON."""
    if any(is_text(array.type) for is_text in _IS_TEXT):
        return array.cast(TEXT)
    text = json_text(array)
    return concat('"', text.values, '"') if text.quoted else text.values


def _string(array: Array) -> Cells:
    return array.cast(TEXT)


def _bool(array: Array) -> Cells:
    bits = array.cast(pa.bool_()).cast(pa.uint8()).fill_null(0).to_numpy()
    return fixed(_FALSE + (_TRUE - _FALSE) * bits, "u1", array)


def _number(array: Array) -> Cells:
    return plain_text(array)


def _bytea(array: Array) -> Cells:
    return concat("\\x", plain_text(array))


def _uuid(array: Array) -> Cells:
    digits = np.frombuffer(binascii.hexlify(uuid_rows(array).data), np.uint8).reshape(-1, 32)
    rows = np.empty((len(array), _UUID_WIDTH), np.uint8)
    rows[:, _UUID_DIGITS] = digits
    rows[:, _UUID_DASHES] = ord("-")
    return fixed_text(rows, array)


def uuid_rows(array: Array) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Return the (rows, 16) bytes of 16-byte values, any bytes where null."""
    end = array.offset + len(array)
    data = np.frombuffer(array.buffers()[1], np.uint8, end * 16)
    return data.reshape(-1, 16)[array.offset :]


def _timestamp(array: Array) -> Cells:
    return temporal.timestamp_text(array, None)


_ENCODERS: dict[str, Callable[[Array], Cells]] = {
    "bool": _bool,
    "bytea": _bytea,
    **dict.fromkeys(("int2", "int4", "int8", "oid", "numeric"), _number),
    **dict.fromkeys(("float4", "float8"), float_text),
    "date": temporal.date_text,
    "time": temporal.time_text,
    "timestamp": _timestamp,
    "interval": temporal.interval_text,
    "uuid": _uuid,
    **dict.fromkeys(("json", "jsonb"), json_string),
}
