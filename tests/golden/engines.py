"""The two engines of the golden corpus, with the same tables: a real Postgres, and ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pyarrow as pa
from datafusion import DataFrame, SessionContext

from engine.dialect import for_datafusion
from engine.dialect.session import CALLS, WORDS, write_session
from engine.functions import register_functions
from engine.pg_catalog.functions import VERSION
from engine.query.duplicates import Renamed, rename_duplicates
from engine.query.parse import parse_sql
from engine.workers.session import READ_ONLY, _config
from engine.workers.tasks import ScanMode
from tests.golden.answers import read_as_values, rows_of_postgres, rows_of_table
from tests.golden.corpus import TABLES

_MICROSECONDS = pa.timestamp("us")
# The types of the Arrow tables, by those of Postgres.
_TYPES: dict[str, pa.DataType] = {
    "integer": pa.int32(),
    "smallint": pa.int16(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "text": pa.string(),
    "json": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time without time zone": pa.time64("us"),
    "timestamp without time zone": _MICROSECONDS,
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "interval": pa.month_day_nano_interval(),
    "text[]": pa.list_(pa.string()),
    "numeric(10,2)": pa.decimal128(10, 2),
    "numeric(12,2)": pa.decimal128(12, 2),
    "numeric(12,4)": pa.decimal128(12, 4),
}
_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
    ORDER BY c.relname, a.attnum
"""


_TERMS_MAX = 500
_FACTS = {
    **dict.fromkeys((*WORDS, *CALLS), "golden"),
    "version": VERSION,
    "pg_backend_pid": "1",
}


def with_facts(sql: str) -> str:
    """Write what the session of the corpus knows of itself into a statement."""
    return write_session(sql, _FACTS, {"timezone": "UTC"})


class Refused(Exception):
    """An engine answered with an error, whose text this is."""


@dataclass(frozen=True)
class Engines:
    """Both engines, open."""

    postgres: psycopg.Connection[Any]
    context: SessionContext

    def ask_postgres(self, sql: str) -> list[list[Any]]:
        """Return the rows of Postgres.

        Raises:
            Refused: Postgres refuses the statement.
        """
        try:
            # Without parameters, so that a percent sign is one.
            return rows_of_postgres(self.postgres.execute(sql.encode()).fetchall())
        except psycopg.Error as error:
            if error.sqlstate is None:  # of psycopg, that cannot read the answer
                raise
            raise Refused(str(error)) from error

    def ask_ours(self, sql: str) -> list[list[Any]]:
        """Return our rows.

        Raises:
            Refused: we refuse the statement.
        """
        try:
            frame = self._plan(sql)
            batches = [batch.to_pyarrow() for batch in frame.execute_stream()]
            # DataFusion's plans and batches do not always agree on what may be NULL.
            schema = batches[0].schema if batches else frame.schema()
            return rows_of_table(pa.Table.from_batches(batches, schema))
        except Exception as error:
            raise Refused(str(error)) from error
        except BaseException as error:
            # What Rust panics with is no Exception.
            if type(error).__name__ != "PanicException":
                raise
            raise Refused(f"panic: {error}") from error

    def _plan(self, sql: str) -> DataFrame:
        """Read and plan as the service and its workers do: they let a SELECT list repeat a name."""
        parsed = parse_sql(with_facts(sql), terms_max=_TERMS_MAX)
        renamed = Renamed(for_datafusion(parsed.sql))
        while True:
            try:
                return self.context.sql(renamed.sql, options=READ_ONLY)
            except Exception as error:
                again = rename_duplicates(renamed, str(error))
                if again is None:
                    raise
                renamed = again


@contextmanager
def open_engines(postgres_url: str) -> Iterator[Engines]:
    """Open both engines over the tables of the corpus."""
    name = f"golden_{uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        # Texts are ordered by their bytes, as ours are; letters are those of Unicode.
        admin.execute(
            f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' "
            "LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'".encode()
        )
        try:
            url = postgres_url.replace("/postgres?", f"/{name}?", 1)
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(TABLES.read_bytes())
                connection.execute("SET TIME ZONE 'UTC'")
                read_as_values(connection)
                yield Engines(connection, _context(connection))
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _context(connection: psycopg.Connection[Any]) -> SessionContext:
    context = SessionContext(_config(ScanMode.SINGLE))
    register_functions(context)
    schemas: dict[str, list[pa.Field[Any]]] = {}
    for table, column, type_name in connection.execute(_COLUMNS):
        schemas.setdefault(table, []).append(pa.field(column, _TYPES[type_name]))
    for table, fields in schemas.items():
        rows = connection.execute(f"SELECT * FROM {table}".encode()).fetchall()
        columns = zip(*rows, strict=True)
        arrays = [
            pa.array(values, field.type) for values, field in zip(columns, fields, strict=True)
        ]
        batch = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
        context.register_record_batches(table, [[batch]])
    return context
