"""A column's values in Postgres's binary format, by the type it is announced as.

Invariant: what the send function of Postgres's type writes, byte for byte; numbers are big-endian.
Trap: a list of lists of different lengths is no Postgres array: it has a text form, but no binary.
"""

from collections.abc import Callable

import pyarrow as pa

from engine.encode.pg import temporal
from engine.encode.pg.arrays import array_binary
from engine.encode.pg.cells import DATA, Cells, fixed, fixed_text
from engine.encode.pg.numeric import numeric_binary
from engine.encode.pg.pg_types import PgType
from engine.encode.pg.text import json_string, uuid_rows
from engine.encode.strings import Array, concat
from engine.encode.text import decoded

_JSONB_VERSION = "\x01"


def binary_cells(array: Array, kind: PgType) -> Cells:
    """Encode a column in binary.

    Args:
        array: of any Arrow type.
        kind: what `pg_type_of` says of it.

    Raises:
        SqlInvalid: a value is outside the range of its Postgres type, or lists are no array.
    """
    array = decoded(array)
    if not len(array) or pa.types.is_null(array.type):
        return pa.nulls(len(array), DATA)
    if kind.is_array:
        element = kind.element
        return array_binary(array, element, lambda cells: binary_cells(cells, element))
    return _ENCODERS.get(kind.name, _bytes)(array)


def _bytes(array: Array) -> Cells:
    return array.cast(DATA)


def _bool(array: Array) -> Cells:
    bits = array.cast(pa.bool_()).cast(pa.uint8())
    return fixed(bits.fill_null(0).to_numpy(), "u1", array)


def _sent_as(dtype: str) -> Callable[[Array], Cells]:
    def encode(array: Array) -> Cells:
        return fixed(array.fill_null(0).to_numpy(), dtype, array)

    return encode


def _float4(array: Array) -> Cells:
    """Halves too, which have no kernels of their own."""
    numbers = array.cast(pa.float32()).fill_null(0).to_numpy()
    return fixed(numbers, ">f4", array)


def _uuid(array: Array) -> Cells:
    return fixed_text(uuid_rows(array), array)


def _jsonb(array: Array) -> Cells:
    return concat(_JSONB_VERSION, json_string(array))


_ENCODERS: dict[str, Callable[[Array], Cells]] = {
    "bool": _bool,
    "int2": _sent_as(">i2"),
    "int4": _sent_as(">i4"),
    "int8": _sent_as(">i8"),
    "oid": _sent_as(">u4"),
    "float4": _float4,
    "float8": _sent_as(">f8"),
    "numeric": numeric_binary,
    "date": temporal.date_binary,
    "time": temporal.time_binary,
    **dict.fromkeys(("timestamp", "timestamptz"), temporal.timestamp_binary),
    "interval": temporal.interval_binary,
    "uuid": _uuid,
    "json": json_string,
    "jsonb": _jsonb,
}
