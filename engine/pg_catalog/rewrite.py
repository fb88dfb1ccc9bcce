"""Turns a catalog statement of Postgres into one the answering database understands.

The tree is walked once from the leaves up. Each rule looks at one term and at the types :mod:`inference` found for
it and its children before anything was changed; a term that is replaced hands its type on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlglot import ErrorLevel, exp

from engine.errors import SqlInvalid
from engine.pg_catalog.cluster import SESSION_RELATIONS
from engine.pg_catalog.functions import (
    EMPTY_SOURCES,
    FUNCTIONS,
    RELATION_FUNCTIONS,
    Context,
    as_type,
    call,
    from_name,
    is_vector,
    null,
    number,
    text,
    to_name,
)
from engine.pg_catalog.inference import (
    SYSTEM_COLUMNS,
    UNNAMED,
    Inference,
    function_name,
    is_session_word,
    is_star,
    output_name,
    type_name,
)
from engine.pg_catalog.layout import SystemRelation, find_relation
from engine.pg_catalog.parsing import parse_catalog
from engine.pg_catalog.pg_types import REG_TYPES, VECTORS, duckdb_type
from engine.pg_catalog.show import shown_query
from engine.pg_catalog.snapshot import CatalogSnapshot

SCHEMA = "pgc"
SESSION_PREFIX = "session_"
_TEXTS = frozenset(
    ("text", "name", "varchar", "bpchar", "char", "sql_identifier", "character_data", "yes_or_no")
)
_INTEGERS = frozenset(("int2", "int4", "int8", "oid"))
_ROW_FUNCTIONS = frozenset(("generate_series", "unnest", "generate_subscripts"))
# The number of the transaction that made rows which are older than all transactions.
FROZEN = 2
# Types that both sides have under the same name, besides those that are kept as another one.
_SHARED_TYPES = frozenset(
    ("date", "time", "timestamp", "uuid", "json", "bit", "timetz", "float4", "float8", "bytea")
)
# What has a syntax of its own and the same meaning in the answering database.
_SAME_MEANING = (
    *(
        exp.Cast,
        exp.Case,
        exp.If,
        exp.Coalesce,
        exp.Nullif,
        exp.Greatest,
        exp.Least,
        exp.And,
        exp.Or,
    ),
    *(exp.Extract, exp.Substring, exp.Trim, exp.StrPosition, exp.Exists, exp.Array, exp.RegexpLike),
    *(
        exp.RegexpILike,
        exp.Unnest,
        exp.Explode,
        exp.CurrentDate,
        exp.CurrentTimestamp,
        exp.Anonymous,
    ),
    *(exp.CurrentUser, exp.SessionUser, exp.CurrentSchema, exp.CurrentCatalog, exp.Collate),
)


@dataclass(frozen=True, slots=True)
class RewrittenSql:
    """A statement for the answering database.

    Attributes:
        sql: its text.
        columns: names and, where values do not tell, the ``typname`` of each column of the result.
        relations: what it reads.
    """

    sql: str
    columns: tuple[tuple[str, str | None], ...]
    relations: tuple[SystemRelation, ...]


def rewrite_catalog_sql(sql: str, snapshot: CatalogSnapshot) -> RewrittenSql:
    """Rewrite one statement, SHOW as well.

    Raises:
        SqlInvalid: it does not parse, or names what no system catalog has.
    """
    return _Rewrite(
        parse_catalog(shown_query(sql, snapshot.session.settings) or sql), snapshot
    ).run()


class _Rewrite:
    def __init__(self, tree: exp.Expr, snapshot: CatalogSnapshot) -> None:
        _fold_names(tree)
        self._tree = tree
        self._inference = Inference(tree, snapshot.database)
        self._types = self._inference.types
        self._context = Context(snapshot, self._types)
        self._relations: dict[str, SystemRelation] = {}
        # Types are kept by the identity of terms, so those that were replaced must stay alive.
        self._kept: list[exp.Expr] = []

    def run(self) -> RewrittenSql:
        columns = self._inference.outputs(self._tree)
        for select in _branches(self._tree):
            self._expand_stars(select)
        for select in self._tree.find_all(exp.Select):
            self._name_outputs(select)
        for term in reversed(list(self._tree.walk())):
            self._replace(term)
        sql = self._tree.sql(
            dialect="duckdb", identify=True, unsupported_level=ErrorLevel.IGNORE, copy=False
        )
        return RewrittenSql(sql, tuple(columns), tuple(self._relations.values()))

    def _expand_stars(self, select: exp.Select) -> None:
        expanded: list[exp.Expr] = []
        for term in select.expressions:
            columns = [term] if not is_star(term) else self._star(select, term)
            expanded += columns
        select.set("expressions", expanded)

    def _star(self, select: exp.Select, star: exp.Expr) -> list[exp.Expr]:
        """Columns one by one; as it was when not everything it stands for is known."""
        columns = self._inference.star_columns(select, star)
        found: list[exp.Expr] = []
        for source, name, kind in columns:
            column = exp.column(name, source, quoted=True)
            self._keep(column, kind)
            found.append(column)
        return found or [star]

    def _name_outputs(self, select: exp.Select) -> None:
        """Give what has no name the one it has in Postgres: an outer query may use it."""
        for term in list(select.expressions):
            name = output_name(term)
            if (
                not isinstance(term, exp.Alias | exp.Column)
                and not is_star(term)
                and name != UNNAMED
            ):
                alias = exp.Alias(alias=exp.to_identifier(name, quoted=True))
                term.replace(alias)
                alias.set("this", term)
                self._keep(alias, self._types.get(id(term)))

    def _replace(self, term: exp.Expr) -> None:
        rule = _RULES.get(type(term))
        if rule is not None:
            other = rule(self, term)
        elif isinstance(term, exp.Func) and not isinstance(term, _SAME_MEANING):
            raise SqlInvalid(f"The function {term.sql_name().lower()} is not supported here.")
        else:
            return
        if other is not None and other is not term:
            term.replace(other)
            self._keep(other, self._types.get(id(term)))
            self._kept.append(term)

    def _column(self, term: exp.Column) -> exp.Expr | None:
        term.set("db", None)
        term.set("catalog", None)
        return self._session_word(term) or self._table_number(term)

    def _comparison(self, term: exp.EQ | exp.NEQ | exp.Coalesce) -> exp.Expr | None:
        if isinstance(term, exp.NEQ) and function_name(term.expression) == "all":
            return self._none_of(term)
        self._align(term)
        return None

    def _pattern(self, term: exp.Like | exp.ILike) -> exp.Expr | None:
        """The backslash escapes, unless the statement says otherwise."""
        if isinstance(term.parent, exp.Escape):
            return None
        return exp.Escape(this=term.copy(), expression=text("\\"))

    def _subscript(self, term: exp.Bracket) -> None:
        if is_vector(term.this, self._context):
            term.set("expressions", [_next(index) for index in term.expressions])

    def _rows(self, term: exp.Lateral | exp.Unnest) -> None:
        if not isinstance(term.this, exp.Subquery):
            _name_rows(term)

    def _parameter(self, _: exp.Expr) -> exp.Expr:
        return exp.null()

    def _session_fact(self, term: exp.Expr) -> exp.Expr:
        return FUNCTIONS[output_name(term)]((), self._context)

    def _keep(self, term: exp.Expr, kind: str | None) -> None:
        self._kept.append(term)
        self._types[id(term)] = kind

    def _session_word(self, column: exp.Column) -> exp.Expr | None:
        """These words are functions where they stand bare: in quotes they are columns."""
        return FUNCTIONS[column.name]((), self._context) if is_session_word(column) else None

    def _table_number(self, column: exp.Column) -> exp.Expr | None:
        """``tableoid`` is the number of the relation a row is of; transactions are all long past."""
        source = self._inference.source_of(column) if column.name in SYSTEM_COLUMNS else None
        if source is None:
            return None
        if column.name != "tableoid":
            return number(exp.Literal.number(FROZEN if column.name == "xmin" else 0))
        # The source may have been rewritten before its columns.
        known = self._relations.get(source.name)
        relation = known or find_relation(tuple(part.name for part in source.parts))
        return None if relation is None else number(exp.Literal.number(relation.oid))

    def _table(self, table: exp.Table) -> None:
        if not isinstance(table.this, exp.Identifier):
            self._replace_row_function(table)
            return
        if self._inference.cte_of(table) is not None:
            return
        parts = tuple(part.name for part in table.parts)
        relation = find_relation(parts, self._context.snapshot.database)
        if relation is None:
            raise SqlInvalid(f'relation "{".".join(parts)}" does not exist')
        self._read(table, relation)

    def _read(self, table: exp.Table, relation: SystemRelation) -> None:
        self._relations[relation.local_name] = relation
        if table.args.get("alias") is None:
            alias = exp.to_identifier(relation.name, quoted=True)
            table.set("alias", exp.TableAlias(this=alias))
        is_of_session = relation.local_name in SESSION_RELATIONS
        name = SESSION_PREFIX + relation.name if is_of_session else relation.local_name
        table.set("this", exp.to_identifier(name, quoted=True))
        table.set("db", None if is_of_session else exp.to_identifier(SCHEMA, quoted=True))
        table.set("catalog", None)

    def _replace_row_function(self, table: exp.Table) -> None:
        name = function_name(table.this)
        relation = find_relation((RELATION_FUNCTIONS.get(name, ""),))
        if relation is not None:
            self._read(table, relation)
        elif name in EMPTY_SOURCES:
            columns = [exp.alias_(null(), column) for column in EMPTY_SOURCES[name]]
            rows = exp.select(*columns).where(exp.false())
            alias = table.args.get("alias")
            table.replace(exp.Subquery(this=rows, alias=alias))
        elif name in _ROW_FUNCTIONS:
            _name_rows(table)
        else:
            self._read_value(table, name)

    def _read_value(self, table: exp.Table, name: str) -> None:
        """A function of one value in FROM is a row with that value."""
        alias = table.alias or name
        value = exp.alias_(table.this.copy(), alias, quoted=True)
        column = exp.to_identifier(alias, quoted=True)
        table.replace(exp.Subquery(this=exp.select(value), alias=exp.TableAlias(this=column)))

    def _call(self, term: exp.Anonymous) -> exp.Expr:
        name = function_name(term)
        replace = FUNCTIONS.get(name)
        in_from = isinstance(term.parent, exp.Table | exp.Lateral)
        if name == "all" or (
            in_from and name in (EMPTY_SOURCES.keys() | RELATION_FUNCTIONS.keys())
        ):
            return term
        if replace is None:
            raise SqlInvalid(f"function {name} does not exist")
        try:
            made = replace(term.expressions, self._context)
        except (IndexError, ValueError):
            raise SqlInvalid(f"function {name} takes other arguments") from None
        if name == "generate_series" and not in_from:
            return call("unnest", made)
        return made

    def _cast(self, term: exp.Cast) -> exp.Expr:
        wanted = type_name(term.to)
        inner, kind = term.this, self._types.get(id(term.this))
        is_text = _is_string(inner)
        if wanted in REG_TYPES:
            named = is_text or kind in _TEXTS
            return self._number_of(wanted, inner) if named else number(inner)
        shown = self._as_text(inner, kind) if wanted in _TEXTS else None
        if shown is not None:
            return shown
        if is_text and (wanted.startswith("_") or wanted in VECTORS):
            return as_type(_array(inner.this, is_vector=wanted in VECTORS), duckdb_type(wanted))
        return as_type(inner, duckdb_type(wanted)) if _has_own_type(wanted) else term

    def _number_of(self, kind: str, named: exp.Expr) -> exp.Expr:
        return from_name(kind, named, self._context, must_exist=True)

    def _as_text(self, term: exp.Expr, kind: str | None) -> exp.Expr | None:
        """Write what Postgres prints; None for what both sides print alike."""
        if kind in REG_TYPES:
            return to_name(str(kind), term, self._context)
        if kind in VECTORS:
            return call("array_to_string", term, text(" "))
        return call("array_text", term) if kind is not None and kind.startswith("_") else None

    def _list_operand(self, term: exp.Any | exp.All) -> None:
        """``= ANY ('{r,v}')``: the text is an array of what it is compared with."""
        inner = term.this.unnest()
        if _is_string(inner) and inner.this.startswith("{"):
            term.this.replace(_array(inner.this, is_vector=False))

    def _none_of(self, term: exp.NEQ) -> exp.Expr:
        """``<> ALL (array)``, which has no syntax there."""
        items = term.expression.expressions[0] if term.expression.expressions else None
        if items is None:
            raise SqlInvalid("ALL needs an array.")
        if _is_string(items):
            items = _array(items.this, is_vector=False)
        return exp.Not(this=call("list_contains", items.copy(), term.this.copy()))

    def _align(self, term: exp.Expr) -> None:
        """Read a text beside an array or a name's number as one of these."""
        operands = [term.this, *(term.expressions or [term.expression])]
        kinds = [self._types.get(id(operand)) for operand in operands]
        array = next((kind for kind in kinds if kind and kind.startswith("_")), None)
        named = next((kind for kind in kinds if kind in REG_TYPES), None)
        for operand in operands:
            if not _is_string(operand):
                continue
            if array is not None and operand.this.startswith("{"):
                operand.replace(as_type(_array(operand.this, is_vector=False), duckdb_type(array)))
            elif named is not None:
                operand.replace(self._number_of(named, operand.copy()))

    def _divide(self, term: exp.Div) -> exp.Expr | None:
        """Whole numbers divide to a whole number, which has an operator of its own there."""
        operands = (term.left, term.right)
        if all(self._types.get(id(each)) in _INTEGERS or each.is_int for each in operands):
            return exp.IntDiv(this=term.left.copy(), expression=term.right.copy())
        return None

    def _concatenate(self, term: exp.DPipe) -> exp.Expr | None:
        operands = [term.left, term.right]
        kinds = [self._types.get(id(operand)) for operand in operands]
        if any(kind and kind.startswith("_") for kind in kinds):
            return call("list_concat", *operands)
        for operand, kind in zip(operands, kinds, strict=True):
            if kind in REG_TYPES:
                operand.replace(to_name(str(kind), operand.copy(), self._context))
        return None


_Rule: TypeAlias = Callable[[_Rewrite, Any], exp.Expr | None]
_RULES: dict[type[exp.Expr], _Rule] = {
    exp.Table: _Rewrite._table,
    exp.Column: _Rewrite._column,
    exp.Anonymous: _Rewrite._call,
    exp.Cast: _Rewrite._cast,
    **dict.fromkeys((exp.Any, exp.All), _Rewrite._list_operand),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.Coalesce), _Rewrite._comparison),
    **dict.fromkeys((exp.Like, exp.ILike), _Rewrite._pattern),
    exp.CurrentTimestamp: lambda _, __: call("now"),
    exp.CurrentDate: lambda _, __: call("today"),
    exp.Div: _Rewrite._divide,
    exp.DPipe: _Rewrite._concatenate,
    exp.Bracket: _Rewrite._subscript,
    **dict.fromkeys((exp.Lateral, exp.Unnest), _Rewrite._rows),
    **dict.fromkeys((exp.Parameter, exp.Placeholder), _Rewrite._parameter),
    **dict.fromkeys(
        (exp.CurrentUser, exp.SessionUser, exp.CurrentSchema, exp.CurrentCatalog),
        _Rewrite._session_fact,
    ),
}


def _branches(query: exp.Expr) -> list[exp.Select]:
    """The SELECTs whose rows are the rows of the whole query."""
    if isinstance(query, exp.SetOperation):
        return [*_branches(query.left), *_branches(query.right)]
    if isinstance(query, exp.Subquery):
        return _branches(query.this)
    return [query] if isinstance(query, exp.Select) else []


def _fold_names(tree: exp.Expr) -> None:
    """Write names outside quotes in small letters, as Postgres reads them."""
    for identifier in tree.find_all(exp.Identifier):
        if not identifier.args.get("quoted"):
            identifier.set("this", identifier.this.lower())


def _is_string(term: exp.Expr) -> bool:
    return isinstance(term, exp.Literal) and bool(term.is_string)


def _has_own_type(name: str) -> bool:
    """Tell types the answering database does not have, or has under another meaning."""
    return duckdb_type(name) != "VARCHAR" or name in _TEXTS or name not in _SHARED_TYPES


def _array(written: str, *, is_vector: bool) -> exp.Expr:
    """Read an array as Postgres writes it, of one dimension."""
    inner = written.strip().removeprefix("{").removesuffix("}")
    separator = " " if is_vector else ","
    items = [item.strip().strip('"') for item in inner.split(separator)] if inner.strip() else []
    return exp.Array(expressions=[exp.null() if item == "NULL" else text(item) for item in items])


def _next(index: exp.Expr) -> exp.Expr:
    """Count from 1 what is counted from 0; the parser took one off numbers it knows."""
    return exp.Add(this=exp.Paren(this=index.copy()), expression=exp.Literal.number(1))


def _name_rows(source: exp.Expr) -> None:
    """A function's only column is called as its alias: ``unnest(a) x`` has a column x."""
    alias = source.args.get("alias")
    if alias is not None and alias.this is not None and not alias.args.get("columns"):
        alias.set("columns", [alias.this.copy()])
