"""What the server is and can: Flight SQL's GetSqlInfo and GetXdbcTypeInfo.

Only what is true and somebody asks for: identity, read-only, case of names, quotes, limits. A number that
is not known is left out of the answer, as the protocol says.

Source: the enums SqlInfo and XdbcDataType of ``format/FlightSql.proto`` in apache/arrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from server.release import release

_STRING, _BOOL, _BIGINT, _BITMASK, _STRINGS, _MAP = range(6)
_VALUE_TYPES: tuple["pa.Field[Any]", ...] = (
    pa.field("string_value", pa.string()),
    pa.field("bool_value", pa.bool_()),
    pa.field("bigint_value", pa.int64()),
    pa.field("int32_bitmask", pa.int32()),
    pa.field("string_list", pa.list_(pa.string())),
    pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32()))),
)
_SQL_INFO: list["pa.Field[Any]"] = [
    pa.field("info_name", pa.uint32(), nullable=False),
    pa.field("value", pa.dense_union(list(_VALUE_TYPES)), nullable=False),
]
SQL_INFO_SCHEMA = pa.schema(_SQL_INFO)
_TYPE_INFO: list["pa.Field[Any]"] = [
    pa.field("type_name", pa.string(), nullable=False),
    pa.field("data_type", pa.int32(), nullable=False),
    pa.field("column_size", pa.int32()),
    pa.field("literal_prefix", pa.string()),
    pa.field("literal_suffix", pa.string()),
    pa.field("create_params", pa.list_(pa.field("item", pa.string(), nullable=False))),
    pa.field("nullable", pa.int32(), nullable=False),
    pa.field("case_sensitive", pa.bool_(), nullable=False),
    pa.field("searchable", pa.int32(), nullable=False),
    pa.field("unsigned_attribute", pa.bool_()),
    pa.field("fixed_prec_scale", pa.bool_(), nullable=False),
    pa.field("auto_increment", pa.bool_()),
    pa.field("local_type_name", pa.string()),
    pa.field("minimum_scale", pa.int32()),
    pa.field("maximum_scale", pa.int32()),
    pa.field("sql_data_type", pa.int32(), nullable=False),
    pa.field("datetime_subcode", pa.int32()),
    pa.field("num_prec_radix", pa.int32()),
    pa.field("interval_precision", pa.int32()),
]
TYPE_INFO_SCHEMA = pa.schema(_TYPE_INFO)
STATEMENT_IDLE_MS = 3_600_000
_LOWERCASE = 3
_ALL_SUBQUERIES, _ALL_UNIONS, _ALL_GROUPINGS = 0b1111, 0b11, 0b11
_FULL_OUTER_JOINS = 2
_NULLS_HIGH = 0
_TRANSACTION_NONE_BIT = 1
_FORWARD_ONLY_BIT, _READ_ONLY_BIT = 0b10, 0b10


def sql_info(wanted: Sequence[int], *, chars_max: int) -> pa.Table:
    """Answer GetSqlInfo.

    Args:
        wanted: numbers of SqlInfo; none means all.
        chars_max: characters of a statement at most.

    Returns:
        One row per number that is known, in order of the numbers.
    """
    known = _facts(chars_max)
    numbers = sorted(known if not wanted else known.keys() & {*wanted})
    children: list[list[Any]] = [[] for _ in _VALUE_TYPES]
    kinds: list[int] = []
    offsets: list[int] = []
    for number in numbers:
        kind, value = known[number]
        kinds.append(kind)
        offsets.append(len(children[kind]))
        children[kind].append(value)
    union = pa.UnionArray.from_dense(
        pa.array(kinds, pa.int8()),
        pa.array(offsets, pa.int32()),
        [
            pa.array(values, field.type)
            for values, field in zip(children, _VALUE_TYPES, strict=True)
        ],
        [field.name for field in _VALUE_TYPES],
    )
    return pa.table([pa.array(numbers, pa.uint32()), union], schema=SQL_INFO_SCHEMA)


def type_info(wanted: int | None) -> pa.Table:
    """Answer GetXdbcTypeInfo: one row per type, ordered by its number and name."""
    rows = [
        each.row()
        for each in sorted(_TYPES, key=lambda each: (each.data_type, each.type_name))
        if wanted is None or each.data_type == wanted
    ]
    return pa.Table.from_pylist(rows, TYPE_INFO_SCHEMA)


def _facts(chars_max: int) -> dict[int, tuple[int, Any]]:
    return {
        0: (_STRING, "Tidemill"),
        1: (_STRING, release()),
        2: (_STRING, pa.__version__),
        3: (_BOOL, True),  # read only
        4: (_BOOL, True),  # SQL
        5: (_BOOL, False),  # Substrait
        8: (_BITMASK, 0),  # no transactions
        9: (_BOOL, True),  # cancellation
        100: (_BITMASK, STATEMENT_IDLE_MS),
        500: (_BOOL, False),  # no DDL of catalogs, schemas and tables
        501: (_BOOL, False),
        502: (_BOOL, False),
        503: (_BITMASK, _LOWERCASE),
        504: (_STRING, '"'),
        505: (_BITMASK, 0),  # quoted names keep their case, for which there is no number
        506: (_BOOL, True),  # all tables are selectable
        507: (_BITMASK, _NULLS_HIGH),
        513: (_STRING, "\\"),
        514: (_STRING, "$"),
        515: (_BOOL, True),  # column aliases
        516: (_BOOL, True),  # NULL || 'a' is NULL
        518: (_BOOL, True),  # table aliases
        519: (_BOOL, False),
        520: (_BOOL, True),  # expressions in ORDER BY
        521: (_BOOL, True),  # ORDER BY what is not selected
        522: (_BITMASK, _ALL_GROUPINGS),
        523: (_BOOL, True),  # LIKE … ESCAPE
        524: (_BOOL, True),  # columns may be NOT NULL
        528: (_BITMASK, _FULL_OUTER_JOINS),
        529: (_STRING, "schema"),
        530: (_STRING, ""),
        531: (_STRING, "catalog"),
        532: (_BOOL, True),  # the catalog stands first
        533: (_BITMASK, 0),
        534: (_BITMASK, 0),
        535: (_BITMASK, 0),
        536: (_BOOL, False),  # SELECT FOR UPDATE
        537: (_BOOL, False),  # procedures
        538: (_BITMASK, _ALL_SUBQUERIES),
        539: (_BOOL, True),  # correlated subqueries
        540: (_BITMASK, _ALL_UNIONS),
        557: (_BIGINT, chars_max),
        562: (_BITMASK, 0),  # no transactions, so no isolation
        563: (_BOOL, False),
        564: (_BITMASK, _TRANSACTION_NONE_BIT),
        567: (_BITMASK, _FORWARD_ONLY_BIT),
        569: (_BITMASK, _READ_ONLY_BIT),
        572: (_BOOL, False),  # batch updates
        573: (_BOOL, False),  # savepoints
        574: (_BOOL, False),  # named parameters
    }


@dataclass(frozen=True, slots=True)
class _Type:
    """A type of SQL; ``data_type`` is its number in JDBC and ODBC, ``size`` as these count it."""

    type_name: str
    data_type: int
    size: int | None = None
    quote: str | None = None
    is_number: bool = False
    radix: int | None = None
    scales: tuple[int, int] | None = None
    params: tuple[str, ...] | None = None
    generic_type: int | None = None
    subcode: int | None = None

    def row(self) -> dict[str, Any]:
        is_text = self.data_type == _VARCHAR
        return {
            "type_name": self.type_name,
            "data_type": self.data_type,
            "column_size": self.size,
            "literal_prefix": self.quote,
            "literal_suffix": None if self.quote is None else "'",
            "create_params": self.params,
            "nullable": 1,
            "case_sensitive": is_text,
            "searchable": 3 if is_text else 2,
            "unsigned_attribute": False if self.is_number else None,
            "fixed_prec_scale": False,
            "auto_increment": False if self.is_number else None,
            "local_type_name": self.type_name,
            "minimum_scale": None if self.scales is None else self.scales[0],
            "maximum_scale": None if self.scales is None else self.scales[1],
            "sql_data_type": self.generic_type or self.data_type,
            "datetime_subcode": self.subcode,
            "num_prec_radix": self.radix,
            "interval_precision": None,
        }


_VARCHAR = 12
_DATETIME = 9
_TYPES = (
    _Type("BOOLEAN", -7, 1),
    _Type("TINYINT", -6, 3, is_number=True, radix=10, scales=(0, 0)),
    _Type("SMALLINT", 5, 5, is_number=True, radix=10, scales=(0, 0)),
    _Type("INTEGER", 4, 10, is_number=True, radix=10, scales=(0, 0)),
    _Type("BIGINT", -5, 19, is_number=True, radix=10, scales=(0, 0)),
    _Type("REAL", 7, 24, is_number=True, radix=2),
    _Type("DOUBLE PRECISION", 8, 53, is_number=True, radix=2),
    _Type(
        "DECIMAL",
        3,
        76,
        is_number=True,
        radix=10,
        scales=(0, 76),
        params=("precision", "scale"),
    ),
    _Type("VARCHAR", _VARCHAR, None, quote="'"),
    _Type("BYTEA", -3, None),
    _Type("DATE", 91, 10, quote="DATE '", generic_type=_DATETIME, subcode=1),
    _Type("TIME", 92, 18, quote="TIME '", scales=(0, 9), generic_type=_DATETIME, subcode=2),
    _Type(
        "TIMESTAMP", 93, 29, quote="TIMESTAMP '", scales=(0, 9), generic_type=_DATETIME, subcode=3
    ),
    _Type(
        "TIMESTAMP WITH TIME ZONE",
        93,
        35,
        quote="TIMESTAMPTZ '",
        scales=(0, 9),
        generic_type=_DATETIME,
        subcode=5,
    ),
    _Type("INTERVAL", 10, None, quote="INTERVAL '"),
)
