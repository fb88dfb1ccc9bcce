"""Answers catalog statements: the way in for the doors that speak Postgres' protocol.

The database of a snapshot is built once and kept while it is among the last few used.
"""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Any

import orjson
import pyarrow as pa

from engine.encode.pg.pg_types import TYPE_KEY
from engine.pg_catalog.database import CatalogDatabase
from engine.pg_catalog.filling import arrow_type
from engine.pg_catalog.layout import path_text
from engine.pg_catalog.names import Names
from engine.pg_catalog.pg_types import REG_TYPES, VECTORS, duckdb_type, types_by_name, types_by_oid
from engine.pg_catalog.snapshot import CarriedSnapshot, CatalogSnapshot
from engine.workers.pure_data import load_data

DATABASES_MAX = 4
_INTEGERS = frozenset(("int2", "int4", "int8"))


class _Databases:
    """The databases of the snapshots that were used last."""

    def __init__(self) -> None:
        self._by_digest: OrderedDict[str, CatalogDatabase] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def use(self, carried: CarriedSnapshot) -> Iterator[CatalogDatabase]:
        """Give the database of a snapshot, which stays open meanwhile."""
        with self._lock:
            database = self._find(carried)
            database.retain()
        try:
            yield database
        finally:
            database.release()

    def _find(self, carried: CarriedSnapshot) -> CatalogDatabase:
        database = self._by_digest.get(carried.digest)
        if database is None:
            snapshot = load_data(CatalogSnapshot, orjson.loads(carried.body))
            database = self._by_digest[carried.digest] = CatalogDatabase(snapshot)
        self._by_digest.move_to_end(carried.digest)
        if len(self._by_digest) > DATABASES_MAX:
            _, oldest = self._by_digest.popitem(last=False)
            oldest.close()
        return database


_DATABASES = _Databases()


def answer_catalog_statement(carried: CarriedSnapshot, sql: str) -> pa.RecordBatchReader:
    """Answer one statement about the system catalogs.

    Args:
        carried: what the session sees; see :func:`~engine.pg_catalog.snapshot.with_oids`.
        sql: for which :func:`~engine.pg_catalog.classify.is_catalog_statement` holds. A parameter
            that is still in it is NULL, which is enough to learn the columns.

    Returns:
        The rows; columns are named as Postgres names them. A field whose values are of a type that Arrow does
        not have (``oid``, ``name``, ``regclass``, …) names it under ``postgres.type`` in its metadata: the
        values themselves are the text that Postgres prints, or for ``oid`` and ``xid`` numbers.

    Raises:
        SqlInvalid: the statement does not parse, bind or evaluate.
    """
    with _DATABASES.use(carried) as database:
        snapshot = replace(database.snapshot, session=carried.session)
        rewritten = database.rewrite(sql, snapshot)
        table = database.query(rewritten.sql, rewritten.relations, snapshot)
    path = path_text(carried.session.search_path)
    names = [name for name, _ in rewritten.columns]
    kinds = [kind for _, kind in rewritten.columns]
    if len(names) != table.num_columns:
        names, kinds = list(table.column_names), [None] * table.num_columns
    columns = [
        _named(column, str(kind), database.names, path)
        if kind in REG_TYPES
        else _shown(column, kind)
        for column, kind in zip(table.columns, kinds, strict=True)
    ]
    fields = [
        pa.field(name, column.type, metadata=_metadata(kind, column.type))
        for name, kind, column in zip(names, kinds, columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields)).to_reader()


def _named(column: Any, kind: str, names: Names, path: str) -> Any:  # noqa: ANN401 - of Arrow
    """Write numbers that stand for names as these."""
    oids = column.to_pylist()
    texts = {oid: names.text_of(kind, int(oid), path) for oid in set(oids) - {None}}
    return pa.chunked_array([pa.array(map(texts.get, oids), pa.string())])


def _shown(column: Any, kind: str | None) -> Any:  # noqa: ANN401 - chunks of Arrow
    """Give NULLs of no type that of text, as Postgres does, and the items of lists theirs."""
    if pa.types.is_null(column.type):
        return pa.chunked_array([pa.nulls(len(column), pa.string())])
    if kind in VECTORS and pa.types.is_list(column.type):
        return _spaced(column)
    if not pa.types.is_list(column.type):
        is_counted = kind in _INTEGERS and pa.types.is_integer(column.type)
        return column.cast(arrow_type(duckdb_type(str(kind)))) if is_counted else column
    element = kind[1:] if kind and kind.startswith("_") else None
    inner = column.type.value_type
    item = pa.field("item", inner, metadata=_metadata(element, inner))
    return column.cast(pa.list_(item))


def _spaced(column: Any) -> Any:  # noqa: ANN401 - of Arrow
    """Write vectors as Postgres does: ``1 2``."""
    rows = column.to_pylist()
    texts = (None if row is None else " ".join(map(str, row)) for row in rows)
    return pa.chunked_array([pa.array(texts, pa.string())])


def _metadata(kind: str | None, arrow: pa.DataType) -> dict[bytes, bytes] | None:
    named = _shown_type(kind, arrow)
    return {TYPE_KEY: named.encode()} if named else None


def _shown_type(kind: str | None, arrow: pa.DataType) -> str | None:
    """The type to name: of a domain the one it is over, and none that the values do not have."""
    if kind is None or kind not in types_by_name():
        return None
    found = types_by_name()[kind]
    name = types_by_oid()[found.typbasetype].typname if found.typbasetype else kind
    is_text = pa.types.is_string(arrow) or pa.types.is_large_string(arrow)
    numbered = name in ("oid", "xid", "cid")
    if numbered:
        return name if pa.types.is_integer(arrow) else None
    if name in VECTORS:
        return name if is_text else None
    if name in REG_TYPES or found.typcategory in ("S", "U", "X", "Z"):
        return name if is_text or found.typelem else None
    return name if pa.types.is_list(arrow) == (found.typcategory == "A") else None
