"""Connections to one SQLite file that can do nothing but read it.

The invariant: before any SQL of others runs, the connection is read-only, may attach nothing, and
an authorizer refuses every action but reading and calling functions.

The trap: SQLite needs more than the file. A database in WAL mode wants to make its ``-shm`` file,
and one whose writer died wants to be repaired, so both cannot be opened in a folder that is not
ours to write to; such a file is copied first.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from connectors.errors import (
    ConnectorError,
    DriverMissing,
    SourceFailed,
    SourceUnreachable,
    scrubbed,
)

VERSION_MIN = (3, 37)
"""The first that lists tables with their kind and STRICT-ness."""
FUNCTION = "tidemill_value"
"""The SQL function that conditions see values through."""

_ACTIONS = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_RECURSIVE,
        # Virtual tables prepare these for their shadow tables when they are only read; running
        # one fails, as the connection is read-only.
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
    }
)
_PRAGMAS = frozenset({"table_list", "table_xinfo", "index_list", "data_version", "page_size"})
"""What discovery asks, and what the full-text modules ask for themselves."""
_FUNCTIONS_REFUSED = frozenset({"load_extension", "fts3_tokenizer"})
_NEEDS_WRITING = ("SQLITE_CANTOPEN", "SQLITE_READONLY")
_LOCKED = "The file is locked by a process that writes to it"
_KNOWN: tuple[tuple[str, type[ConnectorError], str], ...] = (
    ("SQLITE_BUSY", SourceUnreachable, _LOCKED),
    ("SQLITE_LOCKED", SourceUnreachable, _LOCKED),
    ("SQLITE_CANTOPEN", SourceUnreachable, "The file cannot be opened"),
    ("SQLITE_READONLY", SourceUnreachable, "The file cannot be opened without writing to it"),
    ("SQLITE_PERM", SourceUnreachable, "The file cannot be opened"),
    ("SQLITE_NOTADB", SourceFailed, "The file is not a SQLite database, or it is encrypted"),
    ("SQLITE_CORRUPT", SourceFailed, "The SQLite file is damaged"),
    ("SQLITE_AUTH", SourceFailed, "A statement may do nothing but read the file"),
)
_NOT_UTF8 = "Could not decode to UTF-8 column '"

Call = Callable[..., Any]


def check_version() -> None:
    """Raise DriverMissing when Python was built with a SQLite that is too old."""
    if sqlite3.sqlite_version_info < VERSION_MIN:
        raise DriverMissing(
            f"SQLite {'.'.join(map(str, VERSION_MIN))} or newer is needed; the Python of this "
            f"service has {sqlite3.sqlite_version}"
        )


@contextmanager
def opened(
    path: Path, *, is_ours: bool, timeout_s: float, value: Call
) -> Iterator[sqlite3.Connection]:
    """Open the file for the length of a block.

    Args:
        path: of the database.
        is_ours: it is a copy, so that SQLite may repair it.
        timeout_s: to wait for a lock.
        value: what :data:`FUNCTION` does.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    mode = "rw" if is_ours else "ro"
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=timeout_s,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        for setting in (
            "query_only = ON",
            "trusted_schema = OFF",
            "cell_size_check = ON",
            # Elsewhere LIKE is case-sensitive.
            "case_sensitive_like = ON",
        ):
            connection.execute(f"PRAGMA {setting}")
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.create_function(FUNCTION, 3, value, deterministic=True)
        connection.set_authorizer(_authorize)
        yield connection
    finally:
        connection.close()


def needs_a_copy(path: Path, *, timeout_s: float) -> bool:
    """Whether SQLite would have to write beside the file to read it, and may not.

    Raises:
        sqlite3.Error: it cannot be read for another reason.
    """
    try:
        with opened(path, is_ours=False, timeout_s=timeout_s, value=repr) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except sqlite3.OperationalError as error:
        if _name_of(error).startswith(_NEEDS_WRITING):
            return True
        raise
    return False


@contextmanager
def typed_errors(hidden: Callable[[], list[str]]) -> Iterator[None]:
    """Raise what the driver raises as a :class:`ConnectorError`.

    Args:
        hidden: asked when something went wrong for the texts that no message may repeat.
    """
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, OSError) as error:
        raise _typed(error, hidden()) from error


@contextmanager
def unreadable_passed_over() -> Iterator[None]:
    """Go on after a statement that names what is not there; a lock or damage is still an error."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if _name_of(error) != "SQLITE_ERROR":
            raise


def _typed(error: Exception, hidden: list[str]) -> ConnectorError:
    name, message = _name_of(error), str(error)
    for start, kind, explained in _KNOWN:
        if name.startswith(start):
            return kind(explained)
    if message.startswith(_NOT_UTF8):
        column = message.removeprefix(_NOT_UTF8).partition("' with text '")[0]
        return SourceFailed(
            f"Column '{column}' holds text that is not UTF-8; name it in 'text_columns' to read it"
        )
    return SourceFailed(scrubbed(message, hidden))


def _name_of(error: Exception) -> str:
    return getattr(error, "sqlite_errorname", None) or ""


def _authorize(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action in _ACTIONS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and second not in _FUNCTIONS_REFUSED:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
