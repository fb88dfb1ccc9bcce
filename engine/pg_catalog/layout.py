"""The relations of Postgres 15's two system schemas: names, columns and their types.

``relations.txt`` lists them all, so that every relation a client may join is there with the right columns in the
right order; what Tidemill has nothing to say of is empty.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from engine.pg_catalog.snapshot import stable_oids

PG_CATALOG = "pg_catalog"
INFORMATION_SCHEMA = "information_schema"
UNRESERVED = "U"
_PATH_SEPARATOR = "\x1f"
_FILE = Path(__file__).with_name("relations.txt")
# Functions that clients read like a table.
_KEYWORDS = "pg_catalog 0 f pg_get_keywords word:text catcode:char barelabel:bool catdesc:text baredesc:text"


@dataclass(frozen=True, slots=True)
class SystemColumn:
    """One column of a system relation: its name, its type's ``typname``, and whether it is NOT NULL."""

    name: str
    type_name: str
    not_null: bool


@dataclass(frozen=True, slots=True)
class SystemRelation:
    """One system relation; ``kind`` is ``r``, ``v``, or ``f`` for a function that gives rows."""

    schema: str
    name: str
    oid: int
    kind: str
    columns: tuple[SystemColumn, ...]

    @property
    def local_name(self) -> str:
        """The name of its table in the database that answers, where both schemas are one."""
        prefix = "is_" if self.schema == INFORMATION_SCHEMA else ""
        return prefix + self.name

    def column_types(self) -> dict[str, str]:
        """Types of the columns by their names, in order."""
        return {column.name: column.type_name for column in self.columns}


@cache
def system_relations() -> dict[tuple[str, str], SystemRelation]:
    """All relations by schema and name, in the order of the file."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    found = [_read(line) for line in lines if not line.startswith("#")]
    unnumbered = [(each.schema, each.name) for each in found if not each.oid]
    oids = stable_oids(unnumbered)
    numbered = [
        each if each.oid else replace(each, oid=oids[each.schema, each.name]) for each in found
    ]
    return {(each.schema, each.name): each for each in [*numbered, _read(_KEYWORDS)]}


def path_text(schemas: tuple[str, ...]) -> str:
    """Write a search path as the functions take it, with ``pg_catalog`` where Postgres puts it."""
    whole = schemas if PG_CATALOG in schemas else (PG_CATALOG, *schemas)
    return _PATH_SEPARATOR.join(whole)


def path_schemas(path: str) -> list[str]:
    """Read what :func:`path_text` wrote."""
    return path.split(_PATH_SEPARATOR)


def find_relation(parts: tuple[str, ...], database: str | None = None) -> SystemRelation | None:
    """Return what a dotted name means, None when it is no system relation.

    A name of three parts is one when its first names the current database.
    """
    if len(parts) == 3 and (database is None or parts[0] == database):  # noqa: PLR2004
        parts = parts[1:]
    if len(parts) == 1:
        parts = (PG_CATALOG, *parts)
    return system_relations().get((parts[0], parts[1])) if len(parts) == 2 else None  # noqa: PLR2004


def _read(line: str) -> SystemRelation:
    schema, oid, kind, name, *columns = line.split()
    return SystemRelation(schema, name, int(oid), kind, tuple(map(_read_column, columns)))


def _read_column(text: str) -> SystemColumn:
    name, _, type_name = text.partition(":")
    return SystemColumn(name, type_name.rstrip("!"), type_name.endswith("!"))


@cache
def keyword_classes() -> dict[str, str]:
    """Postgres' keywords with their class: only U are bare names anywhere."""
    return {word: kind for word, kind, _ in keywords()}


@cache
def keywords() -> tuple[tuple[str, str, bool], ...]:
    """Postgres' keywords: the word, its class, and whether it may be a label without AS."""
    text = _FILE.with_name("keywords.txt").read_text(encoding="utf-8")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return tuple((word, kind, label == "t") for word, kind, label in lines)
