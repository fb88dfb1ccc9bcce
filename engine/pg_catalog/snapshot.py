"""What the system catalogs of one session show, as plain data that crosses a process border.

Object identifiers are stable: a name keeps its number as long as no other name collides with it, in every
process and every session, because clients keep the numbers between statements and connections.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from engine.workers.pure_data import dump_data

FIRST_NORMAL_OID = 16_384
_OID_COUNT = 2**31 - FIRST_NORMAL_OID
TABLE = "r"
VIEW = "v"


@dataclass(frozen=True, slots=True)
class CatalogColumn:
    """One column; its position is its place in the table, from 1.

    Attributes:
        name: as SQL names it.
        type_oid: the object identifier of its Postgres type.
        typmod: the modifier of the type as Postgres packs it, -1 for none.
        nullable: whether it may hold NULL.
    """

    name: str
    type_oid: int
    typmod: int = -1
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """One table or view of the current database.

    Attributes:
        schema: its schema.
        name: its name.
        oid: see :func:`with_oids`; 0 until then.
        kind: ``r`` for a table, ``v`` for a view.
        columns: in order.
        row_estimate: rows, None when nobody knows.
        size_bytes: of its files, 0 when it has none.
        definition: of a view, its SELECT.
    """

    schema: str
    name: str
    columns: tuple[CatalogColumn, ...]
    kind: str = TABLE
    oid: int = 0
    row_estimate: int | None = None
    size_bytes: int = 0
    definition: str | None = None


@dataclass(frozen=True, slots=True)
class CatalogIndex:
    """One index of a table of the current database.

    Attributes:
        schema: of the table, and of the index.
        table: the table's name.
        name: its name.
        columns: names of columns of the table, in the index's order.
        kind: the access method: ``btree`` for a sorted copy, else Tidemill's word for it.
        oid: see :func:`with_oids`; 0 until then.
        size_bytes: of its files.
    """

    schema: str
    table: str
    name: str
    columns: tuple[str, ...]
    kind: str = "btree"
    oid: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CatalogSession:
    """What differs from session to session; it is no part of the snapshot's digest.

    Attributes:
        user: the name the session logged in with.
        search_path: schemas in which bare names are looked up, without ``pg_catalog``.
        backend_pid: the number that a cancel request names.
        settings: what SHOW shows; names as Postgres writes them.
        server_started_us: when the server started, in microseconds of Unix time.
    """

    user: str
    search_path: tuple[str, ...] = ("public",)
    backend_pid: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    server_started_us: int = 0


@dataclass(frozen=True, slots=True)
class CatalogSnapshot:
    """Everything one session can see.

    Attributes:
        database: the current database, a catalog of the workspace.
        databases: all of them, in order.
        schemas: of the current database, also those without tables.
        tables: of the current database, with object identifiers.
        indexes: of these tables, with object identifiers.
        roles: names of the workspace's tokens.
        session: what is true of one session only.
    """

    database: str
    databases: tuple[str, ...]
    schemas: tuple[str, ...]
    tables: tuple[CatalogTable, ...]
    indexes: tuple[CatalogIndex, ...]
    roles: tuple[str, ...]
    session: CatalogSession


@dataclass(frozen=True, slots=True)
class CarriedSnapshot:
    """A snapshot on its way to workers, each of which reads it once.

    Attributes:
        digest: a hash of all but the session.
        body: the snapshot as JSON, without its session.
        session: what is true of one session only.
    """

    digest: str
    body: str
    session: CatalogSession


def carried(snapshot: CatalogSnapshot) -> CarriedSnapshot:
    """Write a snapshot once, for all statements of all sessions that see the same."""
    body = dump_data(replace(snapshot, session=CatalogSession(user="")))
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    return CarriedSnapshot(digest, body.decode(), snapshot.session)


def with_oids(snapshot: CatalogSnapshot) -> CatalogSnapshot:
    """Number the tables and indexes of a snapshot by their names.

    >>> empty = CatalogSnapshot("shop", ("shop",), (), (), (), (), CatalogSession("ann"))
    >>> cars = CatalogTable("public", "cars", ())
    >>> [table.oid for table in with_oids(replace(empty, tables=(cars,))).tables]
    [938050173]
    """
    names = [
        *(("table", table.schema, table.name) for table in snapshot.tables),
        *(("table", index.schema, index.name) for index in snapshot.indexes),
    ]
    oids = stable_oids((snapshot.database, *name) for name in names)
    return replace(
        snapshot,
        tables=tuple(
            replace(table, oid=oids[snapshot.database, "table", table.schema, table.name])
            for table in snapshot.tables
        ),
        indexes=tuple(
            replace(index, oid=oids[snapshot.database, "table", index.schema, index.name])
            for index in snapshot.indexes
        ),
    )


def stable_oids(names: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
    """Give each qualified name a number from 16384 to 2³¹ - 1.

    Names that hash to the same number are numbered on from it in alphabetical order.
    """
    oids: dict[tuple[str, ...], int] = {}
    taken: set[int] = set()
    for name in sorted(set(names)):
        hashed = hashlib.blake2b("\0".join(name).encode(), digest_size=8).digest()
        oid = FIRST_NORMAL_OID + int.from_bytes(hashed, "big") % _OID_COUNT
        while oid in taken:
            oid = FIRST_NORMAL_OID + (oid + 1 - FIRST_NORMAL_OID) % _OID_COUNT
        taken.add(oid)
        oids[name] = oid
    return oids
