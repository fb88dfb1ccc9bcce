"""What stands for each function of Postgres that a catalog statement may call.

A function that is not listed does not exist: the database that answers has functions of its own, which are
nobody's business.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlglot import exp

from engine.errors import SqlInvalid
from engine.pg_catalog.layout import INFORMATION_SCHEMA, PG_CATALOG, path_schemas, path_text
from engine.pg_catalog.pg_types import REG_TYPES, VECTORS
from engine.pg_catalog.snapshot import CatalogSnapshot

Arguments: TypeAlias = Sequence[exp.Expr]
_REG_LOOKUPS = {
    name: name
    if name in ("regclass", "regtype", "regproc", "regnamespace", "regrole")
    else "number"
    for name in REG_TYPES
} | {"regprocedure": "regproc"}
_ENCODINGS = {0: "SQL_ASCII", 6: "UTF8", 8: "LATIN1"}
_NO_TYPMOD = -2
_FROZEN_AGE = 2**31 - 1
_PRIVILEGES_OF_READERS = frozenset(("SELECT", "USAGE", "CONNECT", "EXECUTE"))


@dataclass(frozen=True, slots=True)
class Context:
    """What the meaning of a call depends on: the session, and the types of the statement's terms."""

    snapshot: CatalogSnapshot
    types: dict[int, str | None] = field(default_factory=dict)

    @property
    def path(self) -> exp.Expr:
        """The search path as an argument."""
        return text(path_text(self.snapshot.session.search_path))

    def type_of(self, term: exp.Expr) -> str | None:
        """The ``typname`` of a term of the statement, None when it is not known."""
        return self.types.get(id(term))


Replace: TypeAlias = Callable[[Arguments, Context], exp.Expr]


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """Call a function of the answering database."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def text(value: str) -> exp.Expr:
    """Write a text."""
    return exp.Literal.string(value)


def as_type(term: exp.Expr, kept: str) -> exp.Expr:
    """Cast to a type of the answering database."""
    return exp.Cast(this=term, to=exp.DataType.build(kept, dialect="duckdb"))


def null(kept: str = "VARCHAR") -> exp.Expr:
    """Write NULL of a type."""
    return as_type(exp.null(), kept)


def number(term: exp.Expr) -> exp.Expr:
    """Read a term as an object identifier."""
    return as_type(term, "BIGINT")


def from_name(kind: str, term: exp.Expr, context: Context, *, must_exist: bool) -> exp.Expr:
    """Look up the object identifier that a text names."""
    lookup = _REG_LOOKUPS[kind]
    path = (context.path,) if lookup == "regclass" else ()
    return call(f"name_{lookup}", as_type(term, "VARCHAR"), *path, exp.Boolean(this=must_exist))


def to_name(kind: str, term: exp.Expr, context: Context) -> exp.Expr:
    """Write what an object identifier names."""
    lookup = _REG_LOOKUPS[kind]
    path = (context.path,) if lookup == "regclass" else ()
    return call(f"oid_{lookup}", number(term), *path)


def relation_number(term: exp.Expr, context: Context) -> exp.Expr:
    """Read an argument of type regclass: a number, or the name of a relation."""
    if isinstance(term, exp.Literal) and term.is_string and not term.this.isdecimal():
        return from_name("regclass", term, context, must_exist=True)
    if context.type_of(term) in ("text", "name", "varchar"):
        return from_name("regclass", term, context, must_exist=True)
    return number(term)


def is_vector(term: exp.Expr, context: Context) -> bool:
    """Tell a vector, which is counted from 0, from an array, which is counted from 1."""
    return context.type_of(term) in VECTORS


def setting(name: str, context: Context) -> str | None:
    """Return the value of a setting, whatever the case of its name."""
    settings = context.snapshot.session.settings
    folded = {key.lower(): value for key, value in settings.items()}
    return folded.get(name.lower())


def _same(name: str) -> Replace:
    return lambda arguments, _: call(name, *arguments)


def _always(term: Callable[[], exp.Expr]) -> Replace:
    return lambda _, __: term()


def _number_of(name: str) -> Replace:
    return lambda arguments, _: call(name, number(arguments[0]))


def _current_setting(arguments: Arguments, context: Context) -> exp.Expr:
    name = arguments[0]
    if isinstance(name, exp.Cast):
        name = name.this
    if not isinstance(name, exp.Literal):
        settings = context.snapshot.session.settings
        names = exp.Array(expressions=[text(key.lower()) for key in settings])
        values = exp.Array(expressions=[text(value) for value in settings.values()])
        return call("map_extract_value", call("map", names, values), call("lower", name))
    value = setting(name.this, context)
    if value is None:
        if len(arguments) > 1:
            return null()
        raise SqlInvalid(f'unrecognized configuration parameter "{name.this}"')
    return text(value)


def _current_schema(_: Arguments, context: Context) -> exp.Expr:
    known = {*context.snapshot.schemas, PG_CATALOG, INFORMATION_SCHEMA}
    found = [name for name in context.snapshot.session.search_path if name in known]
    return text(found[0]) if found else null()


def _current_schemas(arguments: Arguments, context: Context) -> exp.Expr:
    with_implicit = arguments[0].sql().upper() in ("TRUE", "'T'", "'TRUE'")
    path = context.snapshot.session.search_path
    shown = path_schemas(path_text(path)) if with_implicit else path
    known = {*context.snapshot.schemas, PG_CATALOG, INFORMATION_SCHEMA}
    return exp.Array(expressions=[text(name) for name in shown if name in known])


def _is_visible(arguments: Arguments, context: Context) -> exp.Expr:
    return call("oid_is_visible", relation_number(arguments[0], context), context.path)


def _exists(arguments: Arguments, _: Context) -> exp.Expr:
    return exp.Paren(this=exp.Not(this=exp.Is(this=arguments[0], expression=exp.null())))


def _format_type(arguments: Arguments, _: Context) -> exp.Expr:
    typmod = arguments[1] if len(arguments) > 1 else exp.null()
    missing = exp.Literal.number(_NO_TYPMOD)
    given = exp.Coalesce(this=number(typmod), expressions=[missing])
    return call("oid_format_type", number(arguments[0]), given)


def _index_definition(arguments: Arguments, context: Context) -> exp.Expr:
    """With ``pretty`` the table is named without a schema that the search path has."""
    oid, *more = arguments
    column, pretty = (*more, *(_int(0), exp.false())[len(more) :])
    return call(
        "oid_indexdef", number(oid), number(column), as_type(pretty, "BOOLEAN"), context.path
    )


def _of_relation(name: str) -> Replace:
    return lambda arguments, context: call(name, relation_number(arguments[0], context))


def _size(arguments: Arguments, context: Context) -> exp.Expr:
    relation = relation_number(arguments[0], context)
    return exp.Coalesce(this=call("oid_size", relation), expressions=[exp.Literal.number(0)])


def _database_size(_: Arguments, context: Context) -> exp.Expr:
    snapshot = context.snapshot
    tables = sum(table.size_bytes for table in snapshot.tables)
    return number(exp.Literal.number(tables + sum(each.size_bytes for each in snapshot.indexes)))


def _to_reg(kind: str) -> Replace:
    return lambda arguments, context: from_name(kind, arguments[0], context, must_exist=False)


def _array_upper(arguments: Arguments, context: Context) -> exp.Expr:
    length = exp.Nullif(this=call("len", arguments[0]), expression=exp.Literal.number(0))
    shift = 1 if is_vector(arguments[0], context) else 0
    return as_type(exp.Paren(this=exp.Sub(this=length, expression=_int(shift))), "INTEGER")


def _array_lower(arguments: Arguments, context: Context) -> exp.Expr:
    first = 0 if is_vector(arguments[0], context) else 1
    filled = exp.GT(this=call("len", arguments[0]), expression=_int(0))
    return exp.Case(ifs=[exp.If(this=filled, true=_int(first))])


def _array_length(arguments: Arguments, _: Context) -> exp.Expr:
    length = exp.Nullif(this=call("len", arguments[0]), expression=_int(0))
    return as_type(length, "INTEGER")


def _subscripts(arguments: Arguments, context: Context) -> exp.Expr:
    found = as_type(call("generate_subscripts", arguments[0], _int(1)), "INTEGER")
    if not is_vector(arguments[0], context):
        return found
    return exp.Paren(this=exp.Sub(this=found, expression=_int(1)))


def _expand_array(arguments: Arguments, _: Context) -> exp.Expr:
    return call("unnest", call("expand_array", arguments[0]))


def _quote_literal(arguments: Arguments, _: Context) -> exp.Expr:
    doubled = call("replace", as_type(arguments[0], "VARCHAR"), text("'"), text("''"))
    return call("concat", text("'"), doubled, text("'"))


def _format(arguments: Arguments, context: Context) -> exp.Expr:
    """FORMAT with %s, %I and %L, which is a concatenation."""
    pattern, *values = arguments
    if not isinstance(pattern, exp.Literal):
        raise SqlInvalid("format needs its pattern as a text.")
    pieces = [text(pattern.this)]
    for value in values:
        before, sign, after = pieces.pop().this.partition("%")
        written = _FORMATS.get(after[:1])
        if not sign or written is None:
            raise SqlInvalid("format understands %s, %I and %L, one for each argument.")
        pieces += [text(before), written([value], context), text(after[1:])]
    return call("concat", *pieces)


def _privilege(arguments: Arguments, _: Context) -> exp.Expr:
    """Whoever is logged in may read everything and change nothing."""
    asked = arguments[-1]
    if not isinstance(asked, exp.Literal):
        return exp.true()
    words = {word.strip().upper() for word in asked.this.split(",")}
    return exp.Boolean(this=bool(words & _PRIVILEGES_OF_READERS))


def _age(arguments: Arguments, context: Context) -> exp.Expr:
    """Of a transaction: that of rows that are frozen, as all are."""
    if context.type_of(arguments[0]) == "xid":
        return _int(_FROZEN_AGE)
    return call("age", *arguments)


def _encoding_name(arguments: Arguments, _: Context) -> exp.Expr:
    ifs = [exp.If(this=_int(encoding), true=text(name)) for encoding, name in _ENCODINGS.items()]
    return exp.Case(this=arguments[0], ifs=ifs, default=text(""))


def _type_name(arguments: Arguments, context: Context) -> exp.Expr:
    found = context.type_of(arguments[0])
    return text(found or "unknown")


def _int(value: int) -> exp.Expr:
    return exp.Literal.number(value)


def _session_user(_: Arguments, context: Context) -> exp.Expr:
    return text(context.snapshot.session.user)


def _started(_: Arguments, context: Context) -> exp.Expr:
    return call("moment", number(_int(context.snapshot.session.server_started_us)))


_FORMATS: dict[str, Replace] = {
    "s": lambda arguments, _: as_type(arguments[0], "VARCHAR"),
    "I": _same("text_quote_ident"),
    "L": _quote_literal,
}
VERSION = "PostgreSQL 15.0 (Tidemill)"
_TRUE, _FALSE = exp.true, exp.false
# What the answering database has under the same name, with the same meaning.
_PLAIN = (
    "abs any_value array_agg array_append array_cat array_position array_prepend array_remove array_to_string"
    " avg bit_and bit_or bool_and bool_or cardinality ceil ceiling concat concat_ws count cume_dist date_part"
    " date_trunc dense_rank first_value floor generate_series initcap lag last_value lead length lower lpad ltrim"
    " max md5 min mod nth_value ntile now percent_rank power rank regexp_replace regexp_split_to_array repeat"
    " reverse right round row_number rpad rtrim sign split_part to_json sqrt substring starts_with string_agg string_to_array"
    " strpos substr sum translate trunc upper left replace unnest"
)
_RENAMED = {
    "btrim": "trim",
    "char_length": "length",
    "every": "bool_and",
    "octet_length": "strlen",
} | {
    "json_agg": "json_group_array",
    "json_build_array": "json_array",
    "json_build_object": "json_object",
    "jsonb_build_object": "json_object",
    "row_to_json": "to_json",
}
_NO_TEXT = (
    "pg_get_expr obj_description col_description shobj_description pg_get_constraintdef pg_get_partkeydef"
    " pg_get_ruledef pg_get_triggerdef pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_functiondef"
    " pg_get_function_arguments pg_get_function_result pg_get_function_identity_arguments pg_get_function_sqlbody"
    " pg_get_serial_sequence pg_get_function_arg_default inet_server_addr inet_client_addr"
)
_ALLOWED = (
    "has_table_privilege has_schema_privilege has_database_privilege has_column_privilege"
    " has_any_column_privilege has_function_privilege has_type_privilege has_language_privilege"
    " has_tablespace_privilege has_sequence_privilege has_foreign_data_wrapper_privilege has_server_privilege"
)
_NUMBER_VISIBLE = (
    "pg_function_is_visible pg_operator_is_visible pg_opclass_is_visible"
    " pg_opfamily_is_visible pg_collation_is_visible pg_conversion_is_visible pg_statistics_obj_is_visible"
    " pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible"
)
_ZERO = (
    "pg_my_temp_schema pg_indexes_size pg_tablespace_size pg_stat_get_numscans txid_current"
    " pg_stat_get_live_tuples"
)
_SYSTEM: dict[str, Replace] = {
    **{name: _always(null) for name in _NO_TEXT.split()},
    **dict.fromkeys(_ALLOWED.split(), _privilege),
    **dict.fromkeys(_NUMBER_VISIBLE.split(), _exists),
    **{name: _always(lambda: number(_int(0))) for name in _ZERO.split()},
    **{
        name: _always(_FALSE)
        for name in (
            *("pg_is_in_recovery", "pg_is_other_temp_schema", "row_security_active"),
            *("pg_relation_is_publishable", "pg_is_wal_replay_paused"),
        )
    },
    **{f"to_{kind}": _to_reg(kind) for kind in REG_TYPES},
    "array_length": _array_length,
    "array_lower": _array_lower,
    "array_upper": _array_upper,
    "current_catalog": lambda _, context: text(context.snapshot.database),
    "current_database": lambda _, context: text(context.snapshot.database),
    "current_role": _session_user,
    "current_schema": _current_schema,
    "current_schemas": _current_schemas,
    "current_setting": _current_setting,
    "current_user": _session_user,
    "format": _format,
    "format_type": _format_type,
    "generate_subscripts": _subscripts,
    "getdatabaseencoding": _always(lambda: text("UTF8")),
    "pg_advisory_unlock_all": _always(lambda: text("")),  # nothing is ever locked
    "pg_backend_pid": lambda _, context: _int(context.snapshot.session.backend_pid),
    "pg_char_to_encoding": _always(lambda: _int(6)),
    "pg_conf_load_time": _started,
    "pg_database_size": _database_size,
    "pg_encoding_to_char": _encoding_name,
    "pg_get_indexdef": _index_definition,
    "pg_get_userbyid": _number_of("oid_rolname"),
    "pg_get_viewdef": _of_relation("oid_viewdef"),
    "pg_postmaster_start_time": _started,
    "pg_relation_size": _size,
    "pg_size_pretty": _number_of("text_size_pretty"),
    "pg_table_is_visible": _is_visible,
    "pg_type_is_visible": _number_of("oid_type_is_visible"),
    "pg_table_size": _size,
    "pg_tablespace_location": _always(lambda: text("")),
    "pg_total_relation_size": _size,
    "pg_typeof": _type_name,
    "pg_has_role": _always(_TRUE),
    "_pg_expandarray": _expand_array,
    "parse_ident": _same("text_parse_ident"),
    "quote_ident": _same("text_quote_ident"),
    "quote_literal": _quote_literal,
    "session_user": _session_user,
    "set_config": lambda arguments, _: arguments[1],
    "user": _session_user,
    "version": _always(lambda: text(VERSION)),
}
FUNCTIONS: dict[str, Replace] = {
    **{name: _same(name) for name in _PLAIN.split()},
    **{name: _same(other) for name, other in _RENAMED.items()},
    "age": _age,
    **_SYSTEM,
}
# Functions that give the rows of a relation.
RELATION_FUNCTIONS = {
    "pg_get_keywords": "pg_get_keywords",
    "pg_show_all_settings": "pg_settings",
    "pg_stat_get_activity": "pg_stat_activity",
}
# Functions that give rows of which there are none: their columns.
EMPTY_SOURCES = {
    "aclexplode": ("grantor", "grantee", "privilege_type", "is_grantable"),
    "pg_options_to_table": ("option_name", "option_value"),
    "pg_partition_ancestors": ("relid",),
    "pg_partition_tree": ("relid", "parentrelid", "isleaf", "level"),
    "pg_lock_status": ("locktype", "database", "relation", "pid", "mode", "granted"),
}
SYSTEM_FUNCTIONS = frozenset((*_SYSTEM, *EMPTY_SOURCES, *RELATION_FUNCTIONS))
# ``typname`` of results that do not follow from the arguments.
_RESULT_TYPES = {
    "name": (
        "current_catalog current_database current_role current_schema current_user pg_get_userbyid session_user"
        " user pg_encoding_to_char"
    ),
    "text": (
        "array_to_string btrim concat concat_ws current_setting format format_type initcap left lower lpad ltrim md5"
        " pg_get_indexdef pg_get_viewdef pg_size_pretty quote_ident quote_literal regexp_replace repeat replace"
        " reverse right rpad rtrim set_config split_part string_agg substr substring translate upper version "
        + _NO_TEXT
    ),
    "bool": f"pg_type_is_visible bool_and bool_or every pg_has_role pg_is_in_recovery pg_table_is_visible {_ALLOWED} {_NUMBER_VISIBLE}",
    "int4": (
        "array_length array_lower array_upper cardinality char_length generate_subscripts length octet_length"
        " pg_backend_pid strpos"
    ),
    "int8": (
        "count dense_rank ntile pg_database_size pg_relation_size pg_table_size pg_total_relation_size rank"
        " row_number txid_current pg_indexes_size"
    ),
    "oid": "pg_my_temp_schema",
    "regtype": "to_regtype",
    "regclass": "to_regclass",
    "regproc": "to_regproc",
    "regnamespace": "to_regnamespace",
    "regrole": "to_regrole",
    "_name": "current_schemas",
    "_text": "parse_ident regexp_split_to_array string_to_array",
    "json": "json_agg json_build_array json_build_object row_to_json to_json",
    "jsonb": "jsonb_build_object",
    "timestamptz": "now pg_postmaster_start_time pg_conf_load_time",
}
RESULT_TYPES = {name: kind for kind, names in _RESULT_TYPES.items() for name in names.split()}
