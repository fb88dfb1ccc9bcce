"""Values that a catalog keeps as text, brought to Arrow by DuckDB, whose texts they are.

The trap: a struct in a catalog that is no DuckDB is not the text DuckDB makes of it but a literal of
SQL (``{'a': 'it''s', 'd': CAST('2020-01-01' AS DATE)}``), down to the first list or map in it.
Casting it as it is loses quotes and backslashes, so it is rewritten first.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Self

import pyarrow as pa

from connectors.drivers import load_driver
from connectors.errors import SourceFailed
from connectors.sources.ducklake.columns import LakeColumn

DUCKDB_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "enable_external_access": "false",
        "autoload_known_extensions": "false",
        "autoinstall_known_extensions": "false",
        "python_enable_replacements": "false",
    }
)
"""A file or a text of a stranger reaches no other file and no Python variable."""

_BINARY_TYPES = frozenset(["blob", "geometry"])
_TEXT_TYPES = frozenset(["varchar", "json"])
_SQL_STRING = re.compile(r"'((?:[^']|'')*)'")
_CAST = re.compile(r"CAST\('((?:[^']|'')*)' AS [A-Z0-9_ ]+(?:\([0-9, ]+\))?\)")
_BARE = re.compile(r"[^,{}\[\]'\"]+")
_QUOTED_IN_TEXT = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)
_ONLY_ESCAPES = re.compile(r"(?:[^\\]|\\[\\'\"])*", re.DOTALL)


class TextCaster:
    """Casts texts to types with a DuckDB of its own, in memory and without access to anything."""

    def __init__(self) -> None:
        self._connection = load_driver("duckdb").connect(config=dict(DUCKDB_SETTINGS))
        self._connection.execute("SET TimeZone = 'UTC'")

    def cast_rows(
        self, rows: Sequence[Sequence[Any]], columns: Sequence[LakeColumn]
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows in :attr:`LakeColumn.exported_type`.

        Args:
            rows: values as a catalog gives them: text, bytes, whole numbers, None.
            columns: one for each value.
        """
        texts = [
            pa.array([_text_of(row[position], column) for row in rows], _text_type(column))
            for position, column in enumerate(columns)
        ]
        names = [f"c{position}" for position in range(len(columns))]
        table = pa.Table.from_arrays(texts, names)
        casts = ", ".join(
            f"CAST(CAST({name} AS {column.duckdb_type}) AS {column.exported_type}) AS {name}"
            for name, column in zip(names, columns, strict=True)
        )
        self._connection.register("texts", table)
        relation = self._connection.sql(f"SELECT {casts} FROM texts")  # noqa: S608 - quoted names only
        yield from relation.to_arrow_reader(len(rows))
        self._connection.unregister("texts")

    def cast_one(self, text: str, column: LakeColumn) -> "pa.Array[Any]":
        """Return one value as an array of length 1."""
        (batch,) = self.cast_rows([[text]], [column])
        return batch.column(0)

    def close(self) -> None:
        """Release the database."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def struct_text(text: str, column: LakeColumn) -> str:
    r"""Rewrite the text of a struct so that DuckDB casts it to what it was.

    Raises:
        SourceFailed: backslashes in it may or may not be doubled.

    >>> column = LakeColumn(1, "s", "struct", True, children=(LakeColumn(2, "a", "varchar", True),))
    >>> print(struct_text("{'a': 'it''s'}", column))
    {'a': 'it\'s'}
    """
    literal = _SqlLiteral(text)
    try:
        rewritten = literal.rewrite(column)
    except _NotALiteral:
        # Newer writers store DuckDB's own text, which needs nothing.
        if "CONCAT('" in text:
            raise SourceFailed(f"Column '{column.name}' holds a struct with a zero byte") from None
        return text
    if literal.is_ambiguous:
        raise SourceFailed(
            f"Column '{column.name}' holds a struct in the catalog whose backslashes cannot be told "
            "from escapes: flush the inlined data of its table"
        )
    return rewritten


def _text_type(column: LakeColumn) -> pa.DataType:
    return pa.binary() if column.type in _BINARY_TYPES else pa.string()


def _text_of(value: Any, column: LakeColumn) -> str | bytes | None:  # noqa: ANN401 - what a driver gives
    if value is None:
        return None
    if column.type in _BINARY_TYPES:
        return value if isinstance(value, bytes) else str(value).encode()
    text = value.decode() if isinstance(value, bytes) else str(value)
    return struct_text(text, column) if column.type == "struct" else text


class _NotALiteral(Exception):
    """The text is no literal of SQL."""


class _SqlLiteral:
    """Reads a struct that is written as SQL and writes it as DuckDB's text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._is_certain = False
        self._may_be_escaped = False

    @property
    def is_ambiguous(self) -> bool:
        """Whether the same text could be DuckDB's own, and mean another value."""
        return self._may_be_escaped and not self._is_certain

    def rewrite(self, column: LakeColumn) -> str:
        rewritten = self._struct(column)
        if self._at != len(self._text):
            raise _NotALiteral
        return rewritten

    def _struct(self, column: LakeColumn) -> str:
        fields = []
        self._take("{")
        for position, child in enumerate(column.children):
            if position:
                self._take(", ")
            name = self._string(_SQL_STRING)
            self._take(": ")
            fields.append(f"{_escaped(name)}: {self._value(child)}")
        self._take("}")
        return "{" + ", ".join(fields) + "}"

    def _value(self, column: LakeColumn) -> str:
        if self._text.startswith("NULL", self._at):
            self._at += len("NULL")
            return "NULL"
        if column.type == "struct":
            return self._struct(column)
        if column.type in ("list", "map"):
            return self._nested_text()
        if self._text.startswith("CAST(", self._at):
            self._is_certain = True
            return _escaped(self._string(_CAST))
        if self._text.startswith("'", self._at):
            return _escaped(self._string(_SQL_STRING))
        if column.type in _TEXT_TYPES:
            raise _NotALiteral
        return self._match(_BARE)[0]

    def _string(self, pattern: re.Pattern[str]) -> str:
        raw = self._match(pattern)[1]
        if "''" in raw or not _ONLY_ESCAPES.fullmatch(raw):
            self._is_certain = True
        elif "\\" in raw:
            self._may_be_escaped = True
        return raw.replace("''", "'")

    def _nested_text(self) -> str:
        start, depth = self._at, 0
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter in "'\"":
                self._match(_QUOTED_IN_TEXT)
                continue
            depth += (letter in "[{(") - (letter in "]})")
            self._at += 1
            if not depth:
                return self._text[start : self._at]
        raise _NotALiteral

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _NotALiteral
        self._at = found.end()
        return found

    def _take(self, wanted: str) -> None:
        if not self._text.startswith(wanted, self._at):
            raise _NotALiteral
        self._at += len(wanted)


def _escaped(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
