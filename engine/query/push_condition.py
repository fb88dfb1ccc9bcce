"""Conditions of one table, as a remote database may be asked for them.

A condition is pushed conjunct by conjunct: what is pushed may keep more rows than the engine would, never
fewer, because the engine filters again. It starts from what DataFusion's unparser wrote for
Postgres; whatever is not known to mean the same in the source is simply not pushed.

Traps, each of which is why something is missing: text is compared by a collation there and by bytes
here; NaN is the greatest or, by its sign, the least number here; values that arrive as NULL (NaN of a
decimal, infinite dates) are not NULL there; what arrives as text may be no text there.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

WRITTEN_IN = "postgres"
"""The dialect the engine's unparser writes for this module."""

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_MIRRORED: dict[type[exp.Expr], type[exp.Expr]] = {
    exp.LT: exp.GT,
    exp.GT: exp.LT,
    exp.LTE: exp.GTE,
    exp.GTE: exp.LTE,
}
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[T ](?P<time>\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?:Z|\+00:00)?)?"
)
_HAVE_NO_NAN = frozenset({"mysql", "sqlite"})
_TEXT_MAY_BE_JSON = frozenset({"clickhouse", "mysql", "redshift", "snowflake"})
"""A value that is none of text there is compared with JSON text as what that text stands for."""
_HAVE_YEARS = frozenset({"mysql"})
"""A small number beside a YEAR, which arrives as int16, is taken for the last two digits of one."""
_HAVE_OIDS = frozenset({"postgres"})
"""A negative number beside an OID, which arrives as int64, is taken for a large one."""
_HAVE_OTHER_DATES = frozenset({"clickhouse"})
"""Dates out of range are moved into it, and decimals compared as floats."""
_HAVE_OTHER_TIMES = frozenset({"clickhouse", "snowflake"})
"""Moments are finer than what arrives, or their zone depends on settings."""


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
        return _push(sql, schema, dialect)
    except (SqlglotError, RecursionError):
        return Pushed(None, is_exact=False)


def _push(sql: str, schema: pa.Schema, dialect: str) -> Pushed:
    where = sqlglot.parse_one(sql, read=WRITTEN_IN).args.get("where")
    conjuncts = list(_conjuncts(where.this)) if where is not None else []
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
        value = self._literal_of(right.unnest(), dtype)
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
        if inner.args.get("negate"):
            is_negated = not is_negated
        dtype = self._type_of(inner.this.unnest())
        # Values of these arrive as they are, or as NULL when they are NULL.
        if dtype is None or not (pa.types.is_integer(dtype) or pa.types.is_string(dtype)):
            return None
        test = exp.Is(this=_bare(inner.this.unnest()), expression=exp.Null())
        return exp.Not(this=test) if is_negated else test

    def _type_of(self, column: exp.Expr) -> pa.DataType | None:
        return self._types.get(column.name) if isinstance(column, exp.Column) else None

    def _may_compare(self, dtype: pa.DataType, kind: type[exp.Expr]) -> bool:
        if pa.types.is_integer(dtype):
            return self._dialect not in _HAVE_YEARS or dtype != pa.int16()
        if pa.types.is_floating(dtype):
            # A NaN is the least or the greatest here, by its sign. And sources compare a float of 32
            # bits with a literal as a double.
            is_alike = kind in (exp.EQ, exp.NEQ) or self._dialect in _HAVE_NO_NAN
            return is_alike and pa.types.is_float64(dtype)
        # A collation may find more texts equal; NaN and infinity of the others arrive as NULL, which
        # the engine's filter drops.
        self.is_exact = False
        if pa.types.is_string(dtype):
            return kind is exp.EQ
        if pa.types.is_decimal(dtype) or pa.types.is_date32(dtype):
            return self._dialect not in _HAVE_OTHER_DATES
        is_known = dtype in (pa.timestamp("us"), pa.timestamp("us", "UTC"))
        return is_known and self._dialect not in _HAVE_OTHER_TIMES

    def _literal_of(self, value: exp.Expr, dtype: pa.DataType) -> exp.Expr | None:
        """Write a literal for a column of this type; None when it is none, or not for this source."""
        if pa.types.is_string(dtype):
            return self._text_of(value)
        if pa.types.is_date(dtype) or pa.types.is_timestamp(dtype):
            return self._moment_of(value, dtype)
        number = value.this if isinstance(value, exp.Neg) else value
        if not isinstance(number, exp.Literal) or number.is_string:
            return None
        if self._dialect in _HAVE_OIDS and dtype == pa.int64() and number is not value:
            return None
        if not pa.types.is_floating(dtype) or "e" in number.name.lower():
            return value.copy()
        # Else some sources read a decimal first, and another float from that.
        scientific = exp.Literal.number(f"{number.name}e0")
        return exp.Neg(this=scientific) if number is not value else scientific

    def _text_of(self, value: exp.Expr) -> exp.Expr | None:
        if not isinstance(value, exp.Literal) or not value.is_string:
            return None
        is_json = self._dialect in _TEXT_MAY_BE_JSON and _is_json(value.name)
        return None if is_json else value.copy()

    def _moment_of(self, value: exp.Expr, dtype: pa.DataType) -> exp.Expr | None:
        if not isinstance(value, exp.Cast) or not isinstance(value.this, exp.Literal):
            return None
        found = _MOMENT.fullmatch(value.this.name)
        if found is None or (pa.types.is_date(dtype) and found["time"]):
            return None
        text = exp.Literal.string(" ".join(part for part in found.groups() if part))
        if self._dialect == "sqlite":
            return text
        if pa.types.is_date(dtype):
            return exp.cast(text, "DATE")
        zoned = "TIMESTAMP" if dtype == pa.timestamp("us") else "TIMESTAMPTZ"
        # Without its digits a DATETIME has none behind the second.
        return exp.cast(text, "DATETIME(6)" if self._dialect == "mysql" else zoned)


def _bare(column: exp.Expr) -> exp.Column:
    return exp.column(exp.to_identifier(column.name, quoted=True))


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
