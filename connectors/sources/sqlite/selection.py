"""The SQL of a scan, and of a query, over columns whose values have one type.

The invariant: conditions see values as they arrive. SQLite would compare a date with a number, call
``'10' < 9`` false, and take ``CAST('2020-05-01' AS DATE)`` for 2020. So conditions run over values
that went through :meth:`Kind.value`, and where SQL has no such type (dates, timestamps, times,
decimals) these are coded, and may only be compared with literals, which are coded too, or
among themselves. Everything else is refused: whoever asked reads the rows and does it better.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from connectors.base import After
from connectors.errors import SourceFailed
from connectors.sources.sqlite.database import FUNCTION
from connectors.sources.sqlite.values import Kind, SqlValue, Unfit

DIALECT = "sqlite"

_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)
_OUTPUT = (exp.Select, exp.Alias, exp.Group, exp.Ordered)
_AGGREGATES = (exp.Count, exp.Distinct, exp.Min, exp.Max)
"""What looks into a coded value no further than its order."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; ``declared`` is its type in the words of its table."""

    name: str
    declared: str
    kind: Kind

    @property
    def read(self) -> str:
        """SQL of the value as :meth:`Kind.array` takes it."""
        name = quoted(self.name)
        if not self.kind.is_escaped:
            return name
        return (
            f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB)"
            f" WHEN 'blob' THEN quote({name}) ELSE {name} END"
        )

    @property
    def seen(self) -> str:
        """SQL of the value as conditions see it; like every CASE, without a collation."""
        name = quoted(self.name)
        if self.kind.is_escaped:
            return (
                f"CASE typeof({name}) WHEN 'null' THEN NULL WHEN 'blob' THEN quote({name})"
                f" WHEN 'text' THEN {name} ELSE {self._value} END"
            )
        if self.kind.usual is not None:
            condition, coded = (template.format(name) for template in self.kind.usual)
            return (
                f"CASE WHEN {name} IS NULL THEN NULL WHEN {condition} THEN {coded}"
                f" ELSE {self._value} END"
            )
        if self.kind.storage is None:
            return f"CASE WHEN {name} IS NOT NULL THEN {self._value} END"
        return (
            f"CASE typeof({name}) WHEN {literal(self.kind.storage)} THEN {name}"
            f" WHEN 'null' THEN NULL ELSE {self._value} END"
        )

    @property
    def _value(self) -> str:
        # What is escaped is read like a column without a type: numbers become their text.
        declared = "" if self.kind.is_escaped else self.declared
        return f"{FUNCTION}({literal(declared)}, {literal(self.name)}, {quoted(self.name)})"


Columns = Mapping[str, Column]
"""The columns of a table, by their names in lower case."""
Resolver = Callable[[exp.Column], Column | None]
"""Finds what a column of a query is; None for what is no column of a table."""


def quoted(name: str) -> str:
    """Quote an identifier."""
    return exp.to_identifier(name, quoted=True).sql(dialect=DIALECT)


def literal(value: SqlValue) -> str:
    """Write a value."""
    return _literal(value).sql(dialect=DIALECT)


def by_name(columns: Sequence[Column]) -> Columns:
    """Return columns by name; SQLite does not heed its case."""
    return {column.name.lower(): column for column in columns}


def scan_sql(
    table: str,
    columns: Sequence[Column],
    wanted: Sequence[Column],
    conditions: Sequence[str],
    limit: int | None,
) -> str:
    """Return SQL of the wanted columns, for :meth:`Kind.array`.

    Args:
        table: its name.
        columns: all of the table.
        wanted: those to return.
        conditions: over values as they arrive; without any, no value is looked at in SQL.
        limit: rows at most.
    """
    source = seen_rows(table, columns) if conditions else quoted(table)
    rows = f"SELECT {', '.join(f'{c.read} AS {quoted(c.name)}' for c in wanted)} FROM {source}"  # noqa: S608 - of quoted parts
    if conditions:
        rows += " WHERE " + " AND ".join(f"({condition})" for condition in conditions)
    return rows if limit is None else f"{rows} LIMIT {limit}"


def seen_rows(table: str, columns: Sequence[Column]) -> str:
    """Return SQL of a table as conditions see it, under its own name."""
    seen = ", ".join(f"{column.seen} AS {quoted(column.name)}" for column in columns)
    return f"(SELECT {seen} FROM main.{quoted(table)}) AS {quoted(table)}"  # noqa: S608 - of quoted parts


def greater(after: After, columns: Columns) -> str:
    """Return the condition of an incremental scan.

    Raises:
        SourceFailed: the column cannot be compared in SQLite.
    """
    kind = columns[after.column.lower()].kind
    if kind.comparison == "never":
        raise SourceFailed(f"Column '{after.column}' has too many digits to be compared in SQLite")
    return f"{quoted(after.column)} > {literal(_of_text(kind, after.value))}"


def checked_condition(sql: str, columns: Columns) -> str:
    """Return a condition whose literals are coded as the columns are.

    Raises:
        SourceFailed: it cannot be parsed, or does with a coded value what SQL cannot.
    """
    tree = _parsed(f"SELECT 1 WHERE {sql}")
    condition = tree.args["where"].this if isinstance(tree, exp.Select) else tree
    if condition.find(exp.Query):
        raise SourceFailed("A condition with a query in it is not run in SQLite")
    for column in list(condition.find_all(exp.Column)):
        _checked_column(column, lambda column: columns.get(column.name.lower()))
    return str(condition.sql(dialect=DIALECT))


def checked_query(sql: str, find: Callable[[str], Sequence[Column] | None]) -> str:
    """Return a query over tables as conditions see them.

    Args:
        sql: one SELECT.
        find: a table's name to its columns; None when there is none.

    Raises:
        SourceFailed: it is not one SELECT over known tables, or does with a coded value what SQL
            cannot.
    """
    tree = _parsed(sql)
    scopes = list(traverse_scope(tree))
    for scope in scopes:
        tables = [source for source in scope.sources.values() if isinstance(source, exp.Table)]
        known = {table.alias_or_name.lower(): by_name(_found(table, find)) for table in tables}
        resolve = partial(_resolved, known)
        found = [_checked_column(column, resolve) for column in scope.columns]
        is_hidden = len(scopes) > 1 or tree.find(exp.Having) or "unknown" in found
        if "coded" in found and is_hidden:
            raise SourceFailed("Dates and decimals cannot be used in such a query in SQLite")
        for table in tables:
            _replace(table, _found(table, find))
    return tree.sql(dialect=DIALECT)


def _resolved(known: Mapping[str, Columns], column: exp.Column) -> Column | None:
    """Find the column of one of the tables that a name stands for."""
    for name, columns in known.items():
        if column.table.lower() in {"", name} and column.name.lower() in columns:
            return columns[column.name.lower()]
    return None


def _checked_column(column: exp.Column, resolve: Resolver) -> Literal["free", "coded", "unknown"]:
    """Code what a column is compared with; say whether its values are coded."""
    # The values of a scan have lost the schema they came from.
    column.set("db", None)
    column.set("catalog", None)
    known = resolve(column)
    if known is None:
        # The name of an output may stand for a coded value, which is fine where it only orders.
        return "free" if isinstance(_parent_of(column), exp.Ordered | exp.Group) else "unknown"
    if known.kind.comparison == "free":
        return "free"
    _code_comparison(column, known, resolve)
    return "coded"


def _parsed(sql: str) -> exp.Query:
    try:
        (tree,) = sqlglot.parse(sql, dialect=DIALECT)
    except (SqlglotError, ValueError) as error:
        raise SourceFailed("The query is not one that can be parsed") from error
    if not isinstance(tree, exp.Query):
        raise SourceFailed("Only one SELECT can be run")
    return tree


def _found(table: exp.Table, find: Callable[[str], Sequence[Column] | None]) -> Sequence[Column]:
    columns = find(table.name) if table.db.lower() in {"", "main"} else None
    if columns is None or not isinstance(table.this, exp.Identifier):
        raise SourceFailed(f"There is no table '{table.name}'")
    return columns


def _replace(table: exp.Table, columns: Sequence[Column]) -> None:
    rows = sqlglot.parse_one(f"SELECT * FROM {seen_rows(table.name, columns)}", dialect=DIALECT)  # noqa: S608 - of quoted parts
    subquery = rows.find(exp.Subquery)
    assert subquery is not None
    subquery.set("alias", exp.TableAlias(this=exp.to_identifier(table.alias_or_name, quoted=True)))
    table.replace(subquery)


def _code_comparison(column: exp.Column, known: Column, resolve: Resolver) -> None:
    """Code the literals that a coded column is compared with, or refuse what it stands in."""
    parent = _parent_of(column)
    if isinstance(parent, _COMPARISONS) and known.kind.comparison != "never":
        for operand in _operands(parent):
            _code(operand, known, resolve)
        return
    while isinstance(parent, _AGGREGATES):
        parent = _parent_of(parent)
    is_null_asked = isinstance(parent, exp.Is) and isinstance(parent.expression, exp.Null)
    if not (isinstance(parent, _OUTPUT) or is_null_asked):
        raise _refused(known)


def _parent_of(node: exp.Expr) -> exp.Expr | None:
    parent = node.parent
    while isinstance(parent, exp.Paren):
        parent = parent.parent
    return parent


def _operands(comparison: exp.Expr) -> Iterator[exp.Expr]:
    for value in comparison.args.values():
        yield from value if isinstance(value, list) else [value] if value is not None else []


def _code(operand: exp.Expr, known: Column, resolve: Resolver) -> None:
    inner = operand.unnest()
    if isinstance(inner, exp.Column):
        other = resolve(inner)
        if other is None or other.kind.arrow != known.kind.arrow:
            raise _refused(known)
        return
    if isinstance(inner, exp.Cast) and known.kind.comparison == "text":
        inner = inner.this
    if isinstance(inner, exp.Null):
        return
    if known.kind.comparison == "number":
        if not _is_number(inner):
            raise _refused(known)
        return
    if not isinstance(inner, exp.Literal) or not inner.is_string:
        raise _refused(known)
    operand.replace(_literal(_of_text(known.kind, inner.this)))


def _is_number(node: exp.Expr) -> bool:
    node = node.this if isinstance(node, exp.Neg) else node
    return isinstance(node, exp.Literal) and not node.is_string


def _of_text(kind: Kind, text: str) -> SqlValue:
    """Code a value from the text Arrow has for it."""
    if kind.comparison == "free" and kind.storage != "text":
        return _FREE_VALUES[kind.storage](text)
    try:
        return kind.coded(kind.value(text))
    except Unfit as error:
        raise SourceFailed(f"A value that was compared with is no {kind.arrow}") from error


_FREE_VALUES: Mapping[str | None, Callable[[str], SqlValue]] = {
    "integer": int,
    "real": float,
    "blob": str.encode,
    None: lambda text: int(text == "true"),
}


def _refused(column: Column) -> SourceFailed:
    return SourceFailed(
        f"Column '{column.name}' of type {column.kind.arrow} cannot be used like this in SQLite"
    )


def _literal(value: SqlValue) -> exp.Expr:
    if isinstance(value, bytes):
        return exp.HexString(this=value.hex())
    if isinstance(value, str):
        # A statement ends at its first NUL.
        is_plain = "\0" not in value
        return exp.Literal.string(value) if is_plain else exp.cast(_literal(value.encode()), "TEXT")
    # Infinity has no word of its own.
    return exp.Literal.number(repr(value).replace("inf", "9e999"))
