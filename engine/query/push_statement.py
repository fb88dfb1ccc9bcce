"""Whole statements, as a remote database may be asked for them.

A statement is pushed only when every construct in it is on a list of those that mean the same in the
source as here, for operands of kinds that are equal, and in order, alike. It starts from what DataFusion's
unparser wrote for Postgres. Missing from the lists, because they differ: division, averages and every
function; numbers with a point (floats here, decimals there); floats, but to be handed through (a NaN has
a sign here, and a sum its order); casts, but of literals; patterns with a backslash.

A source is asked for each table in a SELECT of its own, of the declared columns: there its connector makes
them what a copy would have. The trap: names that differ in case only are one name in DuckDB.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.schema import MappingSchema

from engine.query.push_condition import WRITTEN_IN

TableName = tuple[str, str, str]
"""Catalog, schema and table."""

WHOLE_SOURCES = frozenset({"duckdb", "motherduck", "postgres"})
"""Sources whose meaning of the constructs below has been compared with the engine's."""

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_WHOLE_NODES: tuple[type[exp.Expr], ...] = (
    *(exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered),
    *(exp.Limit, exp.Offset, exp.Subquery, exp.Distinct, exp.TableAlias, exp.Alias, exp.Column),
    *(exp.Table, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.And, exp.Or, exp.Not),
    *(exp.Paren, *_COMPARISONS, exp.Is, exp.In, exp.Between, exp.Exists, exp.Case, exp.If),
    *(exp.Coalesce, exp.Nullif, exp.Like, exp.Neg, exp.Add, exp.Sub, exp.Mul, exp.Count, exp.Sum),
    *(exp.Min, exp.Max, exp.Star, exp.Cast, exp.DataType),
)
_JOIN_KINDS = {"", "INNER", "OUTER", "CROSS"}
_JOIN_SIDES = {"", "LEFT", "RIGHT", "FULL"}
_DIGITS_MAX = 38
_SCALE_MAX = 15
_INTEGER = re.compile(r"\d{1,18}")
_DAY = r"(?:1[7-9]|2[01])\d\d-\d\d-\d\d"
"""In the years that the engine's timestamps of nanoseconds hold."""
_TIME = r"[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?"
_MOMENTS: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "date": ("DATE", re.compile(_DAY)),
    "timestamp": ("TIMESTAMP", re.compile(f"{_DAY}(?:{_TIME})?")),
    "timestamptz": ("TIMESTAMPTZ", re.compile(rf"{_DAY}(?:{_TIME}(?:Z|[+-]\d\d:\d\d)?)?")),
}
_NUMBERS = {"integer", "decimal"}
_SCALED = {"decimal", "timestamp", "timestamptz"}
_ORDERED = {*_NUMBERS, *_MOMENTS, "text"}
_COMPARED = {*_ORDERED, "boolean"}
"""Kinds of values of which two are equal, or one is less, in all sources alike."""
_KINDS = {"smallint": "integer", "int": "integer", "bigint": "integer", "varchar": "text"}


def push_statement(
    sql: str,
    schemas: Mapping[TableName, pa.Schema],
    dialect: str,
    *,
    defaults: tuple[str, str],
    conditions: Mapping[TableName, str],
) -> str | None:
    """Translate a whole statement for a source, or return None when something in it is not proven.

    Args:
        sql: what the unparser wrote for the plan.
        schemas: of the tables.
        dialect: of the source.
        defaults: catalog and schema of names without them.
        conditions: in the source's dialect, without which no row of a table counts. They are asked
            of the table itself, where an index may serve them.
    """
    try:
        tree = sqlglot.parse_one(sql, read=WRITTEN_IN)
        if not _qualify(tree, schemas, defaults):
            return None
        tree = annotate_types(tree, schema=_schema_of(schemas), dialect=WRITTEN_IN)
        _type_moments(tree)
        if not (_are_distinct_names(tree) and all(_is_proven(node) for node in tree.walk())):
            return None
        _spell(tree, dialect)
        _read_tables(tree, schemas, conditions, dialect)
        return tree.sql(dialect=dialect)
    except (SqlglotError, RecursionError):
        return None


def _qualify(
    tree: exp.Expr, schemas: Mapping[TableName, pa.Schema], defaults: tuple[str, str]
) -> bool:
    """Give tables their full names; tell whether all of them are known."""
    catalog, schema = defaults
    for table in tree.find_all(exp.Table):
        table.set("catalog", _quoted(table.catalog or catalog))
        table.set("db", _quoted(table.db or schema))
        if not schemas.get(_name_of(table)):
            return False
    return True


def _name_of(table: exp.Table) -> TableName:
    return table.catalog, table.db, table.name


def _schema_of(schemas: Mapping[TableName, pa.Schema]) -> MappingSchema:
    nested: dict[str, Any] = {}
    for (catalog, schema, table), columns in schemas.items():
        types = {f'"{field.name}"': _sql_type(field.type) for field in columns}
        nested.setdefault(f'"{catalog}"', {}).setdefault(f'"{schema}"', {})[f'"{table}"'] = types
    return MappingSchema(nested, dialect=WRITTEN_IN)


def _is_plain_decimal(dtype: Any) -> bool:  # noqa: ANN401 - decimals have no common class
    """Tell whether its digits fit into the engine's 38 beside those of any integer."""
    if not pa.types.is_decimal(dtype) or dtype.scale > _SCALE_MAX:
        return False
    return bool(dtype.precision - dtype.scale <= _DIGITS_MAX - _SCALE_MAX)


_SQL_TYPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_signed_integer, "BIGINT"),
    (_is_plain_decimal, "DECIMAL"),
    (pa.types.is_date32, "DATE"),
    (lambda dtype: dtype == pa.timestamp("us"), "TIMESTAMP"),
    (lambda dtype: dtype == pa.timestamp("us", "UTC"), "TIMESTAMPTZ"),
    (pa.types.is_string, "TEXT"),
)


def _sql_type(dtype: pa.DataType) -> str:
    """Return the type whose name is a kind of its own; BYTEA for what is only handed through."""
    return next((name for is_kind, name in _SQL_TYPES if is_kind(dtype)), "BYTEA")


def _kind_of(node: exp.Expr) -> str:
    """Return what a value is: one of ``_COMPARED``, ``null``, or anything else."""
    if isinstance(node, exp.Null):
        return "null"
    name = node.type.this.value.lower() if node.type else "unknown"
    return _KINDS.get(name, name)


def _kinds_of(nodes: Iterable[exp.Expr]) -> set[str]:
    return {_kind_of(node) for node in nodes} - {"null"}


def _operands(node: exp.Expr) -> list[exp.Expr]:
    """Return what a comparison compares."""
    if isinstance(node, exp.In):
        query = node.args.get("query")
        return [node.this, *node.expressions, *([query] if query else [])]
    if isinstance(node, exp.Between):
        return [node.this, node.args["low"], node.args["high"]]
    if isinstance(node, exp.Coalesce):
        return [node.this, *node.expressions]
    return [node.this, node.expression]


def _type_moments(tree: exp.Expr) -> None:
    """Write a text that is compared with a date or a timestamp as one."""
    for node in list(tree.find_all(*_COMPARISONS, exp.In, exp.Between)):
        operands = _operands(node)
        kind = next((each for each in map(_kind_of, operands) if each in _MOMENTS), None)
        for operand in operands if kind else []:
            if isinstance(operand, exp.Literal) and operand.is_string:
                cast = exp.cast(operand.copy(), _MOMENTS[kind or ""][0])
                cast.type = cast.to
                operand.replace(cast)


def _are_distinct_names(tree: exp.Expr) -> bool:
    """Tell whether names stay different when their case does not count."""
    scopes = [
        [select.alias_or_name for select in each.selects] for each in tree.find_all(exp.Select)
    ]
    scopes.append([each.alias_or_name for each in tree.find_all(exp.Table, exp.Subquery)])
    return all(len({*names}) == len({name.casefold() for name in names}) for names in scopes)


def _is_proven(node: exp.Expr) -> bool:
    rule = _RULES.get(type(node))
    return type(node) in _WHOLE_NODES and (rule is None or rule(node))


def _is_plain_join(node: exp.Expr) -> bool:
    assert isinstance(node, exp.Join)
    is_known = node.side in _JOIN_SIDES and node.kind in _JOIN_KINDS
    return is_known and not node.args.get("using") and not node.method


def _is_plain_literal(node: exp.Expr) -> bool:
    assert isinstance(node, exp.Literal)
    return node.is_string or _INTEGER.fullmatch(node.name) is not None


def _is_plain_column(node: exp.Expr) -> bool:
    assert isinstance(node, exp.Column)
    if not node.table:
        return isinstance(node.parent, exp.Ordered)
    kind = _kind_of(node)
    is_handed_through = isinstance(node.parent, exp.Alias | exp.Select | exp.Count | exp.Is)
    return not node.db and (kind in _COMPARED or (kind != "unknown" and is_handed_through))


def _is_comparable(node: exp.Expr) -> bool:
    kinds = _kinds_of(_operands(node))
    return kinds <= _NUMBERS or _is_one_kind(kinds)


def _is_one_kind(kinds: set[str]) -> bool:
    return len(kinds) <= 1 and kinds <= _COMPARED


def _is_plain_case(node: exp.Expr) -> bool:
    branches: Sequence[exp.Expr] = node.args["ifs"]
    results = [*(each.args["true"] for each in branches), node.args.get("default") or exp.null()]
    tested = [node.this, *(each.this for each in branches)] if node.this else []
    kinds = _kinds_of(results)
    # The engine says that the result has the scale, or the unit, of the first one.
    values = [each for each in results if not isinstance(each.unnest(), exp.Null)]
    is_typed = len(values) <= 1 or kinds.isdisjoint(_SCALED)
    return is_typed and _is_one_kind(kinds) and _is_one_kind(_kinds_of(tested))


def _is_test(node: exp.Expr) -> bool:
    is_null = isinstance(node.expression, exp.Null)
    return is_null or (
        isinstance(node.expression, exp.Boolean) and _kind_of(node.this) == "boolean"
    )


def _is_plain_pattern(node: exp.Expr) -> bool:
    pattern = node.expression
    is_text = isinstance(pattern, exp.Literal) and pattern.is_string and "\\" not in pattern.name
    return is_text and _kind_of(node.this) == "text"


def _is_plain_cast(node: exp.Expr) -> bool:
    """A literal of a date or timestamp, or an integer that becomes another one."""
    assert isinstance(node, exp.Cast)
    kind, value = _kind_of(node), node.this
    if kind in _MOMENTS:
        is_text = isinstance(value, exp.Literal) and value.is_string
        return is_text and _MOMENTS[kind][1].fullmatch(value.name) is not None
    return kind == "integer" and _kind_of(value) == "integer"


def _is_numeric(node: exp.Expr) -> bool:
    return _kinds_of([node.this, *([node.expression] if node.expression else [])]) <= _NUMBERS


def _is_plain_distinct(node: exp.Expr) -> bool:
    if node.args.get("on"):
        return False
    of = node.parent.selects if isinstance(node.parent, exp.Select) else node.expressions
    return all(_kind_of(each.unalias()) in _COMPARED for each in of)


def _is_plain_group(node: exp.Expr) -> bool:
    is_plain = not any(value for name, value in node.args.items() if name != "expressions")
    return is_plain and all(_is_plain_key(each) for each in node.expressions)


def _is_plain_order(node: exp.Expr) -> bool:
    key = node.this
    if isinstance(key, exp.Column) and not key.table:
        select = node.find_ancestor(exp.Select)
        named = [each for each in select.selects if each.alias == key.name] if select else []
        return len(named) == 1 and _kind_of(named[0].unalias()) in _COMPARED
    return _is_plain_key(key)


def _is_plain_key(key: exp.Expr) -> bool:
    """A number would be the place of a column."""
    return _kind_of(key) in _COMPARED and not isinstance(key.unnest(), exp.Literal)


def _spell(tree: exp.Expr, dialect: str) -> None:
    """Make sums wide as the engine's, so that too large ones fail, and compare text by bytes."""
    for total in list(tree.find_all(exp.Sum)):
        if _kind_of(total) == "integer":
            total.replace(exp.cast(total.copy(), "BIGINT"))
    if dialect != "postgres":
        return
    for literal in list(tree.find_all(exp.Literal)):
        if literal.is_string and not isinstance(literal.parent, exp.Cast):
            by_bytes = exp.Collate(this=literal.copy(), expression=_quoted("C"))
            literal.replace(exp.paren(by_bytes, copy=False))


def _read_tables(
    tree: exp.Expr,
    schemas: Mapping[TableName, pa.Schema],
    conditions: Mapping[TableName, str],
    dialect: str,
) -> None:
    """Replace every table by a SELECT of its declared columns."""
    tables = list(tree.find_all(exp.Table))
    counts = Counter(map(_name_of, tables))
    for table in tables:
        name = _name_of(table)
        columns = [exp.column(_quoted(each)) for each in schemas[name].names]
        rows = exp.select(*columns).from_(exp.table_(_quoted(name[2]), db=_quoted(name[1])))
        if name in conditions and counts[name] == 1:
            rows = rows.where(conditions[name], dialect=dialect)
        table.replace(rows.subquery(_quoted(table.alias_or_name)))


def _quoted(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)


_RULES: dict[type[exp.Expr], Callable[[exp.Expr], bool]] = {
    exp.Join: _is_plain_join,
    exp.TableAlias: lambda node: not node.args.get("columns"),
    exp.Table: lambda node: not node.args.get("joins"),
    exp.Literal: _is_plain_literal,
    exp.Null: lambda node: not isinstance(node.parent, exp.Alias | exp.Select),
    exp.Column: _is_plain_column,
    exp.Star: lambda node: isinstance(node.parent, exp.Count),
    exp.Cast: _is_plain_cast,
    exp.Like: _is_plain_pattern,
    exp.Is: _is_test,
    exp.Case: _is_plain_case,
    exp.Distinct: _is_plain_distinct,
    exp.Group: _is_plain_group,
    exp.Ordered: _is_plain_order,
    **dict.fromkeys((*_COMPARISONS, exp.In, exp.Between), _is_comparable),
    **dict.fromkeys(
        (exp.Coalesce, exp.Nullif), lambda node: _is_one_kind(_kinds_of(_operands(node)))
    ),
    **dict.fromkeys((exp.Sum, exp.Add, exp.Sub, exp.Mul, exp.Neg), _is_numeric),
    **dict.fromkeys((exp.Min, exp.Max), lambda node: _kind_of(node.this) in _ORDERED),
}
