"""Document datasets, their entries and files, what is registered of them, and notifications."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

# Compared by code point whatever the locale of the server.
_ORDERED = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _number("organizations")
    _number("workspaces")
    _make_datasets()
    _make_entries()
    _make_files()
    _make_segments()
    _make_deliveries()


def _number(name: str) -> None:
    op.add_column(name, sa.Column("number", sa.Integer()))
    table = sa.table(name, sa.column("id"), sa.column("number"), sa.column("created_at"))
    other = table.alias("other")
    before = sa.or_(
        other.c.created_at < table.c.created_at,
        sa.and_(other.c.created_at == table.c.created_at, other.c.id <= table.c.id),
    )
    rank = sa.select(sa.func.count()).select_from(other).where(before).scalar_subquery()
    op.execute(sa.update(table).values(number=rank))
    op.create_index(f"uq_{name}_number", name, ["number"], unique=True)


def _make_datasets() -> None:
    op.create_table(
        "document_datasets",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("slug", _ORDERED, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("dataset_type", sa.Text(), nullable=False),
        sa.Column("schema_definition", sa.Text(), nullable=False),
        sa.Column("current_schema_version", sa.Text(), nullable=False),
        sa.Column("pipeline_config", sa.Text()),
        sa.Column("webhook_config", sa.Text()),
        sa.Column("webhook_secret_id", _ORDERED),
        sa.Column("embedding_provider_id", _ORDERED),
        sa.Column("embedding_width", sa.Integer()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("last_synced_at", sa.BigInteger()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_document_datasets_workspace_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_document_datasets"),
        sa.UniqueConstraint("workspace_id", "slug", name="uq_document_datasets_workspace_id_slug"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_document_datasets_workspace_id_created_at_id",
        "document_datasets",
        ["workspace_id", "created_at", "id"],
    )


def _make_entries() -> None:
    op.create_table(
        "document_entries",
        sa.Column("id", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("dataset_id", _NUMBER, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("slug", _ORDERED, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("workflow_name", sa.Text()),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("steps", sa.Text(), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("registration", sa.BigInteger()),
        sa.Column("segment_id", _ORDERED),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("processed_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["document_datasets.id"],
            name="fk_document_entries_dataset_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_document_entries"),
        sa.UniqueConstraint("dataset_id", "slug", name="uq_document_entries_dataset_id_slug"),
        sa.UniqueConstraint("registration", name="uq_document_entries_registration"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_document_entries_workspace_id_dataset_id_created_at_id",
        "document_entries",
        ["workspace_id", "dataset_id", "created_at", "id"],
    )
    op.create_index(
        "ix_document_entries_workspace_id_created_at_id",
        "document_entries",
        ["workspace_id", "created_at", "id"],
    )
    registered = sa.text("segment_id IS NOT NULL")
    op.create_index(
        "ix_document_entries_segment_id",
        "document_entries",
        ["segment_id", "registration"],
        sqlite_where=registered,
        postgresql_where=registered,
    )


def _make_files() -> None:
    op.create_table(
        "document_files",
        sa.Column("blob_key", _ORDERED, nullable=False),
        sa.Column("entry_id", _NUMBER, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", _ORDERED, nullable=False),
        sa.Column("file_name", _ORDERED, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mime_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["document_entries.id"],
            name="fk_document_files_entry_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("blob_key", name="pk_document_files"),
        sa.UniqueConstraint("entry_id", "key", name="uq_document_files_entry_id_key"),
    )
    op.create_index(
        "ix_document_files_workspace_id_entry_id", "document_files", ["workspace_id", "entry_id"]
    )
    expiring = sa.text("expires_at IS NOT NULL")
    op.create_index(
        "ix_document_files_expiring",
        "document_files",
        ["expires_at"],
        sqlite_where=expiring,
        postgresql_where=expiring,
    )


def _make_segments() -> None:
    op.create_table(
        "document_segments",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("dataset_id", _NUMBER, nullable=False),
        sa.Column("registrations", sa.Text(), nullable=False),
        sa.Column("entry_count", sa.Integer(), nullable=False),
        sa.Column("chunk_count", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["document_datasets.id"],
            name="fk_document_segments_dataset_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_document_segments"),
    )
    op.create_index(
        "ix_document_segments_workspace_id_dataset_id_created_at_id",
        "document_segments",
        ["workspace_id", "dataset_id", "created_at", "id"],
    )
    op.create_table(
        "document_segment_files",
        sa.Column("segment_id", _ORDERED, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("key", _ORDERED, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["segment_id"],
            ["document_segments.id"],
            name="fk_document_segment_files_segment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("segment_id", "name", name="pk_document_segment_files"),
        sa.UniqueConstraint("key", name="uq_document_segment_files_key"),
    )


def _make_deliveries() -> None:
    op.create_table(
        "document_deliveries",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("dataset_id", _NUMBER, nullable=False),
        sa.Column("entry_id", _NUMBER, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger()),
        sa.Column("response_status", sa.Integer()),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_document_deliveries"),
    )
    op.create_index(
        "ix_document_deliveries_workspace_id_dataset_id_created_at_id",
        "document_deliveries",
        ["workspace_id", "dataset_id", "created_at", "id"],
    )
    pending = "status = 'pending'"
    for name, columns, condition in (
        ("pending", ["next_at", "dataset_id"], pending),
        ("turn", ["entry_id", "created_at", "id"], pending),
        ("completed", ["completed_at"], "completed_at IS NOT NULL"),
    ):
        op.create_index(
            f"ix_document_deliveries_{name}",
            "document_deliveries",
            columns,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
