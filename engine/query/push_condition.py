"""Conditions of one table, as a remote database may be asked for them.

A condition is pushed conjunct by conjunct: what is pushed may keep more rows than the engine would, never
fewer, because the engine filters again. It starts from what DataFusion's unparser wrote for
Postgres; whatever is not known to mean the same in the source is simply not pushed.

Traps, each of which is why something is missing: text is compared by a collation there and by bytes
here; NaN is the greatest number here and unequal to everything in some; values that arrive as NULL (NaN of
a decimal, infinite dates) are not NULL there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

WRITTEN_IN = "postgres"
"""The dialect the engine's unparser writes for this module."""

_NAN_IS_GREATEST = frozenset({"duckdb", "postgres", "redshift", "snowflake", "mysql", "sqlite"})
_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GT,
    exp.GT: exp.LT,
    exp.LTE: exp.GTE,
    exp.GTE: exp.LTE,
}
_MICROSECOND_CHARS = len("2020-01-01 00:00:00.000000")


@dataclass(frozen=True, slots=True)
class Pushed:
    """The part of a condition that a source is asked for.

    ``where`` is in the source's dialect, None when nothing can be asked. ``is_exact`` means the
    source keeps exactly the rows the engine would: only then may a limit be pushed too.
    """

    where: str | None
    is_exact: bool


def push_condition(sql: str | None, schema: pa.Schema, dialect: str) -> Pushed:
    """Choose the conjuncts of a leaf's condition that its source can be asked for.

    Args:
        sql: what the unparser wrote for the leaf, a SELECT from one table; None without a filter.
        schema: of the table.
        dialect: of the source.

    >>> schema = pa.schema([("id", pa.int64()), ("name", pa.string())])
    >>> leaf = '''SELECT "t"."id" FROM "c"."s"."t" WHERE "t"."id" > 1 AND "t"."name" < 'a' '''
    >>> push_condition(leaf, schema, "mysql")
    Pushed(where='`id` > 1', is_exact=False)
    """
    if sql is None:
        return Pushed(None, is_exact=True)
    try:
        where = sqlglot.parse_one(sql, read=WRITTEN_IN).args.get("where")
    except SqlglotError:
        return Pushed(None, is_exact=False)
    if where is None:
        return Pushed(None, is_exact=False)
    conjuncts = list(_conjuncts(where.this))
    leaf = _Leaf({field.name: field.type for field in schema}, dialect)
    kept = [each for each in map(leaf.translate, conjuncts) if each is not None]
    if not kept:
        return Pushed(None, is_exact=False)
    is_exact = leaf.is_exact and len(kept) == len(conjuncts)
    return Pushed(exp.and_(*kept).sql(dialect=dialect), is_exact)


def _conjuncts(condition: exp.Expr) -> Sequence[exp.Expr]:
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        return [*_conjuncts(condition.left), *_conjuncts(condition.right)]
    return [condition]


class _Leaf:
    """Translates conditions on one table; None for what is not proven."""

    def __init__(self, types: Mapping[str, pa.DataType], dialect: str) -> None:
        self._types = types
        self._dialect = dialect
        self.is_exact = True

    def translate(self, condition: exp.Expr) -> exp.Expr | None:
        condition = condition.unnest()
        if isinstance(condition, exp.Or):
            sides = [self.translate(condition.left), self.translate(condition.right)]
            return None if None in sides else exp.or_(*(each for each in sides if each))
        if isinstance(condition, exp.And):
            sides = [self.translate(condition.left), self.translate(condition.right)]
            return None if None in sides else exp.and_(*(each for each in sides if each))
        if isinstance(condition, _COMPARISONS):
            return self._comparison(condition)
        if isinstance(condition, exp.Between):
            low = exp.GTE(this=condition.this, expression=condition.args["low"])
            high = exp.LTE(this=condition.this, expression=condition.args["high"])
            return self.translate(exp.and_(low, high))
        if isinstance(condition, exp.In):
            return self._membership(condition)
        return self._null_test(condition)

    def _comparison(self, condition: exp.Expr) -> exp.Expr | None:
        left, right, kind = condition.this, condition.expression, type(condition)
        if isinstance(right.unnest(), exp.Column):
            left, right, kind = right, left, _MIRRORED.get(kind, kind)
        column = left.unnest()
        dtype = self._type_of(column)
        if dtype is None or not self._may_compare(dtype, kind):
            return None
        value = _literal_of(right.unnest(), dtype)
        return None if value is None else kind(this=_bare(column), expression=value)

    def _membership(self, condition: exp.In) -> exp.Expr | None:
        equal = [exp.EQ(this=condition.this, expression=item) for item in condition.expressions]
        sides = [self._comparison(each) for each in equal]
        if not sides or None in sides:
            return None
        values = [each.expression for each in sides if each is not None]
        return exp.In(this=_bare(condition.this.unnest()), expressions=values)

    def _null_test(self, condition: exp.Expr) -> exp.Expr | None:
        is_negated = isinstance(condition, exp.Not)
        inner = condition.this.unnest() if is_negated else condition
        if not isinstance(inner, exp.Is) or not isinstance(inner.expression, exp.Null):
            return None
        dtype = self._type_of(inner.this.unnest())
        # Values of these arrive as they are, or as NULL when they are NULL.
        if dtype is None or not (pa.types.is_integer(dtype) or pa.types.is_string(dtype)):
            return None
        test = exp.Is(this=_bare(inner.this.unnest()), expression=exp.Null())
        return exp.Not(this=test) if is_negated else test

    def _type_of(self, column: exp.Expr) -> pa.DataType | None:
        return self._types.get(column.name) if isinstance(column, exp.Column) else None

    def _may_compare(self, dtype: pa.DataType, kind: type[exp.Expr]) -> bool:
        if pa.types.is_string(dtype):
            self.is_exact = False  # a collation may find more texts equal
            return kind is exp.EQ
        if pa.types.is_floating(dtype):
            return self._dialect in _NAN_IS_GREATEST
        if pa.types.is_integer(dtype):
            return True
        # NaN and infinity of these arrive as NULL, which the engine's filter drops.
        self.is_exact = False
        return bool(
            pa.types.is_decimal(dtype) or pa.types.is_date(dtype) or pa.types.is_timestamp(dtype)
        )


def _bare(column: exp.Expr) -> exp.Column:
    return exp.column(exp.to_identifier(column.name, quoted=True))


def _literal_of(value: exp.Expr, dtype: pa.DataType) -> exp.Expr | None:
    """Write a literal for a column of this type; None when it is none, or of another kind."""
    if pa.types.is_string(dtype):
        return value.copy() if isinstance(value, exp.Literal) and value.is_string else None
    if pa.types.is_date(dtype) or pa.types.is_timestamp(dtype):
        return _moment_of(value, dtype)
    negated = isinstance(value, exp.Neg)
    number = value.this if negated else value
    if isinstance(number, exp.Literal) and not number.is_string:
        return value.copy()
    return None


def _moment_of(value: exp.Expr, dtype: pa.DataType) -> exp.Expr | None:
    if not isinstance(value, exp.Cast) or not isinstance(value.this, exp.Literal):
        return None
    text = value.this.this.replace("T", " ")
    if pa.types.is_date(dtype):
        return exp.cast(exp.Literal.string(text), "DATE") if " " not in text else None
    moment = text.removesuffix("Z").removesuffix("+00:00")
    if "+" in moment or len(moment) > _MICROSECOND_CHARS:
        return None
    return exp.cast(exp.Literal.string(moment), "TIMESTAMP")
