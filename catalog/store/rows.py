"""What the stores share: pages, and upserts of many rows in few statements.

A page is read with one row more than it shows, so ``has_more`` costs no count. The traps of a bulk
upsert: one statement must not name an id twice (Postgres refuses it), and the number of rows is
part of the SQL text, so batches are cut into powers of two to keep the prepared statements few.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import Column, Connection, Dialect, RowMapping, Select, Table, bindparam, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from catalog.model import Page

T = TypeVar("T")

PAGE_ROWS_MAX = 1000
# Measured: longer statements fall out of psycopg's query cache and cost twice as much.
_STATEMENT_ROWS_MAX = 8


def utc_now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)


def columns_of(table: Table, model: type[Any]) -> list[Column[Any]]:
    """Return the columns of the table that are fields of the model, in the model's order."""
    return [table.c[name.name] for name in fields(model) if name.name in table.c]


def read_page(
    connection: Connection,
    query: Select[Any],
    make: Callable[[RowMapping], T],
    *,
    limit: int,
    offset: int,
    limit_min: int = 0,
) -> Page[T]:
    """Run the ordered query for one page.

    Args:
        connection: where.
        query: the whole listing, ordered.
        make: turns a row into a value.
        limit: rows wanted; clamped to ``limit_min`` to 1000.
        offset: rows skipped; negative counts as 0.
        limit_min: the smallest page.
    """
    limit = max(limit_min, min(limit, PAGE_ROWS_MAX))
    offset = max(0, offset)
    rows = connection.execute(query.limit(limit + 1).offset(offset)).mappings().all()
    return Page(tuple(make(row) for row in rows[:limit]), limit, offset, len(rows) > limit)


@dataclass(frozen=True, eq=False)
class Upsert:
    """How values of one dataclass are written to one table, whose key is ``id``.

    ``keep`` names columns that never change; ``replace_when`` is a trusted SQL condition over the
    table and ``excluded``, or None to leave an existing row alone.
    """

    table: Table
    replace_when: str | None
    keep: frozenset[str] = frozenset({"id"})


def upsert_rows(connection: Connection, upsert: Upsert, values: Sequence[Any]) -> None:
    """Insert the values, or replace the rows of their ids. Ids must be distinct."""
    dialect = connection.dialect.name
    pack = _packer(upsert, dialect)
    rows = [pack(value) for value in values]
    for part in _powers_of_two(rows):
        statement = _statement(upsert, dialect, len(part))
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(part)))


def _powers_of_two(rows: list[Sequence[Any]]) -> Iterator[list[Sequence[Any]]]:
    start, size = 0, _STATEMENT_ROWS_MAX
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


@cache
def _dialect(name: str) -> Dialect:
    # Positional parameters: a tuple is cheaper to build and to bind than a mapping.
    if name == "sqlite":
        return SQLiteDialect_pysqlite(paramstyle="qmark")
    return PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]  # SQLAlchemy's gap


@cache
def _packer(upsert: Upsert, dialect_name: str) -> Callable[[Any], Sequence[Any]]:
    """Make the function that turns a value into the driver's parameters, in column order."""
    dialect = _dialect(dialect_name)
    read = attrgetter(*upsert.table.c.keys())
    processors = [
        (position, processor)
        for position, column in enumerate(upsert.table.c)
        if (processor := column.type.dialect_impl(dialect).bind_processor(dialect)) is not None
    ]

    def pack(value: Any) -> Sequence[Any]:  # noqa: ANN401 - any dataclass with those fields
        row = list(read(value))
        for position, processor in processors:
            row[position] = processor(row[position])
        return row

    return pack


@cache
def _statement(upsert: Upsert, dialect_name: str, row_count: int) -> str:
    insert = sqlite.insert if dialect_name == "sqlite" else postgresql.insert
    names = [column.name for column in upsert.table.c]
    statement = insert(upsert.table).values(
        [{name: bindparam(f"{name}_{row}") for name in names} for row in range(row_count)]
    )
    if upsert.replace_when is None:
        statement = statement.on_conflict_do_nothing(index_elements=["id"])
    else:
        statement = statement.on_conflict_do_update(
            index_elements=["id"],
            set_={name: statement.excluded[name] for name in names if name not in upsert.keep},
            where=text(upsert.replace_when),
        )
    return str(statement.compile(dialect=_dialect(dialect_name)))
