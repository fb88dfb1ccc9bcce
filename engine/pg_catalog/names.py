"""Functions about names and numbers of one snapshot, which its database calls with whole columns.

They are functions of Python and no SQL macros because a macro with a subquery takes a column of its caller for
its own when both have the same name, and because DuckDB refuses subqueries in some places clients use them in.
"""

from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from inspect import Parameter, Signature
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from engine.pg_catalog.entries import Entries, Index
from engine.pg_catalog.filling import arrow_type
from engine.pg_catalog.indexdef import index_definition as write_index
from engine.pg_catalog.indexdef import qualified, quote_ident
from engine.pg_catalog.layout import path_schemas
from engine.pg_catalog.pg_types import (
    format_type,
    function_oids,
    functions_by_oid,
    private_type_oids,
    type_name_of,
    types_by_name,
    types_by_oid,
)

_NOTHING = "-"
_UNITS = ("kB", "MB", "GB", "TB", "PB")
_BYTES_LIMIT = 10 * 1024
_HALVES_LIMIT = 20 * 1024 - 1
_Scalar = Callable[..., Any]
_NUMBER, _TEXT, _FLAG, _TEXTS = "BIGINT", "VARCHAR", "BOOLEAN", "VARCHAR[]"
_PREFIX = "of_snapshot_"
_COUNTER = count(1)


class Names:
    """Looks up what object identifiers and names mean in one snapshot."""

    def __init__(self, entries: Entries) -> None:
        """Take the entries of a snapshot."""
        self._entries = entries
        self._schemas = {oid: name for name, oid in entries.schema_oids.items()}
        self._roles = {oid: name for name, oid in entries.role_oids.items()}
        tables, indexes = entries.snapshot.tables, entries.snapshot.indexes
        self._views = {each.oid: each.definition for each in tables}
        self._sizes = {each.oid: each.size_bytes for each in tables}
        self._sizes |= {each.oid: each.size_bytes for each in indexes}
        self._visible = lru_cache(maxsize=16)(self._visible_oids)

    @cached_property
    def _indexes(self) -> dict[int, Index]:
        return {each.index.oid: each for each in self._entries.indexes}

    def text_of(self, kind: str, oid: int, path: str) -> str:
        """Write an object identifier of one of the types that print as names."""
        match kind:
            case "regclass":
                return self.relation_text(oid, path)
            case "regtype":
                return _type_text(oid)
            case "regproc" | "regprocedure":
                return _function_text(oid)
            case "regnamespace":
                return self.schema_text(oid)
            case "regrole":
                return self.role_text(oid)
        return _number_text(oid)

    def view_definition(self, oid: int) -> str | None:
        """Return the SELECT of a view."""
        return self._views.get(oid)

    def size(self, oid: int) -> int | None:
        """Return the bytes of a table or index."""
        return self._sizes.get(oid)

    def is_visible(self, oid: int, path: str) -> bool | None:
        """Tell whether a bare name finds a relation; None when there is none."""
        if oid not in self._entries.relations_by_oid:
            return None
        return oid in self._visible(path)

    def _visible_oids(self, path: str) -> frozenset[int]:
        """Relations that no relation of an earlier schema of the path hides."""
        found: dict[str, int] = {}
        order = {schema: place for place, schema in enumerate(path_schemas(path))}
        named = sorted(
            (order[schema], name, oid)
            for oid, (schema, name) in self._entries.relations_by_oid.items()
            if schema in order
        )
        for _, name, oid in named:
            found.setdefault(name, oid)
        return frozenset(found.values())

    def relation_text(self, oid: int, path: str) -> str:
        """Write the name of a relation, with its schema where that is needed."""
        name = self._entries.relations_by_oid.get(oid)
        if name is None:
            return _number_text(oid)
        return quote_ident(name[1]) if oid in self._visible(path) else qualified(*name)

    def relation_oid(self, text: str, path: str, must_exist: bool) -> int | None:
        """Find a relation by its name."""
        parts = split_name(text)
        oids = self._entries.relation_oids
        if len(parts) == 1 and parts[0].isdecimal():
            return int(parts[0])
        if len(parts) == 1:
            schemas = [schema for schema in path_schemas(path) if (schema, parts[0]) in oids]
            found = oids[schemas[0], parts[0]] if schemas else None
        else:
            found = oids.get((parts[-2], parts[-1]))
        return _found(found, must_exist, f'relation "{text}" does not exist')

    def schema_text(self, oid: int) -> str:
        """Write the name of a schema."""
        name = self._schemas.get(oid)
        return _number_text(oid) if name is None else quote_ident(name)

    def schema_oid(self, text: str, must_exist: bool) -> int | None:
        """Find a schema by its name."""
        if text.isdecimal():
            return int(text)
        name = split_name(text)[-1]
        found = self._entries.schema_oids.get(name)
        return _found(found, must_exist, f'schema "{text}" does not exist')

    def role_text(self, oid: int) -> str:
        """Write the name of a role."""
        name = self._roles.get(oid)
        return _number_text(oid) if name is None else quote_ident(name)

    def role_oid(self, text: str, must_exist: bool) -> int | None:
        """Find a role by its name."""
        if text.isdecimal():
            return int(text)
        found = self._entries.role_oids.get(split_name(text)[-1])
        return _found(found, must_exist, f'role "{text}" does not exist')

    def role_name(self, oid: int) -> str:
        """Return the name of a role as it is."""
        return self._roles.get(oid, f"unknown (OID={oid})")

    def index_definition(self, oid: int, column: int, pretty: bool, path: str) -> str | None:
        """Write CREATE INDEX, or one column of it."""
        index = self._indexes.get(oid)
        if index is None:
            return None
        if column:
            names = [quote_ident(key.name) for key in index.keys]
            return names[column - 1] if 0 < column <= len(names) else ""
        return write_index(index, bare=pretty and index.table.oid in self._visible(path))


_REGISTERED: WeakValueDictionary[int, Names] = WeakValueDictionary()


def split_name(text: str) -> list[str]:
    """Split a dotted name, folded as SQL folds what is not in quotes.

    >>> split_name('Sales."Odd Name"')
    ['sales', 'Odd Name']
    """
    parts, word, in_quotes = [], "", False
    at = 0
    while at < len(text):
        char = text[at]
        if char == '"' and in_quotes and text[at + 1 : at + 2] == '"':
            word += char
            at += 1
        elif char == '"':
            in_quotes = not in_quotes
        elif char == "." and not in_quotes:
            parts.append(word)
            word = ""
        elif in_quotes or not char.isspace():
            word += char if in_quotes else char.lower()
        at += 1
    return [*parts, word]


def _found(oid: int | None, must_exist: bool, message: str) -> int | None:
    if oid is None and must_exist:
        raise LookupError(message)
    return oid


def _number_text(oid: int) -> str:
    return str(oid) if oid else _NOTHING


def _number(text: str, must_exist: bool) -> int | None:
    return int(text) if text.isdecimal() else _found(None, must_exist, f'"{text}" does not exist')


def _is_visible_type(oid: int) -> bool | None:
    """Only the types of information_schema are outside the search path."""
    found = types_by_oid().get(oid)
    return None if found is None else oid not in private_type_oids()


def _type_text(oid: int) -> str:
    text = format_type(oid, None)
    return str(oid) if text == "???" else text


def _type_oid(text: str, must_exist: bool) -> int | None:
    if text.isdecimal():
        return int(text)
    name = type_name_of(text)
    found = None if name is None else types_by_name()[name].oid
    return _found(found, must_exist, f'type "{text}" does not exist')


def _function_text(oid: int) -> str:
    function = functions_by_oid().get(oid)
    return _number_text(oid) if function is None else function.proname


def _function_oid(text: str, must_exist: bool) -> int | None:
    if text.isdecimal() or text == _NOTHING:
        return int(text) if text.isdecimal() else 0
    name = split_name(text.partition("(")[0])[-1]
    return _found(function_oids().get(name), must_exist, f'function "{text}" does not exist')


def _format_type(oid: int, typmod: int) -> str:
    """A typmod below -1 stands for NULL, which an argument of a function cannot be here."""
    return format_type(oid, None if typmod < -1 else typmod)


def _size_text(size: int) -> str:
    """Write a size as pg_size_pretty does: rounded to halves, the next unit from ten thousand and some on.

    >>> _size_text(10239), _size_text(10240), _size_text(20971520)
    ('10239 bytes', '10 kB', '20 MB')
    """
    if abs(size) < _BYTES_LIMIT:
        return f"{size} bytes"
    halves = size >> 9
    for unit in _UNITS[:-1]:
        if abs(halves) < _HALVES_LIMIT:
            return f"{(halves + 1) // 2} {unit}"
        halves >>= 10
    return f"{(halves + 1) // 2} {_UNITS[-1]}"


# Functions of the names of one snapshot, then those of none: arguments and result as SQL's types.
_OF_SNAPSHOT: dict[str, tuple[_Scalar, list[str], str]] = {
    "oid_is_visible": (Names.is_visible, [_NUMBER, _TEXT], _FLAG),
    "oid_regclass": (Names.relation_text, [_NUMBER, _TEXT], _TEXT),
    "oid_regnamespace": (Names.schema_text, [_NUMBER], _TEXT),
    "oid_regrole": (Names.role_text, [_NUMBER], _TEXT),
    "name_regclass": (Names.relation_oid, [_TEXT, _TEXT, _FLAG], _NUMBER),
    "name_regnamespace": (Names.schema_oid, [_TEXT, _FLAG], _NUMBER),
    "name_regrole": (Names.role_oid, [_TEXT, _FLAG], _NUMBER),
    "oid_rolname": (Names.role_name, [_NUMBER], _TEXT),
    "oid_indexdef": (Names.index_definition, [_NUMBER, _NUMBER, _FLAG, _TEXT], _TEXT),
    "oid_viewdef": (Names.view_definition, [_NUMBER], _TEXT),
    "oid_size": (Names.size, [_NUMBER], _NUMBER),
}
_OF_ALL: dict[str, tuple[_Scalar, list[str], str]] = {
    "oid_type_is_visible": (_is_visible_type, [_NUMBER], _FLAG),
    "oid_regtype": (_type_text, [_NUMBER], _TEXT),
    "oid_regproc": (_function_text, [_NUMBER], _TEXT),
    "oid_number": (_number_text, [_NUMBER], _TEXT),
    "name_regtype": (_type_oid, [_TEXT, _FLAG], _NUMBER),
    "name_regproc": (_function_oid, [_TEXT, _FLAG], _NUMBER),
    "name_number": (_number, [_TEXT, _FLAG], _NUMBER),
    "oid_format_type": (_format_type, [_NUMBER, _NUMBER], _TEXT),
    "text_quote_ident": (quote_ident, [_TEXT], _TEXT),
    "text_parse_ident": (split_name, [_TEXT], _TEXTS),
    "text_size_pretty": (_size_text, [_NUMBER], _TEXT),
}


def macros_of(number: int) -> list[str]:
    """Return the macros that call the functions of a snapshot by their names alone.

    Args:
        number: what :func:`register` gave for the names of the snapshot.
    """
    macros = []
    for name, (_, arguments, _) in _OF_SNAPSHOT.items():
        given = [f"argument_{place}" for place in range(len(arguments))]
        macros.append(
            f"{name}({', '.join(given)}) AS {_PREFIX}{name}({', '.join([str(number), *given])})"
        )
    return macros


def register(names: Names) -> int:
    """Let functions find the names of a snapshot by a number, while somebody holds them."""
    number = next(_COUNTER)
    _REGISTERED[number] = names
    return number


def install_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions callable in an instance, for all its databases; once is enough.

    Their names start with ``oid_``, ``name_`` or ``text_``. A function of Python belongs to the instance, so
    those about one snapshot are told which by their first argument.
    """
    for name, (function, arguments, result) in _OF_SNAPSHOT.items():
        of_number = partial(_call_registered, function)
        _install(connection, _PREFIX + name, of_number, [_NUMBER, *arguments], result)
    for name, (function, arguments, result) in _OF_ALL.items():
        _install(connection, name, function, arguments, result)


def _call_registered(function: _Scalar, number: int, *arguments: Any) -> Any:  # noqa: ANN401
    return function(_REGISTERED[number], *arguments)


def _install(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    function: _Scalar,
    arguments: list[str],
    result: str,
) -> None:
    connection.create_function(
        name,
        _vectorised(function, len(arguments), arrow_type(result)),
        list(arguments),
        result,
        type=PythonUDFType.ARROW,
        null_handling=FunctionNullHandling.SPECIAL,
    )


def _vectorised(function: _Scalar, arity: int, kind: Any) -> _Scalar:  # noqa: ANN401 - of Arrow
    """Call a function of plain values for columns; NULL in, NULL out."""

    def call(*columns: Any) -> Any:  # noqa: ANN401 - arrays of Arrow
        rows = zip(*(column.to_pylist() for column in columns), strict=True)
        return pa.array([None if None in row else function(*row) for row in rows], kind)

    # DuckDB counts the parameters by their names, which `*columns` has none of.
    call.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(f"column_{place}", Parameter.POSITIONAL_ONLY) for place in range(arity)]
    )
    return call
