"""The one DuckDB of a process: locked down, in memory, with a database of its own for each snapshot.

The trap: at its opening DuckDB looks at the machine (``/proc``, ``/sys``), and where it may not it aborts the
process. So the zygote of the workers opens it before it shuts itself in, and its forks use that one: without
threads of its own it survives a fork.
"""

from functools import cache
from itertools import count

import duckdb

from engine.pg_catalog.entries import warm
from engine.pg_catalog.names import install_functions
from engine.query.sql_text import quoted_name

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "async_threads": 0,
    "memory_limit": "512MB",
    "max_temp_directory_size": "0B",
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_unsigned_extensions": False,
    "python_enable_replacements": False,
    "lock_configuration": True,
}
_NUMBERS = count(1)


@cache
def open_instance() -> duckdb.DuckDBPyConnection:
    """Open the instance of this process, or return it."""
    connection = duckdb.connect(":memory:", config=_CONFIG)
    install_functions(connection)
    warm()
    return connection


def new_database() -> tuple[duckdb.DuckDBPyConnection, str]:
    """Return a connection to a new database in memory, and the name it is attached by."""
    name = f"catalog_{next(_NUMBERS)}"
    open_instance().execute(f"ATTACH ':memory:' AS {quoted_name(name)}")
    return cursor_of(name), name


def cursor_of(name: str) -> duckdb.DuckDBPyConnection:
    """Return one more connection to a database."""
    cursor = open_instance().cursor()
    cursor.execute(f"USE {quoted_name(name)}")
    return cursor


def drop_database(name: str) -> None:
    """Give the memory of a database back."""
    open_instance().execute(f"DETACH {quoted_name(name)}")
