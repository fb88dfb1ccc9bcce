"""Recognises the statements that are about the session: see :mod:`server.pgwire.commands`.

They are read from their tokens; everything that is none of them is a query for the engine, which has the
last word on it. A text of several statements is cut at its semicolons first.
"""

import re
from collections.abc import Callable, Iterator

from engine.errors import SqlInvalid
from engine.query.sql_text import Unquoted, quoted_name
from engine.query.tokens import start_of, tokenize
from server.pgwire.commands import (
    CloseCursor,
    Command,
    Copy,
    Deallocate,
    Declare,
    Discard,
    ExecutePrepared,
    Fetch,
    Ignored,
    Prepare,
    SetSetting,
    Show,
    Transaction,
)
from server.pgwire.errors import PgError
from server.pgwire.words import Words

_SEMICOLONS = Unquoted(";", mark=";")
# The tokenizer would take all that follows it for one text.
_PREPARE = re.compile(r"^\s+prepare(?=\s)", re.IGNORECASE)
_FIRST_WORD = re.compile(r"[A-Za-z]+")


def split_statements(sql: str) -> list[str]:
    """Cut a text at its semicolons; what is empty is left out.

    >>> split_statements("SELECT ';'; /* one; */; SELECT 2")
    ["SELECT ';'", ' SELECT 2']
    """
    pieces: list[str] = []
    start = 0
    for found in _SEMICOLONS.find(sql):
        pieces.append(sql[start : found.start()])
        start = found.end()
    pieces.append(sql[start:])
    return [piece for piece in pieces if start_of(piece) < len(piece)]


def first_word(sql: str) -> str:
    """Return the word a statement begins with, in capitals; empty when it begins with none."""
    word = _FIRST_WORD.match(sql, start_of(sql))
    return word[0].upper() if word else ""


def read_command(sql: str) -> Command | None:
    """Read one statement; None when it is a query.

    Raises:
        PgError: it begins as one of these, and goes on otherwise.
    """
    read = _READERS.get(first_word(sql))
    if read is None:
        return None
    start = start_of(sql)
    first = _FIRST_WORD.match(sql, start)
    assert first is not None
    text = (
        _PREPARE.sub("", sql[first.end() :])
        if first[0].upper() == "DEALLOCATE"
        else sql[first.end() :]
    )
    try:
        return read(Words(text, tokenize(text)))
    except SqlInvalid as error:
        raise PgError(error.message, "42601") from None


_LEVELS = {
    ("SERIALIZABLE",),
    ("REPEATABLE", "READ"),
    ("READ", "COMMITTED"),
    ("READ", "UNCOMMITTED"),
}


def _read_modes(words: Words) -> None:
    """Read the modes of a transaction. All are true of reading but READ WRITE, which is refused."""
    while not words.is_over:
        words.take(",")
        if words.take("ISOLATION", "LEVEL"):
            if not any(words.take(*level) for level in _LEVELS):
                raise words.wrong()
        elif words.take("READ", "WRITE"):
            raise PgError("cannot set transaction read-write mode: sessions only read", "25006")
        elif not (words.take("READ", "ONLY") or words.take("NOT", "DEFERRABLE")):
            words.expect("DEFERRABLE")


def _read_begin(words: Words) -> Command:
    words.one_of("WORK", "TRANSACTION")
    _read_modes(words)
    return Transaction("BEGIN")


def _read_start(words: Words) -> Command:
    words.expect("TRANSACTION")
    _read_modes(words)
    return Transaction("START TRANSACTION")


def _read_commit(words: Words) -> Command:
    words.one_of("WORK", "TRANSACTION")
    words.take("AND", "NO", "CHAIN")
    words.end()
    return Transaction("COMMIT")


def _read_rollback(words: Words) -> Command:
    words.one_of("WORK", "TRANSACTION")
    if words.take("TO"):
        words.take("SAVEPOINT")
        name = words.name()
        words.end()
        return Transaction("ROLLBACK", name)
    words.take("AND", "NO", "CHAIN")
    words.end()
    return Transaction("ROLLBACK")


def _read_savepoint(words: Words) -> Command:
    name = words.name()
    words.end()
    return Transaction("SAVEPOINT", name)


def _read_release(words: Words) -> Command:
    words.take("SAVEPOINT")
    name = words.name()
    words.end()
    return Transaction("RELEASE", name)


def _read_set(words: Words) -> Command:
    is_local = words.take("LOCAL")
    if not is_local:
        words.take("SESSION")
    if words.take("TRANSACTION") or words.take("CHARACTERISTICS", "AS", "TRANSACTION"):
        _read_modes(words)
        return Ignored("SET")
    if words.take("TIME", "ZONE"):
        name = "timezone"
        words.take("INTERVAL")
    elif words.take("NAMES"):
        name = "client_encoding"
    elif words.take("ROLE") or words.take("AUTHORIZATION"):
        name = "role"
    else:
        name = words.dotted_name()
        if not words.take("TO"):
            words.expect("=")
    if words.take("DEFAULT") or words.take("LOCAL"):
        words.end()
        return SetSetting(name.lower(), None, is_local)
    are_names = name == "search_path"
    values = [words.value(is_name=are_names)]
    while words.take(","):
        values.append(words.value(is_name=are_names))
    words.end()
    return SetSetting(name.lower(), ", ".join(values), is_local)


def _read_reset(words: Words) -> Command:
    name = "timezone" if words.take("TIME", "ZONE") else words.dotted_name()
    words.end()
    return SetSetting(name.lower(), None, tag="RESET")


def _read_show(words: Words) -> Command | None:
    if words.one_of("TABLES", "COLUMNS"):
        return None  # the engine shows them
    if words.take("TIME", "ZONE"):
        name = "timezone"
    elif words.take("TRANSACTION", "ISOLATION", "LEVEL"):
        name = "transaction_isolation"
    elif words.take("SESSION", "AUTHORIZATION"):
        name = "session_authorization"
    else:
        name = words.dotted_name()
    words.end()
    return Show(name.lower())


def _read_discard(words: Words) -> Command:
    what = words.one_of("ALL", "PLANS", "SEQUENCES", "TEMP", "TEMPORARY")
    if not what:
        raise words.wrong()
    words.end()
    return Discard(what)


def _read_declare(words: Words) -> Command:
    name = words.name()
    is_binary = scrolls = False
    while not words.take("CURSOR"):
        if words.take("BINARY"):
            is_binary = True
        elif words.take("SCROLL"):
            scrolls = True
        elif not (words.take("NO", "SCROLL") or words.one_of("INSENSITIVE", "ASENSITIVE")):
            raise words.wrong()
    is_held = words.take("WITH", "HOLD")
    if not is_held:
        words.take("WITHOUT", "HOLD")
    words.expect("FOR")
    return Declare(name, words.rest(), is_binary, is_held, scrolls)


def _read_fetch(words: Words, *, moves: bool = False) -> Command:
    rows: int | None = 1
    if words.one_of("BACKWARD", "PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE"):
        raise _only_forward()
    words.one_of("NEXT", "FORWARD")
    if words.take("ALL"):
        rows = None
    elif words.ahead()[:1].isdigit() or words.ahead() == "-":
        rows = words.number()
        if rows < 0:
            raise _only_forward()
    words.one_of("FROM", "IN")
    name = words.name()
    words.end()
    return Fetch(name, rows, moves)


def _only_forward() -> PgError:
    return PgError(
        "cursor can only scan forward", "55000", hint="FETCH NEXT, FORWARD or a number of rows."
    )


def _read_close(words: Words) -> Command:
    name = None if words.take("ALL") else words.name()
    words.end()
    return CloseCursor(name)


def _read_prepare(words: Words) -> Command:
    name = words.name()
    types = tuple(words.items()) if words.ahead() == "(" else ()
    words.expect("AS")
    return Prepare(name, words.rest(), types)


def _read_execute(words: Words) -> Command:
    name = words.name()
    arguments = () if words.is_over else tuple(words.items())
    words.end()
    return ExecutePrepared(name, arguments)


def _read_deallocate(words: Words) -> Command:
    name = None if words.take("ALL") else words.name()
    words.end()
    return Deallocate(name)


def _read_copy(words: Words) -> Command:
    if words.ahead() == "(":
        sql = words.bracketed()
    else:
        table = _table_of(words)
        columns = ", ".join(words.items()) if words.ahead() == "(" else "*"
        sql = f"SELECT {columns} FROM {table}"  # noqa: S608 - what the client may ask anyway
    if words.take("FROM"):
        raise PgError("COPY FROM is not supported: sessions only read", "25006")
    words.expect("TO")
    if not words.take("STDOUT"):
        raise PgError("COPY can only write TO STDOUT", "42501")
    return Copy(sql, dict(_copy_options(words)))


def _table_of(words: Words) -> str:
    names = [words.name()]
    while words.take("."):
        names.append(words.name())
    return quoted_name(*names)


def _copy_options(words: Words) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    words.take("WITH")
    if not words.take("("):
        yield from _old_copy_options(words)
        return
    while not words.take(")"):
        name = words.name()
        if words.ahead() == "(":
            yield name, tuple(item.strip('"') for item in words.items())
        elif words.ahead() in {",", ")"}:
            yield name, "true"
        else:
            yield name, words.value()
        words.take(",")
    words.end()


def _old_copy_options(words: Words) -> Iterator[tuple[str, str | tuple[str, ...]]]:
    """Read the options as they were written before Postgres 9."""
    while not words.is_over:
        if kind := words.one_of("CSV", "BINARY"):
            yield "format", kind.lower()
        elif words.take("HEADER"):
            yield "header", "true"
        elif words.take("FORCE", "QUOTE"):
            names = [words.name()]
            while words.take(","):
                names.append(words.name())
            yield "force_quote", tuple(names)
        else:
            name = words.one_of("DELIMITER", "DELIMITERS", "NULL", "QUOTE", "ESCAPE")
            if not name:
                raise words.wrong()
            words.take("AS")
            yield name.lower().removesuffix("s"), words.value()


def _ignored(tag: str) -> Callable[[Words], Command]:
    def read(words: Words) -> Command:
        words.rest()
        return Ignored(tag)

    return read


_READERS: dict[str, Callable[[Words], Command | None]] = {
    "BEGIN": _read_begin,
    "START": _read_start,
    "COMMIT": _read_commit,
    "END": _read_commit,
    "ROLLBACK": _read_rollback,
    "ABORT": _read_rollback,
    "SAVEPOINT": _read_savepoint,
    "RELEASE": _read_release,
    "SET": _read_set,
    "RESET": _read_reset,
    "SHOW": _read_show,
    "DISCARD": _read_discard,
    "DECLARE": _read_declare,
    "FETCH": _read_fetch,
    "MOVE": lambda words: _read_fetch(words, moves=True),
    "CLOSE": _read_close,
    "PREPARE": _read_prepare,
    "EXECUTE": _read_execute,
    "DEALLOCATE": _read_deallocate,
    "COPY": _read_copy,
    "UNLISTEN": _ignored("UNLISTEN"),
}
