"""The database of a catalog, opened for one consistent look at it.

All queries of a reader see one state: a repeatable-read transaction in Postgres, a read
transaction in SQLite, a read-only file in DuckDB. Rows kept in the catalog come as Arrow, cast by
DuckDB: a catalog that is no DuckDB holds most of them as DuckDB's texts.
"""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self
from urllib.parse import quote

import pyarrow as pa
from sqlglot import exp, select
from typing_extensions import override

from connectors.base import SourceContext
from connectors.drivers import load_driver
from connectors.hosts import check_socket_folder, resolve_host
from connectors.local_paths import check_file
from connectors.sources.ducklake.columns import LakeColumn, quoted
from connectors.sources.ducklake.inlined import DUCKDB_SETTINGS, TextCaster
from connectors.sources.ducklake.options import DuckLakeOptions, FileAddress, PostgresAddress

Row = tuple[Any, ...]

_ROWS_PER_FETCH = 256
_BYTES_TYPES = frozenset(["varchar", "json", "blob", "geometry", "variant"])
"""Types whose values Postgres keeps as bytes, for they may hold a zero byte or are no text."""


class CatalogReader(ABC):
    """One consistent look at a catalog; closed after use.

    Attributes:
        dialect: of its SQL, as sqlglot names it.
        default_schema: where the tables are when no option says otherwise.
    """

    dialect: ClassVar[str]
    default_schema: ClassVar[str]

    def __init__(self, options: DuckLakeOptions) -> None:
        self.schema = options.metadata_schema or self.default_schema

    def table(self, name: str) -> exp.Table:
        """Name a table of the catalog in a query."""
        return exp.Table(
            this=exp.to_identifier(name, quoted=True),
            db=exp.to_identifier(self.schema, quoted=True),
        )

    def rows(self, query: exp.Select) -> list[Row]:
        """Run a query and return all its rows."""
        found: list[Row] = self._execute(query.sql(dialect=self.dialect)).fetchall()
        return found

    def column_names(self, table: str) -> list[str]:
        """Return the names of the columns of a table."""
        query = select("*").from_(self.table(table)).limit(0)
        cursor = self._execute(query.sql(dialect=self.dialect))
        return [column[0] for column in cursor.description]

    @abstractmethod
    def has_table(self, name: str) -> bool:
        """Whether there is a table of this name."""

    @abstractmethod
    def inlined_rows(
        self, table: str, columns: Sequence[LakeColumn], condition: exp.Condition
    ) -> Iterator[pa.RecordBatch]:
        """Yield rows that the catalog keeps itself, in :attr:`LakeColumn.exported_type`.

        Args:
            table: its name.
            columns: as they were when it was made.
            condition: which rows.
        """

    @abstractmethod
    def close(self) -> None:
        """End the look."""

    @abstractmethod
    def _execute(self, sql: str) -> Any:  # noqa: ANN401 - a cursor of any driver
        """Run a statement and return its cursor."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def open_catalog(options: DuckLakeOptions, context: SourceContext) -> CatalogReader:
    """Connect to the catalog.

    Raises:
        EgressRefused: its address, or its path, is forbidden.
        SourceUnreachable: there is none.
    """
    address = options.address
    if isinstance(address, PostgresAddress):
        return PostgresCatalog(address, options, context)
    readers: Mapping[str, type[DuckDBCatalog | SQLiteCatalog]] = {
        "duckdb": DuckDBCatalog,
        "sqlite": SQLiteCatalog,
    }
    return readers[address.kind](address, options, context)


class DuckDBCatalog(CatalogReader):
    """A DuckDB file, read as the plain database it is."""

    dialect = "duckdb"
    default_schema = "main"

    def __init__(
        self, address: FileAddress, options: DuckLakeOptions, context: SourceContext
    ) -> None:
        super().__init__(options)
        path = check_file(address.path, context.local_files)
        duckdb = load_driver("duckdb")
        self._connection = duckdb.connect(str(path), read_only=True, config=dict(DUCKDB_SETTINGS))
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("BEGIN TRANSACTION READ ONLY")

    @override
    def has_table(self, name: str) -> bool:
        known = (
            select("table_name")
            .from_("duckdb_tables()")
            .where(exp.column("schema_name").eq(self.schema), exp.column("table_name").eq(name))
        )
        return bool(self.rows(known))

    @override
    def inlined_rows(
        self, table: str, columns: Sequence[LakeColumn], condition: exp.Condition
    ) -> Iterator[pa.RecordBatch]:
        # Types of DuckDB that sqlglot would rewrite: the casts are put together here.
        casts = ", ".join(
            f"CAST({quoted(column.name, 'duckdb')} AS {column.exported_type}) AS c{position}"
            for position, column in enumerate(columns)
        )
        source = self.table(table).sql(dialect=self.dialect)
        where = condition.sql(dialect=self.dialect)
        relation = self._connection.sql(f"SELECT {casts} FROM {source} WHERE {where}")  # noqa: S608 - quoted names only
        yield from relation.to_arrow_reader(_ROWS_PER_FETCH)

    @override
    def close(self) -> None:
        self._connection.close()

    @override
    def _execute(self, sql: str) -> Any:
        return self._connection.execute(sql)


class SQLiteCatalog(CatalogReader):
    """A SQLite file."""

    dialect = "sqlite"
    default_schema = "main"

    def __init__(
        self, address: FileAddress, options: DuckLakeOptions, context: SourceContext
    ) -> None:
        super().__init__(options)
        path = check_file(address.path, context.local_files)
        self._connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro",
            uri=True,
            timeout=context.connect_timeout_s,
            isolation_level=None,
        )
        self._connection.execute("PRAGMA trusted_schema = OFF")
        self._connection.execute("BEGIN")

    @override
    def has_table(self, name: str) -> bool:
        known = (
            select("name")
            .from_(self.table("sqlite_master"))
            .where(exp.column("type").eq("table"), exp.column("name").eq(name))
        )
        return bool(self.rows(known))

    @override
    def inlined_rows(
        self, table: str, columns: Sequence[LakeColumn], condition: exp.Condition
    ) -> Iterator[pa.RecordBatch]:
        names = [exp.column(column.name, quoted=True) for column in columns]
        query = select(*names).from_(self.table(table)).where(condition)
        cursor = self._connection.execute(query.sql(dialect=self.dialect))
        with TextCaster() as caster:
            while rows := cursor.fetchmany(_ROWS_PER_FETCH):
                yield from caster.cast_rows(rows, columns)

    @override
    def close(self) -> None:
        self._connection.close()

    @override
    def _execute(self, sql: str) -> Any:
        return self._connection.execute(sql)


class PostgresCatalog(CatalogReader):
    """A Postgres database, in one read-only repeatable-read transaction."""

    dialect = "postgres"
    default_schema = "public"

    def __init__(
        self, address: PostgresAddress, options: DuckLakeOptions, context: SourceContext
    ) -> None:
        super().__init__(options)
        psycopg = load_driver("psycopg")
        self._connection = psycopg.connect(
            **connection_settings(address, options, context), autocommit=False
        )
        self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        self._connection.read_only = True
        # Not as start-up options: poolers refuse those. DuckDB reads the texts this makes.
        settings = {
            "TimeZone": "UTC",
            "DateStyle": "ISO",
            "IntervalStyle": "postgres",
            "extra_float_digits": "1",
            "statement_timeout": str(round(context.statement_timeout_s * 1000)),
        }
        for name, value in settings.items():
            self._connection.execute("SELECT set_config(%s, %s, true)", [name, value])

    @override
    def has_table(self, name: str) -> bool:
        # Not of information_schema, which leaves out what this user may not read: that must fail.
        known = (
            select("tablename")
            .from_("pg_catalog.pg_tables")
            .where(exp.column("schemaname").eq(self.schema), exp.column("tablename").eq(name))
        )
        return bool(self.rows(known))

    @override
    def inlined_rows(
        self, table: str, columns: Sequence[LakeColumn], condition: exp.Condition
    ) -> Iterator[pa.RecordBatch]:
        values = [_postgres_text(column) for column in columns]
        query = select(*values).from_(self.table(table)).where(condition)
        with self._connection.cursor(name="inlined") as cursor, TextCaster() as caster:
            cursor.execute(query.sql(dialect=self.dialect))
            while rows := cursor.fetchmany(_ROWS_PER_FETCH):
                yield from caster.cast_rows(rows, columns)

    @override
    def close(self) -> None:
        self._connection.close()

    @override
    def _execute(self, sql: str) -> Any:
        # Without parameters psycopg leaves a % in the text alone.
        return self._connection.execute(sql)


def _postgres_text(column: LakeColumn) -> exp.Expr:
    value = exp.column(column.name, quoted=True)
    if column.type in _BYTES_TYPES:
        return value
    text = exp.cast(value, "TEXT")
    if column.type == "interval":
        # DuckDB does not read the plus in "-1 days +01:00:00".
        return exp.func("REPLACE", text, exp.Literal.string("+"), exp.Literal.string(""))
    return text


def connection_settings(
    address: PostgresAddress, options: DuckLakeOptions, context: SourceContext
) -> dict[str, Any]:
    """Return what libpq is told: the judged addresses of a host, whose name TLS still verifies."""
    settings: dict[str, Any] = {
        "user": address.user,
        "dbname": address.database,
        # Empty, not missing: libpq would look for one in the environment and files of this server.
        "password": options.reveal("catalog_password") or "",
        "passfile": str(context.scratch / "no-passwords"),
        "gssencmode": "disable",
        "sslcertmode": "disable",
        "connect_timeout": max(2, round(context.connect_timeout_s)),
        "application_name": "tidemill",
    }
    if address.host.startswith("/"):
        folder = check_socket_folder(address.host, allow_private=context.allow_private)
        return {**settings, "host": str(folder), "port": address.port}
    found = resolve_host(address.host, address.port, allow_private=context.allow_private)
    settings |= {
        "host": ",".join([address.host] * len(found)),
        "hostaddr": ",".join(found),
        "port": ",".join([str(address.port)] * len(found)),
        "sslmode": address.ssl_mode,
    }
    return settings if address.ssl_mode != "verify-full" else {**settings, "sslrootcert": "system"}
