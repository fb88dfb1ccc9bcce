"""Indexes, what was built of them, and kept embeddings."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

# Compared by code point whatever the locale of the server.
_ORDERED = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "indexes",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("table_id", _ORDERED),
        sa.Column("dataset_id", _ORDERED),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("index_type", sa.Text(), nullable=False),
        sa.Column("columns", sa.Text(), nullable=False),
        sa.Column("source_column", sa.Text()),
        sa.Column("metric", sa.Text()),
        sa.Column("storage", sa.Text()),
        sa.Column("language", sa.Text()),
        sa.Column("embedding_provider_id", _ORDERED),
        sa.Column("dimensions", sa.Integer()),
        sa.Column("description", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["table_id"], ["remote_tables.id"], name="fk_indexes_table_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_indexes_dataset_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_indexes"),
        sa.UniqueConstraint("table_id", "name", name="uq_indexes_table_id_name"),
        sa.UniqueConstraint("dataset_id", "name", name="uq_indexes_dataset_id_name"),
    )
    op.create_index("ix_indexes_workspace_id_name_id", "indexes", ["workspace_id", "name", "id"])
    op.create_table(
        "index_builds",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("index_id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("version_id", _ORDERED, nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["index_id"], ["indexes.id"], name="fk_index_builds_index_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_index_builds"),
        sa.UniqueConstraint("index_id", "version_id", name="uq_index_builds_index_id_version_id"),
    )
    op.create_index(
        "ix_index_builds_workspace_id_version_id", "index_builds", ["workspace_id", "version_id"]
    )
    op.create_table(
        "index_files",
        sa.Column("build_id", _ORDERED, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("key", _ORDERED, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["build_id"], ["index_builds.id"], name="fk_index_files_build_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("build_id", "name", name="pk_index_files"),
    )
    op.create_index("ix_index_files_key", "index_files", ["key"])
    op.create_table(
        "embedding_files",
        sa.Column("key", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("owner_id", _ORDERED, nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_embedding_files"),
    )
    op.create_index(
        "ix_embedding_files_workspace_id_owner_id_fingerprint",
        "embedding_files",
        ["workspace_id", "owner_id", "fingerprint"],
    )
