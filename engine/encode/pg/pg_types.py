"""Which Postgres type a column of an Arrow type is announced as.

Invariant: every Arrow type has one, so every result can be described before its first row.
Trap: an Arrow type says less than its field: JSON and UUIDs that lost their extension type are known
by the field's metadata only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import pyarrow as pa
from pyarrow import lib

types = pa.types

# The stubs know no common class of lists, and none of decimals.
DType: TypeAlias = Any

# A result whose text is of a catalog type (`oid`, `name`) says so in the metadata of its field.
TYPE_KEY = b"postgres.type"
_EXTENSION_KEY = b"ARROW:extension:name"
_UUID_BYTES = 16
_HEADER_BYTES = 4


@dataclass(frozen=True, slots=True)
class PgType:
    """A type as `pg_type` and RowDescription have it.

    Attributes:
        oid: its number, the same in every Postgres.
        name: `typname`, as in `int4` and `_int4`.
        size: bytes of a value, -1 when they vary.
        category: `typcategory`, one letter.
        array_oid: the type of arrays of it; 0 for an array.
        element_oid: the type of an array's elements; 0 for anything else.
        modifier: `atttypmod`: precision and scale of a numeric, else -1.
    """

    oid: int
    name: str
    size: int
    category: str
    array_oid: int = 0
    element_oid: int = 0
    modifier: int = -1

    @property
    def is_array(self) -> bool:
        """Whether this is a type of arrays."""
        return self.category == "A"

    @property
    def element(self) -> "PgType":
        """The type of an array's elements, with the array's modifier."""
        return replace(TYPE_OF_OID[self.element_oid], modifier=self.modifier)

    @property
    def array(self) -> "PgType":
        """The type of arrays of this type, with its modifier; an array is its own."""
        if self.is_array:
            return self
        return replace(TYPE_OF_OID[self.array_oid], modifier=self.modifier)


@dataclass(frozen=True, slots=True)
class PgColumn:
    """One column of an answer, as Postgres describes it.

    Attributes:
        name: shown to the user.
        type_oid: of its type in ``pg_type``.
        size: of a value in bytes; negative where it varies.
        modifier: of the type, as numeric(10, 2) has one; -1 = none.
    """

    name: str
    type_oid: int
    size: int
    modifier: int = -1


_SCALARS = (
    PgType(16, "bool", 1, "B", 1000),
    PgType(17, "bytea", -1, "U", 1001),
    PgType(18, "char", 1, "Z", 1002),
    PgType(19, "name", 64, "S", 1003, 18),
    PgType(20, "int8", 8, "N", 1016),
    PgType(21, "int2", 2, "N", 1005),
    PgType(23, "int4", 4, "N", 1007),
    PgType(25, "text", -1, "S", 1009),
    PgType(26, "oid", 4, "N", 1028),
    PgType(114, "json", -1, "U", 199),
    PgType(700, "float4", 4, "N", 1021),
    PgType(701, "float8", 8, "N", 1022),
    PgType(1042, "bpchar", -1, "S", 1014),
    PgType(1043, "varchar", -1, "S", 1015),
    PgType(1082, "date", 4, "D", 1182),
    PgType(1083, "time", 8, "D", 1183),
    PgType(1114, "timestamp", 8, "D", 1115),
    PgType(1184, "timestamptz", 8, "D", 1185),
    PgType(1186, "interval", 16, "T", 1187),
    PgType(1700, "numeric", -1, "N", 1231),
    PgType(2950, "uuid", 16, "U", 2951),
    PgType(3802, "jsonb", -1, "U", 3807),
)

TYPES: tuple[PgType, ...] = (
    *_SCALARS,
    *(PgType(one.array_oid, f"_{one.name}", -1, "A", 0, one.oid) for one in _SCALARS),
)
"""Every type a result can have and its arrays: the rows of `pg_type` that are true here."""

TYPE_OF_OID = {one.oid: one for one in TYPES}
TYPE_OF_NAME = {one.name: one for one in TYPES}

_TEXTS = frozenset(("text", "varchar", "bpchar", "name", "char", "json", "jsonb"))
_EXTENSIONS = {"arrow.uuid": "uuid", "arrow.json": "json", "arrow.bool8": "bool"}
_INTEGERS = {
    lib.Type_INT8: "int2",
    lib.Type_UINT8: "int2",
    lib.Type_INT16: "int2",
    lib.Type_UINT16: "int4",
    lib.Type_INT32: "int4",
    lib.Type_UINT32: "int8",
    lib.Type_INT64: "int8",
}
_NAMES = {
    **_INTEGERS,
    lib.Type_NA: "text",
    lib.Type_BOOL: "bool",
    lib.Type_HALF_FLOAT: "float4",
    lib.Type_FLOAT: "float4",
    lib.Type_DOUBLE: "float8",
    **dict.fromkeys((lib.Type_STRING, lib.Type_LARGE_STRING, lib.Type_STRING_VIEW), "text"),
    **dict.fromkeys((lib.Type_BINARY, lib.Type_LARGE_BINARY, lib.Type_BINARY_VIEW), "bytea"),
    lib.Type_FIXED_SIZE_BINARY: "bytea",
    **dict.fromkeys((lib.Type_DATE32, lib.Type_DATE64), "date"),
    **dict.fromkeys((lib.Type_TIME32, lib.Type_TIME64), "time"),
    lib.Type_DURATION: "interval",
    # Of months, and of days and milliseconds: pyarrow knows their numbers only.
    21: "interval",
    22: "interval",
    lib.Type_INTERVAL_MONTH_DAY_NANO: "interval",
    **dict.fromkeys((lib.Type_STRUCT, lib.Type_MAP), "json"),
    **dict.fromkeys((lib.Type_SPARSE_UNION, lib.Type_DENSE_UNION), "json"),
}
UINT64_DIGITS = 20


def pg_type_of(dtype: pa.DataType, metadata: Mapping[bytes, bytes] | None = None) -> PgType:
    """Return the Postgres type of a column.

    Args:
        dtype: any Arrow type. Lists become arrays, however deep; structs, maps and unions json.
        metadata: that of the field; `postgres.type` names a catalog type (`oid`, `name`) and
            `ARROW:extension:name` an extension type that was not registered.
    """
    # Not remembered: lists are equal whatever their fields' metadata says.
    found = _list_type(dtype) if is_list(dtype) else _type_of(dtype)
    if not metadata:
        return found
    named = metadata.get(TYPE_KEY, b"").decode("utf-8", "replace")
    named = named or _EXTENSIONS.get(
        metadata.get(_EXTENSION_KEY, b"").decode("utf-8", "replace"), ""
    )
    return TYPE_OF_NAME[named] if _is_held_by(named, found, dtype) else found


def numeric_modifier(precision: int, scale: int) -> int:
    """Return `atttypmod` of `numeric(precision, scale)`; a scale may be negative."""
    return ((precision << 16) | (scale & 0x7FF)) + _HEADER_BYTES


def is_list(dtype: DType) -> bool:
    """Tell whether Arrow values of this type are lists, in any of the five layouts."""
    return isinstance(
        dtype,
        pa.ListType
        | pa.LargeListType
        | pa.FixedSizeListType
        | pa.ListViewType
        | pa.LargeListViewType,
    )


def _is_held_by(named: str, found: PgType, dtype: pa.DataType) -> bool:
    """Whether values of `dtype`, by itself `found`, can be written as the type called `named`."""
    if named not in TYPE_OF_NAME:
        return False
    if found.is_array:
        return named[0] == "_" and _is_held_by(named[1:], found.element, pa.string())
    if named in _TEXTS:
        return found.name == "text" and not types.is_null(dtype)
    if named == "oid":
        return found.name in {"int4", "int8"}
    return named == "uuid" and isinstance(dtype, pa.FixedSizeBinaryType) and _is_uuid_wide(dtype)


def _is_uuid_wide(dtype: pa.FixedSizeBinaryType) -> bool:
    return dtype.byte_width == _UUID_BYTES


def _list_type(dtype: Any) -> PgType:  # noqa: ANN401 - any of the five layouts
    return pg_type_of(dtype.value_type, dtype.value_field.metadata).array


@lru_cache(maxsize=1024)
def _type_of(dtype: pa.DataType) -> PgType:
    if isinstance(dtype, pa.BaseExtensionType):
        name = _EXTENSIONS.get(dtype.extension_name)
        return TYPE_OF_NAME[name] if name else _type_of(dtype.storage_type)
    if isinstance(dtype, pa.DictionaryType | pa.RunEndEncodedType):
        return _type_of(dtype.value_type)
    return _plain_type_of(dtype)


def _plain_type_of(dtype: DType) -> PgType:
    if is_list(dtype):
        return pg_type_of(dtype.value_type, dtype.value_field.metadata).array
    if isinstance(dtype, pa.TimestampType):
        return TYPE_OF_NAME["timestamptz" if dtype.tz else "timestamp"]
    if types.is_decimal(dtype):
        modifier = numeric_modifier(dtype.precision, dtype.scale)
        return replace(TYPE_OF_NAME["numeric"], modifier=modifier)
    if types.is_uint64(dtype):
        return replace(TYPE_OF_NAME["numeric"], modifier=numeric_modifier(UINT64_DIGITS, 0))
    return TYPE_OF_NAME[_NAMES.get(dtype.id, "text")]
