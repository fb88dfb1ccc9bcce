"""Connections, their tables and the copies of these, and profiles."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

# Compared by code point whatever the locale of the server.
_ORDERED = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    _create_connections()
    _create_remote_tables()
    _create_profiles()


def _create_connections() -> None:
    op.create_table(
        "connections",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("source_type", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("secret_id", _ORDERED),
        sa.Column("owns_secret", sa.Boolean(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("refresh_interval_s", sa.BigInteger()),
        sa.Column("next_refresh_at", sa.BigInteger()),
        sa.Column("discovery_status", sa.Text(), nullable=False),
        sa.Column("discovery_error", sa.Text()),
        sa.Column("discovered_at", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_connections_workspace_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_connections"),
        sa.UniqueConstraint("workspace_id", "name", name="uq_connections_workspace_id_name"),
    )
    scheduled = sa.text("next_refresh_at IS NOT NULL")
    op.create_index(
        "ix_connections_scheduled",
        "connections",
        ["next_refresh_at"],
        sqlite_where=scheduled,
        postgresql_where=scheduled,
    )


def _create_remote_tables() -> None:
    op.create_table(
        "remote_tables",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("connection_id", _ORDERED, nullable=False),
        sa.Column("schema_name", _ORDERED, nullable=False),
        sa.Column("table_name", _ORDERED, nullable=False),
        sa.Column("schema_ipc", sa.LargeBinary(), nullable=False),
        sa.Column("mode", sa.Text()),
        sa.Column("cursor_column", sa.Text()),
        sa.Column("version_id", _ORDERED),
        sa.Column("cached_schema_ipc", sa.LargeBinary()),
        sa.Column("last_sync", sa.BigInteger()),
        sa.Column("row_count", sa.BigInteger()),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("warnings", sa.Text(), nullable=False),
        sa.Column("cursor_value", sa.Text()),
        sa.Column("sync_token", sa.Text()),
        sa.Column("sync_owner", sa.Text()),
        sa.Column("sync_expires_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.id"],
            name="fk_remote_tables_connection_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_remote_tables"),
        sa.UniqueConstraint(
            "connection_id",
            "schema_name",
            "table_name",
            name="uq_remote_tables_connection_id_schema_name_table_name",
        ),
    )
    op.create_index(
        "ix_remote_tables_by_name",
        "remote_tables",
        ["workspace_id", "schema_name", "table_name", "connection_id"],
    )
    synced = sa.text("version_id IS NOT NULL")
    op.create_index(
        "ix_remote_tables_version_id",
        "remote_tables",
        ["version_id"],
        sqlite_where=synced,
        postgresql_where=synced,
    )
    syncing = sa.text("sync_token IS NOT NULL")
    op.create_index(
        "ix_remote_tables_syncing",
        "remote_tables",
        ["sync_owner"],
        sqlite_where=syncing,
        postgresql_where=syncing,
    )
    op.create_table(
        "remote_table_files",
        sa.Column("key", _ORDERED, nullable=False),
        sa.Column("table_id", _ORDERED, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["table_id"],
            ["remote_tables.id"],
            name="fk_remote_table_files_table_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_remote_table_files"),
        sa.UniqueConstraint("table_id", "position", name="uq_remote_table_files_table_id_position"),
    )


def _create_profiles() -> None:
    op.create_table(
        "profiles",
        sa.Column("version_id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version_id", name="pk_profiles"),
    )
    op.create_index(
        "ix_profiles_workspace_id_version_id", "profiles", ["workspace_id", "version_id"]
    )
