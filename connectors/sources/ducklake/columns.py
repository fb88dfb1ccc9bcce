"""Columns of a DuckLake table, and what their types are in Arrow and in DuckDB.

A nested column is a tree, as the catalog has it: the elements of a list, the keys and values of a
map, and the fields of a struct are columns with ids of their own.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pyarrow as pa
from sqlglot import exp

_DECIMAL = re.compile(r"decimal\((\d{1,2}),\s*(\d{1,2})\)")
_DECIMAL_DIGITS_MAX = 38

_ARROW: Mapping[str, pa.DataType] = MappingProxyType(
    {
        "boolean": pa.bool_(),
        "int8": pa.int8(),
        "int16": pa.int16(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        # 128 bits have 39 digits.
        "int128": pa.decimal256(39, 0),
        "uint8": pa.uint8(),
        "uint16": pa.uint16(),
        "uint32": pa.uint32(),
        "uint64": pa.uint64(),
        "uint128": pa.decimal256(39, 0),
        "float32": pa.float32(),
        "float64": pa.float64(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "time_ns": pa.time64("ns"),
        "timetz": pa.string(),
        "timestamp": pa.timestamp("us"),
        "timestamp_us": pa.timestamp("us"),
        "timestamp_ms": pa.timestamp("us"),
        "timestamp_s": pa.timestamp("us"),
        "timestamp_ns": pa.timestamp("ns"),
        "timestamptz": pa.timestamp("us", "UTC"),
        "interval": pa.string(),
        "varchar": pa.string(),
        "json": pa.string(),
        "uuid": pa.string(),
        "variant": pa.string(),
        "blob": pa.binary(),
        "geometry": pa.binary(),
    }
)

_DUCKDB: Mapping[str, str] = MappingProxyType(
    {
        "boolean": "BOOLEAN",
        "int8": "TINYINT",
        "int16": "SMALLINT",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "int128": "HUGEINT",
        "uint8": "UTINYINT",
        "uint16": "USMALLINT",
        "uint32": "UINTEGER",
        "uint64": "UBIGINT",
        "uint128": "UHUGEINT",
        "float32": "FLOAT",
        "float64": "DOUBLE",
        "date": "DATE",
        "time": "TIME",
        "time_ns": "TIME_NS",
        "timetz": "TIMETZ",
        "timestamp": "TIMESTAMP",
        "timestamp_us": "TIMESTAMP",
        "timestamp_ms": "TIMESTAMP_MS",
        "timestamp_s": "TIMESTAMP_S",
        "timestamp_ns": "TIMESTAMP_NS",
        "timestamptz": "TIMESTAMPTZ",
        "interval": "INTERVAL",
        "varchar": "VARCHAR",
        # As JSON the text would be parsed, and then be another text.
        "json": "VARCHAR",
        "uuid": "UUID",
        "variant": "VARIANT",
        "blob": "BLOB",
        "geometry": "GEOMETRY",
    }
)

_EXPORTED: Mapping[str, str] = MappingProxyType(
    {
        "int128": "VARCHAR",
        "uint128": "VARCHAR",
        "timetz": "VARCHAR",
        "interval": "VARCHAR",
        "uuid": "VARCHAR",
        "variant": "JSON",
    }
)
"""What a type is cast to before it leaves DuckDB, where Arrow would lose or not take it."""

_MAY_BECOME_NULL = frozenset(
    kind for kind in _ARROW if kind.startswith(("date", "time")) and kind != "timetz"
)
_CHILDREN: Mapping[str, range] = MappingProxyType(
    {"list": range(1, 2), "map": range(2, 3), "struct": range(1, 1 << 31)}
)


@dataclass(frozen=True, slots=True)
class LakeColumn:
    """A column, or a part of a nested one, as it is in one snapshot.

    Attributes:
        id: stays when it is renamed or its type is widened; the field id in Parquet.
        type: as the catalog writes it, e.g. ``decimal(4,1)`` or ``list``.
        initial_default: what rows have that are older than the column, as DuckDB's text; None = NULL.
    """

    id: int
    name: str
    type: str
    nullable: bool
    initial_default: str | None = None
    children: tuple["LakeColumn", ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether values of this type, and of all below, can be read."""
        if self.type in _CHILDREN:
            counts = _CHILDREN[self.type]
            return len(self.children) in counts and all(c.is_known for c in self.children)
        return self.type in _ARROW or self._decimal is not None

    @property
    def native_type(self) -> str:
        """The whole type in one line.

        >>> element = LakeColumn(2, "element", "int32", True)
        >>> LakeColumn(1, "a", "list", True, children=(element,)).native_type
        'list<int32>'
        """
        if self.type == "struct":
            inner = [f"{child.name}: {child.native_type}" for child in self.children]
        else:
            inner = [child.native_type for child in self.children]
        return f"{self.type}<{', '.join(inner)}>" if inner else self.type

    @property
    def arrow_type(self) -> pa.DataType:
        """The declared type; text for one that is not known, and so cannot be read."""
        if not self.is_known:
            return pa.string()
        inner = [child.arrow_type for child in self.children]
        if self.type == "list":
            return pa.list_(inner[0])
        if self.type == "map":
            return pa.map_(inner[0], inner[1])
        if self.type == "struct":
            names = [child.name for child in self.children]
            return pa.struct(list(zip(names, inner, strict=True)))
        return self._decimal or _ARROW[self.type]

    @property
    def arrow_nullable(self) -> bool:
        """False only when no rule of the type makes a NULL."""
        return self.nullable or self.type in _MAY_BECOME_NULL

    @property
    def duckdb_type(self) -> str:
        """The type in DuckDB's SQL, into which a text of the catalog is cast."""
        return self._duckdb_type(exported=False)

    @property
    def exported_type(self) -> str:
        """The type in DuckDB's SQL that reaches Arrow unharmed."""
        return self._duckdb_type(exported=True)

    def walk(self) -> "Iterator[LakeColumn]":
        """Yield this column and all below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def _decimal(self) -> pa.DataType | None:
        found = _DECIMAL.fullmatch(self.type)
        if found is None:
            return None
        precision, scale = int(found[1]), int(found[2])
        is_valid = 1 <= precision <= _DECIMAL_DIGITS_MAX and scale <= precision
        return pa.decimal128(precision, scale) if is_valid else None

    def _duckdb_type(self, *, exported: bool) -> str:
        inner = [child._duckdb_type(exported=exported) for child in self.children]
        if self.type == "list":
            return f"{inner[0]}[]"
        if self.type == "map":
            return f"MAP({inner[0]}, {inner[1]})"
        if self.type == "struct":
            names = [quoted(child.name, "duckdb") for child in self.children]
            fields = [f"{name} {kind}" for name, kind in zip(names, inner, strict=True)]
            return f"STRUCT({', '.join(fields)})"
        if self._decimal is not None:
            return self.type.upper()
        return (_EXPORTED if exported else {}).get(self.type) or _DUCKDB[self.type]


def quoted(name: str, dialect: str) -> str:
    """Quote an identifier.

    >>> print(quoted('a "b', "duckdb"))
    "a ""b"
    """
    return exp.to_identifier(name, quoted=True).sql(dialect=dialect)
