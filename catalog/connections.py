"""Connections to SQLite or Postgres, and the migration of the schema before the first use.

Every connection begins its transactions itself: ``BEGIN IMMEDIATE`` for the writer of SQLite, a
read-only snapshot for readers. The trap: the sqlite3 module would otherwise open transactions on
its own and split a group commit.
"""

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

import psycopg
import structlog
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from catalog.errors import CatalogError, Conflict, InvalidValue, Unavailable

_LOCK_WAIT_MS = 10_000
_CONNECT_WAIT_S = 10
_READ_WAIT_MS = 30_000
# Any constant will do: it names the lock under which one server migrates while others wait.
_MIGRATION_LOCK = 7_155_832
_RETRYABLE_SQLSTATES = frozenset({"40001", "40P01"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Engines:
    """Where reading and writing transactions come from."""

    reader: Engine
    writer: Engine

    @property
    def is_exclusive(self) -> bool:
        """Whether one server alone writes here: the one that holds the data folder."""
        return self.writer.dialect.name == "sqlite"

    def dispose(self) -> None:
        """Close every connection."""
        self.reader.dispose()
        self.writer.dispose()


def open_engines(url: str, *, readers: int) -> Engines:
    """Prepare the pools and bring the schema to the newest version.

    Args:
        url: ``sqlite:////absolute/path.db`` or ``postgresql+psycopg://…``.
        readers: connections that may read at once.

    Raises:
        Unavailable: the database cannot be reached, or a newer release wrote it.
        InvalidValue: the URL names neither SQLite nor Postgres.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        # The message of SQLAlchemy repeats the URL, with its password.
        raise InvalidValue("The catalog URL cannot be parsed") from None
    if parsed.get_backend_name() == "sqlite":
        engines = _open_sqlite(parsed, readers=readers)
    elif parsed.get_backend_name() in {"postgresql", "postgres"}:
        engines = _open_postgres(parsed.set(drivername="postgresql+psycopg"), readers=readers)
    else:
        raise InvalidValue("The catalog URL must start with sqlite: or postgresql:")
    try:
        _migrate(engines.writer)
    except SQLAlchemyError as error:
        engines.dispose()
        raise translate(error) from error
    except CommandError as error:
        engines.dispose()
        raise Unavailable("The catalog was written by a newer release of the server") from error
    return engines


def translate(error: SQLAlchemyError) -> CatalogError:
    """Say in the words of the catalog what the driver refused; its own text stays inside."""
    if isinstance(error, IntegrityError):
        return Conflict()
    if isinstance(error, DataError):
        return InvalidValue()
    if not isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        # Neither the database nor the network explains it. Its text may hold values.
        places = [f"{frame.name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
        log.error("catalog.failed", error=type(error).__name__, places=places)
        return Unavailable("The catalog failed on this operation")
    return Unavailable()


def is_connection_lost(error: BaseException) -> bool:
    """Tell whether the transaction died without a fault of its own, so that it may run again."""
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or _sqlstate(error) in _RETRYABLE_SQLSTATES


def is_disk_failure(error: BaseException) -> bool:
    """Tell whether SQLite could not write or sync its file: what is on disk is now unknown."""
    code = getattr(getattr(error, "orig", None), "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_IOERR


def _sqlstate(error: DBAPIError) -> str | None:
    return error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None


def _open_sqlite(url: URL, *, readers: int) -> Engines:
    if not url.database or url.database == ":memory:":
        raise InvalidValue("The catalog needs a file: an in-memory SQLite database is not durable")
    path = Path(url.database)
    path.parent.mkdir(parents=True, exist_ok=True)
    # SQLite gives the -wal and -shm files the mode of the database itself.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    _enable_wal(path)
    reader = _sqlite_engine(url, pool_size=readers, begin="BEGIN", query_only="ON")
    writer = _sqlite_engine(url, pool_size=1, begin="BEGIN IMMEDIATE", query_only="OFF")
    return Engines(reader=reader, writer=writer)


def _enable_wal(path: Path) -> None:
    # The switch ignores busy_timeout while another server starts on the same file.
    deadline_s = time.monotonic() + _LOCK_WAIT_MS / 1000
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        while True:
            try:
                connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline_s:
                    raise Unavailable from error
                time.sleep(0.01)
            else:
                return
    except sqlite3.DatabaseError as error:
        raise Unavailable("The catalog file is not a database") from error
    finally:
        connection.close()


def _sqlite_engine(url: URL, *, pool_size: int, begin: str, query_only: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_reset_on_return=None,
        hide_parameters=True,
        connect_args={
            "isolation_level": None,
            "check_same_thread": False,
            "cached_statements": 512,
        },
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:  # noqa: ANN401 - a raw DBAPI connection
        connection.execute(f"PRAGMA busy_timeout={_LOCK_WAIT_MS}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute(f"PRAGMA query_only={query_only}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _open_postgres(url: URL, *, readers: int) -> Engines:
    reader = _postgres_engine(
        url, pool_size=readers, setting=f"SET statement_timeout = {_READ_WAIT_MS}", is_reader=True
    )
    writer = _postgres_engine(
        url, pool_size=1, setting=f"SET lock_timeout = {_LOCK_WAIT_MS}", is_reader=False
    )
    return Engines(reader=reader, writer=writer)


def _postgres_engine(url: URL, *, pool_size: int, setting: str, is_reader: bool) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_reset_on_return=None,
        hide_parameters=True,
        connect_args={"connect_timeout": _CONNECT_WAIT_S},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:  # noqa: ANN401 - a raw DBAPI connection
        connection.execute(setting)
        connection.commit()
        if is_reader:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ

    return engine


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", "catalog:migrations")
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(
                text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK}
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
