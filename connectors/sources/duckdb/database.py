"""A DuckDB instance of our own with one database attached, which can read nothing else.

The invariant: before any SQL of others runs, the instance can open no file, load no extension and
change no setting. The one file it may write is named before that, so an instance that writes
Parquet is another one than that which reads.

The trap: the in-memory database every instance begins with is called ``memory``, and so is that of
a file ``memory.db``.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.drivers import load_driver
from connectors.sources.duckdb.column_types import TypeParser, literal, quoted

"""For DuckDB's own buffers. A vector of 2,048 rows of the widest table must fit, several times."""

Connection = Any
"""A duckdb.DuckDBPyConnection; the driver is loaded lazily."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An open instance; ``catalog`` is the name of the attached database."""

    connection: Connection
    catalog: str
    types: TypeParser

    def cursor(self) -> Connection:
        """Open a connection for one statement at a time, with the database as its default."""
        cursor = self.connection.cursor()
        cursor.execute(f"USE {quoted(self.catalog)}")
        return cursor


def open_file(
    path: Path, *, threads: int, memory_bytes: int, scratch: Path, output: Path | None = None
) -> Instance:
    """Open a file read-only.

    Args:
        path: of the database.
        threads: that a statement may use.
        memory_bytes: what DuckDB may reserve.
        scratch: where DuckDB may spill to.
        output: the one file that ``COPY`` may write.

    Raises:
        duckdb.Error: it cannot be opened.
    """
    with ExitStack() as on_failure:
        connection = _bare(threads, memory_bytes, scratch)
        on_failure.callback(connection.close)
        alias = 'AS "memory_db" ' if path.name.partition(".")[0].lower() == "memory" else ""
        connection.execute(f"ATTACH {literal(str(path))} {alias}(TYPE duckdb, READ_ONLY)")
        if output is not None:
            connection.execute(f"SET allowed_paths = [{literal(str(output))}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        find = "SELECT database_name FROM duckdb_databases() WHERE path IS NOT NULL"
        ((catalog,),) = connection.execute(find).fetchall()
        on_failure.pop_all()
        return Instance(connection, str(catalog), TypeParser(connection))


def open_motherduck(
    database: str, token: str, *, threads: int, memory_bytes: int, scratch: Path
) -> Instance:
    """Open a database at MotherDuck.

    In its SaaS mode the extension refuses local files, other extensions and changes of settings.
    The hosts it connects to are its own.

    Raises:
        duckdb.Error: the extension is not installed, or the database cannot be opened.
    """
    with ExitStack() as on_failure:
        connection = _bare(threads, memory_bytes, scratch)
        on_failure.callback(connection.close)
        connection.execute("LOAD motherduck")
        connection.execute(f"SET motherduck_token = {literal(token)}")
        place = literal(f"md:{database}?attach_mode=single&saas_mode=true")
        connection.execute(f"ATTACH {place}")
        connection.execute("SET lock_configuration = true")
        on_failure.pop_all()
        return Instance(connection, database, TypeParser(connection))


def _bare(threads: int, memory_bytes: int, scratch: Path) -> Connection:
    connection = load_driver("duckdb").connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_bytes}B",
            "threads": str(threads),
            "temp_directory": str(scratch),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
            "allow_persistent_secrets": "false",
            "python_enable_replacements": "false",
        },
    )
    # Texts of timestamps with a time zone, and sums of intervals, are made in UTC.
    connection.execute("SET TimeZone = 'UTC'")
    return connection
