"""Writes the SELECTs: names and values are quoted here, and nowhere else.

The traps: a string beside a number is compared as a double, a YEAR beside a small number as two
digits, and texts by their collation, where 'a' equals 'A'. So numbers are written as numbers and
texts compared by their bytes in UTF-8, which is also the order Arrow has.
"""

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from connectors.base import After, Scan, SourceColumn, SourceTable
from connectors.errors import SourceFailed
from connectors.sources.mysql.column_types import (
    GEOMETRIES,
    as_text,
    expression,
    may_be_impossible,
    type_name,
)

DIALECT = "mysql"


def quoted(name: str) -> str:
    """Quote an identifier.

    >>> quoted("a`b")
    '`a``b`'
    """
    return exp.to_identifier(name, quoted=True).sql(dialect=DIALECT)


def select(table: SourceTable, columns: tuple[SourceColumn, ...], scan: Scan) -> str:
    """Write the SELECT of a scan."""
    chosen = ", ".join(expression(column, quoted(column.name)) for column in columns)
    words = ["SELECT", chosen, "FROM", f"{quoted(table.schema)}.{quoted(table.name)}"]
    conditions = [f"({scan.where})"] if scan.where else []
    if scan.after is not None:
        conditions.append(_greater(table, scan.after))
    if conditions:
        words += ["WHERE", " AND ".join(conditions)]
    if scan.limit is not None:
        words += ["LIMIT", str(scan.limit)]
    return " ".join(words)


def exact_floats(sql: str, schema: pa.Schema) -> str:
    """Make a SELECT send its FLOAT columns as doubles, where they can be told apart.

    A statement of another shape is left as it is: its FLOATs are refused when they arrive.
    """
    places = [i for i, dtype in enumerate(schema.types) if pa.types.is_float32(dtype)]
    if not places:
        return sql
    try:
        statement = sqlglot.parse_one(sql, dialect=DIALECT)
    except SqlglotError:
        return sql
    if not isinstance(statement, exp.Select) or len(statement.expressions) != len(schema):
        return sql
    for place in places:
        chosen = statement.expressions[place]
        if chosen.is_star:
            return sql
        double = exp.Mul(this=exp.paren(chosen.unalias()), expression=exp.Literal.number("1e0"))
        alias = exp.alias_(double, chosen.alias_or_name or schema.names[place], quoted=True)
        statement.expressions[place].replace(alias)
    return statement.sql(dialect=DIALECT)


def _greater(table: SourceTable, after: After) -> str:
    column = next((column for column in table.columns if column.name == after.column), None)
    if column is None:
        raise SourceFailed(f"The table has no column '{after.column}' any more")
    name = quoted(column.name)
    if pa.types.is_string(column.type):
        return f"CAST({as_text(name)} AS BINARY) > x'{after.value.encode().hex()}'"
    if pa.types.is_binary(column.type) and type_name(column.native_type) not in GEOMETRIES:
        return f"{name} > x'{after.value.encode().hex()}'"
    try:
        literal = _literal(column, after.value)
    except pa.ArrowInvalid as error:
        raise SourceFailed(f"Column '{column.name}' has no such value") from error
    if may_be_impossible(column.type):
        # An impossible date arrives as NULL, which is greater than nothing.
        return f"{name} > {literal} AND {name} + INTERVAL 0 DAY IS NOT NULL"
    if type_name(column.native_type) in {"year", "bit"}:
        return f"{name} + 0 > {literal}"
    return f"{name} > {literal}"


def _literal(column: SourceColumn, value: str) -> str:
    """Write a value so that the server compares it as the column's own type."""
    scalar = pa.scalar(value).cast(column.type)
    dtype = column.type
    if pa.types.is_integer(dtype) or pa.types.is_boolean(dtype):
        return str(int(scalar.as_py()))
    if pa.types.is_decimal(dtype):
        return f"{scalar.as_py():f}"
    if pa.types.is_floating(dtype):
        digits = repr(scalar.as_py())
        return digits if "e" in digits else f"{digits}e0"
    if pa.types.is_date(dtype):
        return f"DATE'{scalar.cast(pa.string())}'"
    if pa.types.is_timestamp(dtype):
        return f"TIMESTAMP'{scalar.cast(pa.timestamp('us')).cast(pa.string())}'"
    raise SourceFailed(f"Column '{column.name}' has no order to follow")
