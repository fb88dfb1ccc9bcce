"""Whole statements, as a remote database may be asked for them.

A statement is pushed only when every construct in it is on a list of those that mean the same in the
source as here. It starts from what DataFusion's unparser wrote for Postgres. Missing from the list, because
they differ: division of integers, averages (of decimals in scale, of floats in order), text compared or
sorted by anything but its bytes, casts to text and to floats, and every function.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.schema import MappingSchema

from engine.query.push_condition import WRITTEN_IN

WHOLE_DIALECTS = frozenset({"duckdb", "postgres"})
"""Databases whose meaning of the constructs below has been compared with the engine's."""

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_WHOLE_NODES: tuple[type[exp.Expr], ...] = (
    *(exp.Select, exp.From, exp.Join, exp.Where, exp.Group, exp.Having, exp.Order, exp.Ordered),
    *(exp.Limit, exp.Offset, exp.Subquery, exp.With, exp.CTE, exp.Distinct, exp.TableAlias),
    *(exp.Alias, exp.Column, exp.Table, exp.Identifier, exp.Literal, exp.Boolean, exp.Null),
    *(exp.And, exp.Or, exp.Not, exp.Paren, *_COMPARISONS, exp.Is, exp.In, exp.Between, exp.Exists),
    *(exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Like, exp.Neg, exp.Add, exp.Sub, exp.Mul),
    *(exp.Count, exp.Sum, exp.Min, exp.Max, exp.Star, exp.Cast, exp.DataType, exp.DataTypeParam),
)
_JOIN_KINDS = {"", "INNER", "OUTER"}
_JOIN_SIDES = {"", "LEFT", "RIGHT", "FULL"}
_CAST_TYPES = {
    *(exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPTZ),
    *(exp.DataType.Type.INT, exp.DataType.Type.BIGINT, exp.DataType.Type.SMALLINT),
    *(exp.DataType.Type.DECIMAL,),
}
_ORDERED_BY_BYTES = {
    *exp.DataType.NUMERIC_TYPES,
    *exp.DataType.TEMPORAL_TYPES,
    exp.DataType.Type.BOOLEAN,
}


def push_statement(
    sql: str, schemas: Mapping[tuple[str, str, str], pa.Schema], dialect: str
) -> str | None:
    """Translate a whole statement for a source, or return None when something in it is not proven.

    Args:
        sql: what the unparser wrote for the plan; tables have three names.
        schemas: of the tables, by catalog, schema and name.
        dialect: of the source.
    """
    if dialect not in WHOLE_DIALECTS:
        return None
    try:
        tree = sqlglot.parse_one(sql, read=WRITTEN_IN)
        typed = annotate_types(tree, schema=_schema_of(schemas), dialect=WRITTEN_IN)
        if not all(_is_proven(node) for node in typed.walk()):
            return None
        if dialect == "postgres":
            _compare_bytes(typed)
        for table in typed.find_all(exp.Table):
            table.set("catalog", None)
        return typed.sql(dialect=dialect)
    except SqlglotError:
        return None


def _schema_of(schemas: Mapping[tuple[str, str, str], pa.Schema]) -> MappingSchema:
    nested: dict[str, Any] = {}
    for (catalog, schema, table), columns in schemas.items():
        types = {f'"{field.name}"': _sql_type(field.type) for field in columns}
        nested.setdefault(f'"{catalog}"', {}).setdefault(f'"{schema}"', {})[f'"{table}"'] = types
    return MappingSchema(nested, dialect=WRITTEN_IN)


_SQL_TYPES: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_boolean, "BOOLEAN"),
    (pa.types.is_integer, "BIGINT"),
    (pa.types.is_floating, "DOUBLE PRECISION"),
    (pa.types.is_decimal, "DECIMAL"),
    (pa.types.is_date, "DATE"),
    (pa.types.is_timestamp, "TIMESTAMP"),
    (pa.types.is_string, "TEXT"),
)


def _sql_type(dtype: pa.DataType) -> str:
    return next((name for is_kind, name in _SQL_TYPES if is_kind(dtype)), "BYTEA")


def _is_proven(node: exp.Expr) -> bool:
    if type(node) not in _WHOLE_NODES:
        return False
    rule = _RULES.get(type(node))
    return rule is None or rule(node)


def _is_plain_join(node: exp.Expr) -> bool:
    assert isinstance(node, exp.Join)
    return node.side in _JOIN_SIDES and node.kind in _JOIN_KINDS and not node.args.get("using")


def _is_numeric(node: exp.Expr) -> bool:
    sides = [node.this, *([node.expression] if node.args.get("expression") else [])]
    return all(side.is_type(*exp.DataType.NUMERIC_TYPES) for side in sides)


def _is_ordered_alike(value: exp.Expr) -> bool:
    return value.is_type(*_ORDERED_BY_BYTES)


def _compare_bytes(tree: exp.Expr) -> None:
    """Sort text as the engine does, by its bytes."""
    for ordered in tree.find_all(exp.Ordered):
        if not _is_ordered_alike(ordered.this):
            key = ordered.this.copy()
            ordered.set(
                "this", exp.Collate(this=key, expression=exp.to_identifier("C", quoted=True))
            )


def _orders_its_operand(node: exp.Expr) -> bool:
    return _is_ordered_alike(node.this)


_RULES: dict[type[exp.Expr], Callable[[exp.Expr], bool]] = {
    exp.Join: _is_plain_join,
    exp.Cast: lambda node: node.args["to"].this in _CAST_TYPES,
    exp.Like: lambda node: not node.args.get("escape"),
    **dict.fromkeys((exp.Sum, exp.Add, exp.Sub, exp.Mul, exp.Neg), _is_numeric),
    **dict.fromkeys(
        (exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.Min, exp.Max), _orders_its_operand
    ),
}
