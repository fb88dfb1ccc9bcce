"""The migrations lead to the tables, on both databases."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from catalog.connections import open_engines
from catalog.database import Database
from catalog.schema import metadata

pytestmark = pytest.mark.anyio


def compare(conn: Connection) -> list[object]:
    options = {"compare_type": True, "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(conn, opts=options), metadata))


def partial_indexes(conn: Connection) -> dict[str, str]:
    """Conditions of the partial indexes, which Alembic does not compare."""
    if conn.dialect.name == "sqlite":
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'"
    else:
        query = (
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE schemaname = 'public' AND indexdef LIKE '% WHERE %'"
        )
    return {row[0]: row[1].split(" WHERE ")[1] for row in conn.execute(text(query))}


async def test_migrations_make_the_tables(db: Database) -> None:
    assert await db.read(compare) == []


async def test_migrations_make_the_partial_indexes(catalog_url: str, db: Database) -> None:
    migrated = await db.read(partial_indexes)
    engines = open_engines(catalog_url, readers=1)
    with engines.writer.begin() as connection:
        # The way there is dropped, the target is made directly.
        metadata.drop_all(connection)
        metadata.create_all(connection)
        assert migrated == partial_indexes(connection)
    engines.dispose()
    assert len(migrated) == 17


async def test_every_table_of_a_tenant_is_indexed_by_workspace_first(db: Database) -> None:
    def leading_columns(conn: Connection) -> dict[str, set[str | None]]:
        inspector = inspect(conn)
        return {
            table: {entry["column_names"][0] for entry in inspector.get_indexes(table)}
            | {entry["column_names"][0] for entry in inspector.get_unique_constraints(table)}
            for table in inspector.get_table_names()
        }

    leading = await db.read(leading_columns)
    by_id = {"snapshots", "tokens"}  # Found by their hash alone.
    tenants = {t.name for t in metadata.tables.values() if "workspace_id" in t.c} - by_id
    assert len(tenants) >= 8
    assert {table for table in tenants if "workspace_id" not in leading[table]} == set()
