"""The SQL of a scan, and the reading of what it brings.

The invariant: columns are told by their place, and a column whose values come in another form than
its type was described with is an error, so a table that changed in between is never misread.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from connectors.arrow_batches import Array, conform_batch, storage_of
from connectors.base import After, Losses, Part, Scan, SourceColumn, SourceTable
from connectors.errors import SourceFailed
from connectors.sources.postgres.column_types import ColumnType
from connectors.sources.postgres.discovery import FoundTable, identifier, literal

_SOMETHING = "true"
"""Selected where no column is wanted: rows have to be counted by something."""


@dataclass(frozen=True, slots=True)
class PostgresPart(Part):
    """A piece of a table, or all of it.

    Attributes:
        sql: gives its rows.
        types: the ways of its columns.
        snapshot: exported snapshot that it belongs to; None for one of its own.
    """

    sql: str
    types: tuple[ColumnType, ...]
    snapshot: str | None = None


def check_unchanged(columns: Iterable[SourceColumn], now: SourceTable) -> None:
    """Compare described columns with what they are now.

    Raises:
        SourceFailed: one of them is gone, has another type, or may be NULL where it might not.
    """
    present = {column.name: column for column in now.columns}
    for column in columns:
        found = present.get(column.name)
        is_same = found is not None and found.type == column.type
        if found is None or not is_same or (found.nullable and not column.nullable):
            raise _changed(column.name)


def select_query(
    found: FoundTable,
    scan: Scan,
    names: Sequence[str],
    *,
    dialect: str,
    condition: str | None = None,
) -> tuple[str, tuple[ColumnType, ...]]:
    """Return the SELECT of a scan, and the ways of its columns.

    Args:
        found: the table as it is now.
        scan: which of its rows are wanted.
        names: of the columns, in order.
        dialect: of the server.
        condition: one more, as SQL.
    """
    ways = {column.name: way for column, way in zip(found.table.columns, found.types, strict=True)}
    expressions = [
        expression
        for name in names
        for expression in ways[name].expressions(identifier(name, dialect=dialect))
    ]
    after = scan.after and _after(scan.after, ways, dialect)
    conditions = [f"({each}\n)" for each in (condition, after, scan.where) if each is not None]
    source = identifier(found.table.schema, found.table.name, dialect=dialect)
    sql = f"SELECT {', '.join(expressions) or _SOMETHING} FROM {source}"  # noqa: S608 - quoted
    if conditions:
        sql += f" WHERE {' AND '.join(conditions)}"
    if scan.limit is not None:
        sql += f" LIMIT {int(scan.limit)}"
    return sql, tuple([ways[name] for name in names])


def wrapped_query(sql: str, types: Sequence[ColumnType]) -> str:
    """Select the columns of a query, in order, each by its way."""
    names = [f"c{place}" for place in range(len(types))]
    expressions = [
        expression
        for name, way in zip(names, types, strict=True)
        for expression in way.expressions(name)
    ]
    aliases = f" ({', '.join(names)})" if names else ""
    return f"SELECT {', '.join(expressions) or _SOMETHING} FROM (\n{sql}\n) AS q{aliases}"  # noqa: S608 - c0, c1


def seen_query(sql: str, find: Callable[[str, str], FoundTable]) -> str:
    """Make a query see the values of its tables as they arrive, texts in the order of their bytes.

    A table with its schema is to be read by a SELECT of its own, of nothing but columns; a condition
    in there is one of a scan, and sees the values as the server has them.

    Args:
        sql: a query.
        find: describes the table of a schema and a name.

    Raises:
        SourceFailed: a table is read in another way.
    """
    try:
        tree = sqlglot.parse_one(sql, dialect="postgres")
    except SqlglotError:
        return sql  # no table is read by what is no SQL
    tables = [table for table in tree.find_all(exp.Table) if table.db]
    for table in tables:
        select = table.find_ancestor(exp.Select)
        if select is None or not _is_plain_read(select):
            raise SourceFailed("A query must read each table in a SELECT of its own")
        found = find(table.db, table.name)
        ways = dict(zip([c.name for c in found.table.columns], found.types, strict=True))
        for column in select.selects:
            if column.name not in ways:
                raise _changed(column.name)
            seen = ways[column.name].seen.replace("{}", identifier(column.name))
            column.replace(exp.alias_(exp.var(seen), column.name, quoted=True))
    return tree.sql(dialect="postgres") if tables else sql


def _is_plain_read(select: exp.Select) -> bool:
    parts = {name for name, value in select.args.items() if value}
    return parts <= {"expressions", "from_", "where"} and all(
        isinstance(each, exp.Column) for each in select.selects
    )


def wires_of(types: Sequence[ColumnType]) -> list[pa.DataType | None]:
    """Return the types of the columns that a SELECT of these ways brings."""
    wires = [
        wire
        for way in types
        for wire in ([way.wire] if way.guard is None else [way.wire, pa.bool_()])
    ]
    return wires or [pa.bool_()]


def declared_batches(
    batches: Iterable[pa.RecordBatch],
    types: Sequence[ColumnType],
    schema: pa.Schema,
    losses: Losses,
) -> Iterator[pa.RecordBatch]:
    """Bring what a SELECT of these ways brings to the declared schema.

    Raises:
        SourceFailed: a column has not the form of its way, or a value is not what is declared.
    """
    width = len(wires_of(types))
    for batch in batches:
        if batch.num_columns != width:
            raise SourceFailed("The source sent another number of columns than it was asked for")
        if not types:
            yield batch.select([])
            continue
        columns = iter(batch.columns)
        arrays = [
            _declared(columns, way, name, losses)
            for way, name in zip(types, schema.names, strict=True)
        ]
        yield conform_batch(pa.RecordBatch.from_arrays(arrays, schema.names), schema)


def _declared(columns: Iterator[Array], way: ColumnType, name: str, losses: Losses) -> Array:
    array = storage_of(next(columns))
    if way.guard is not None:
        left_out: Any = next(columns)
        losses.add(name, "of several dimensions became NULL", left_out.true_count)
    if way.wire is not None and array.type != way.wire:
        raise _changed(name)
    return array if way.decode is None else way.decode(array, name, losses)


def _changed(name: str) -> SourceFailed:
    return SourceFailed(
        f"The table has changed since it was described: column '{name}' is another one"
    )


def _after(after: After, ways: Mapping[str, ColumnType], dialect: str) -> str:
    """Compare as Arrow does, and leave out what is NULL there."""
    way = ways.get(after.column)
    if way is None:
        raise _changed(after.column)
    if way.order is None:
        raise SourceFailed(f"Column '{after.column}' has no order to go on from")
    column = identifier(after.column, dialect=dialect)
    ordered = way.order.replace("{}", column)
    condition = f"{ordered} > {literal(after.value)}"
    return condition if way.end is None else f"{condition} AND {ordered} < {literal(way.end)}"
