"""Finds the Postgres type of each term of a statement, as far as it matters, and the names of its columns.

It matters where the database that answers has one type for several of Postgres': object identifiers and what
prints them as names, texts and names, vectors and arrays. None means that the type of the values says it all.
"""

from collections.abc import Iterator

from sqlglot import exp

from engine.pg_catalog.functions import RELATION_FUNCTIONS, RESULT_TYPES
from engine.pg_catalog.layout import find_relation
from engine.pg_catalog.parsing import FUNCTION_PREFIX
from engine.pg_catalog.pg_types import VECTORS

Columns = list[tuple[str, str | None]]
_DATA_TYPES = {
    "TEXT": "text",
    "VARCHAR": "varchar",
    "CHAR": "bpchar",
    "NAME": "name",
    "SMALLINT": "int2",
    "INT": "int4",
    "BIGINT": "int8",
    "BOOLEAN": "bool",
    "FLOAT": "float4",
    "DOUBLE": "float8",
    "DECIMAL": "numeric",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMPTZ": "timestamptz",
    "INTERVAL": "interval",
    "UUID": "uuid",
    "JSON": "json",
    "JSONB": "jsonb",
}
# Aggregates and windows whose result has the type of their argument.
_LIKE_ARGUMENT = frozenset(
    (
        *("min", "max", "any_value", "first_value", "last_value", "lag", "lead", "nth_value"),
        *("array_remove", "array_append", "array_prepend", "array_cat", "set_config"),
    )
)
# Columns of every relation that no listing shows.
SYSTEM_COLUMNS = {"tableoid": "oid", "xmin": "xid", "xmax": "xid", "cmin": "cid", "cmax": "cid"}
_WIDTHS = ("int2", "int4", "int8")
UNNAMED = "?column?"
_LITERAL_STRENGTH, _TYPE_STRENGTH, _NAME_STRENGTH = 0, 1, 2
# Words of the session that the parser takes for columns.
_LIKE_COLUMNS = frozenset(("user", "current_role"))
_SESSION_WORDS: dict[type[exp.Expr], str] = {
    exp.CurrentUser: "current_user",
    exp.SessionUser: "session_user",
    exp.CurrentSchema: "current_schema",
    exp.CurrentCatalog: "current_catalog",
    exp.CurrentDate: "current_date",
    exp.CurrentTimestamp: "current_timestamp",
}


def is_session_word(column: exp.Column) -> bool:
    """Tell a word of the session, which stands bare, from a column."""
    is_bare = not column.table and not column.this.args.get("quoted")
    return is_bare and column.name in _LIKE_COLUMNS


def type_name(data_type: exp.Expr) -> str:
    """Return the ``typname`` that a cast names.

    >>> type_name(exp.DataType.build("bigint[]", dialect="postgres"))
    '_int8'
    """
    kind = data_type.this
    if isinstance(data_type, exp.ObjectIdentifier):
        return str(kind).lower()
    if data_type.is_type("array"):
        element = data_type.expressions[0] if data_type.expressions else None
        return "_" + (type_name(element) if isinstance(element, exp.Expr) else "text")
    if kind is exp.DataType.Type.USERDEFINED:
        named = data_type.args["kind"]
        return str(named.name if isinstance(named, exp.Expr) else named).lower()
    word = str(kind.value)
    return _DATA_TYPES.get(word, word.lower())


class Inference:
    """The types of the terms of one statement; what was found is kept by the identity of the term."""

    def __init__(self, tree: exp.Expr, database: str) -> None:
        """Find the types of all terms of a parsed statement, before anything of it is rewritten."""
        self._database = database
        self._outputs: dict[int, Columns] = {}
        self.types: dict[int, str | None] = {}
        self._terms = list(tree.walk())
        for term in self._terms:
            self.type_of(term)

    def type_of(self, term: exp.Expr) -> str | None:
        """Return the type of one term."""
        if id(term) not in self.types:
            # What is asked for again while it is being found is a query that reads itself.
            self.types[id(term)] = None
            self.types[id(term)] = self._infer(term)
        return self.types[id(term)]

    def outputs(self, query: exp.Expr) -> Columns:
        """Return the columns of a query, a star as what it stands for."""
        if id(query) not in self._outputs:
            self._outputs[id(query)] = []
            self._outputs[id(query)] = list(self._columns(query))
        return self._outputs[id(query)]

    def source_columns(self, source: exp.Expr) -> Columns:
        """Return the columns of a table, subquery or function in FROM."""
        alias = source.args.get("alias")
        renamed = [each.name for each in alias.columns] if alias else []
        columns = self._plain_source(source)
        if not columns and renamed:
            columns = [(name, None) for name in renamed]
        pairs = zip(renamed, columns, strict=False)
        return [*((name, kind) for name, (_, kind) in pairs), *columns[len(renamed) :]]

    def sources(self, select: exp.Select) -> list[exp.Expr]:
        """Return what a SELECT reads, in the order of FROM."""
        joins = [join.this for join in select.args.get("joins") or ()]
        source = select.args.get("from_")
        laterals = select.args.get("laterals") or []
        return [*([source.this] if source else []), *joins, *laterals]

    def _columns(self, query: exp.Expr) -> Iterator[tuple[str, str | None]]:
        if isinstance(query, exp.SetOperation | exp.Subquery):
            yield from self.outputs(query.this)
        elif isinstance(query, exp.Select):
            for term in query.expressions:
                if is_star(term):
                    yield from ((name, kind) for _, name, kind in self.star_columns(query, term))
                else:
                    yield output_name(term), self.type_of(term)

    def star_columns(self, select: exp.Select, star: exp.Expr) -> list[tuple[str, str, str | None]]:
        """Return what ``*`` or ``t.*`` stands for: the source's name, the column's, its type."""
        wanted = star.table if isinstance(star, exp.Column) else ""
        return [
            (source.alias_or_name, name, kind)
            for source in self.sources(select)
            if not wanted or source.alias_or_name == wanted
            for name, kind in self.source_columns(source)
        ]

    def _plain_source(self, source: exp.Expr) -> Columns:
        if isinstance(source, exp.Table):
            if not isinstance(source.this, exp.Identifier):
                name = function_name(source.this)
                relation = find_relation((RELATION_FUNCTIONS.get(name, ""),))
                result = self.type_of(source.this)
                return (
                    list(relation.column_types().items())
                    if relation
                    else [(source.alias or name, result)]
                )
            cte = self.cte_of(source)
            if cte is not None:
                columns = self.outputs(cte.this)
                named = [each.name for each in cte.args["alias"].columns]
                return [
                    *((name, kind) for name, (_, kind) in zip(named, columns, strict=False)),
                    *columns[len(named) :],
                ]
            parts = tuple(part.name for part in source.parts)
            relation = find_relation(parts, self._database)
            return list(relation.column_types().items()) if relation else []
        if isinstance(source, exp.Unnest):
            element = self._element(source.expressions[0]) if source.expressions else None
            return [(source.alias or "unnest", element)]
        if isinstance(source, exp.Subquery | exp.Lateral):
            return self.outputs(source.this)
        return []

    def cte_of(self, table: exp.Table) -> exp.CTE | None:
        """Return the common table expression that a name in FROM means."""
        if table.db:
            return None
        scope = table.parent
        while scope is not None:
            for cte in getattr(scope, "ctes", ()):
                if cte.alias == table.name:
                    return cte  # type: ignore[no-any-return]
            scope = scope.parent
        return None

    def resolve(self, column: exp.Column) -> str | None:
        """Return the type of the column of a source, None when no known source has it."""
        scope = column.find_ancestor(exp.Select)
        while scope is not None:
            for source in self.sources(scope):
                if column.table and source.alias_or_name != column.table:
                    continue
                for name, kind in self.source_columns(source):
                    if name == column.name:
                        return kind
            scope = scope.find_ancestor(exp.Select)
        return None

    def source_of(self, column: exp.Column) -> exp.Table | None:
        """Return the relation in FROM that a column is qualified with, or the only one."""
        scope = column.find_ancestor(exp.Select)
        while scope is not None:
            sources = self.sources(scope)
            for source in sources:
                is_named = column.table == source.alias_or_name
                if is_named or (not column.table and len(sources) == 1):
                    if isinstance(source, exp.Table) and self.cte_of(source) is None:
                        return source
                    return None
            scope = scope.find_ancestor(exp.Select)
        return None

    def _element(self, term: exp.Expr) -> str | None:
        kind = self.type_of(term)
        if kind in VECTORS:
            return "int2" if kind == "int2vector" else "oid"
        return kind[1:] if kind and kind.startswith("_") else None

    def _infer(self, term: exp.Expr) -> str | None:  # noqa: C901, PLR0911, PLR0912 - a table of kinds
        match term:
            case exp.Column() if term.name in SYSTEM_COLUMNS and self.source_of(term):
                return SYSTEM_COLUMNS[term.name]
            case exp.Column() if is_session_word(term):
                return "name"
            case exp.Column():
                return None if isinstance(term.this, exp.Star) else self.resolve(term)
            case exp.Cast():
                return type_name(term.to)
            case exp.Paren() | exp.Alias() | exp.Order() | exp.Filter() | exp.Window():
                return self.type_of(term.this)
            case exp.Distinct() if term.expressions:
                return self.type_of(term.expressions[0])
            case exp.Anonymous():
                return self._infer_call(term)
            case exp.Case():
                branches = [branch.args["true"] for branch in term.args["ifs"]]
                return self._first_known([*branches, term.args.get("default")])
            case exp.Coalesce():
                return self._first_known([term.this, *term.expressions])
            case exp.Nullif():
                return self.type_of(term.this)
            case exp.Bracket() | exp.Unnest() | exp.Explode():
                inner = term.expressions[0] if isinstance(term, exp.Unnest) else term.this
                return self._element(inner)
            case exp.Array():
                return self._infer_array(term)
            case exp.Subquery():
                columns = self.outputs(term.this)
                return columns[0][1] if columns else None
            case exp.Div() | exp.Add() | exp.Sub() | exp.Mul():
                return self._infer_arithmetic(term)
            case exp.DPipe():
                kinds = [self.type_of(term.left), self.type_of(term.right)]
                arrays = [kind for kind in kinds if kind and kind.startswith("_")]
                return arrays[0] if arrays else "text"
            case exp.CurrentUser() | exp.SessionUser() | exp.CurrentSchema() | exp.CurrentCatalog():
                return "name"
            case exp.Dot():
                return "int4" if term.name == "n" else None
        return None

    def _infer_arithmetic(self, term: exp.Binary) -> str | None:
        """Of whole numbers the wider one; of anything else the values tell."""
        kinds = [
            "int4" if operand.is_int else self.type_of(operand)
            for operand in (term.left, term.right)
        ]
        return (
            max((kind or "" for kind in kinds), key=_WIDTHS.index)
            if all(kind in _WIDTHS for kind in kinds)
            else None
        )

    def _infer_call(self, term: exp.Anonymous) -> str | None:
        name = function_name(term)
        arguments = term.expressions
        if name == "array_agg" and arguments:
            kind = self.type_of(arguments[0])
            return f"_{kind}" if kind else None
        if name == "generate_series":
            return "int4" if all(argument.is_int for argument in arguments) else None
        if name in _LIKE_ARGUMENT and arguments:
            return self.type_of(arguments[0])
        return RESULT_TYPES.get(name)

    def _infer_array(self, term: exp.Array) -> str | None:
        first = term.expressions[0] if term.expressions else None
        if first is None:
            return None
        if isinstance(first, exp.Query):
            columns = self.outputs(first)
            kind = columns[0][1] if columns else None
        else:
            kind = self.type_of(first)
        if kind is None and isinstance(first, exp.Literal) and first.is_string:
            kind = "text"
        return f"_{kind}" if kind else None

    def _first_known(self, terms: list[exp.Expr | None]) -> str | None:
        kinds = (self.type_of(term) for term in terms if term is not None)
        return next((kind for kind in kinds if kind is not None), None)


def is_star(term: exp.Expr) -> bool:
    """Tell ``*`` and ``t.*``."""
    return isinstance(term, exp.Star) or (
        isinstance(term, exp.Column) and isinstance(term.this, exp.Star)
    )


def function_name(term: exp.Expr) -> str:
    """Return the name a function was called by."""
    return str(term.name).lower().removeprefix(FUNCTION_PREFIX)


def output_name(term: exp.Expr) -> str:
    """Name a column as Postgres does."""
    name, strength = _named(term)
    return name if strength > _LITERAL_STRENGTH else UNNAMED


def _named(term: exp.Expr) -> tuple[str, int]:  # noqa: C901, PLR0911, PLR0912 - a table
    match term:
        case exp.Alias():
            return term.alias, _NAME_STRENGTH
        case exp.Column() | exp.Dot():
            return term.name, _NAME_STRENGTH
        case exp.Anonymous():
            return function_name(term), _NAME_STRENGTH
        case exp.Cast():
            name, strength = _named(term.this)
            kind = type_name(term.to).removeprefix("_")
            return (name, strength) if strength == _NAME_STRENGTH else (kind, _TYPE_STRENGTH)
        case exp.Paren() | exp.Bracket() | exp.Window() | exp.Filter():
            return _named(term.this)
        case exp.Case():
            default = term.args.get("default")
            name, strength = _named(default) if default is not None else ("", 0)
            return (name, strength) if strength == _NAME_STRENGTH else ("case", _TYPE_STRENGTH)
        case exp.Subquery():
            query = term.this
            terms = query.expressions if isinstance(query, exp.Select) else []
            inner = terms[0] if terms else None
            return _named(inner) if inner is not None else ("", _LITERAL_STRENGTH)
        case exp.Array() | exp.Exists() | exp.Unnest():
            return type(term).__name__.lower(), _NAME_STRENGTH
        case exp.Coalesce() | exp.Nullif() | exp.Greatest() | exp.Least() | exp.Extract():
            return type(term).__name__.lower(), _NAME_STRENGTH
        case exp.Substring():
            return "substring", _NAME_STRENGTH
        case exp.Trim():
            side = str(term.args.get("position") or "BOTH").upper()
            names = {"LEADING": "ltrim", "TRAILING": "rtrim"}
            return names.get(side, "btrim"), _NAME_STRENGTH
        case exp.StrPosition():
            return "position", _NAME_STRENGTH
        case exp.Boolean():
            return "bool", _TYPE_STRENGTH
    return _SESSION_WORDS.get(type(term), ""), (
        _NAME_STRENGTH if type(term) in _SESSION_WORDS else _LITERAL_STRENGTH
    )
