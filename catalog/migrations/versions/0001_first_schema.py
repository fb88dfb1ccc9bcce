"""The first schema."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# Compared by code point whatever the locale of the server.
_ORDERED = sa.Text().with_variant(sa.TEXT(collation="C"), "postgresql")


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    _create_identity()
    _create_uploads_and_datasets()
    _create_query_runs()
    _create_results()
    _create_saved_queries()
    _create_secrets_and_jobs()


def _create_identity() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
        sa.UniqueConstraint("name", name="uq_organizations_name"),
    )
    op.create_table(
        "workspaces",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("organization_id", _ORDERED, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("favorite", sa.Boolean(), nullable=False),
        sa.Column("provision_status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_workspaces_organization_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_workspaces"),
    )
    op.create_index(
        "ix_workspaces_organization_id_created_at", "workspaces", ["organization_id", "created_at"]
    )
    op.create_table(
        "tokens",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("organization_id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("secret_sha256", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_tokens_organization_id"
        ),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_tokens_workspace_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("secret_sha256", name="uq_tokens_secret_sha256"),
    )
    op.create_index(
        "uq_tokens_live_name",
        "tokens",
        ["organization_id", "name"],
        unique=True,
        **_where("revoked_at IS NULL"),
    )


def _create_uploads_and_datasets() -> None:
    op.create_table(
        "uploads",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.Text()),
        sa.Column("blob_key", _ORDERED, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_uploads_workspace_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
        sa.UniqueConstraint("blob_key", name="uq_uploads_blob_key"),
    )
    op.create_index("ix_uploads_pending", "uploads", ["expires_at"], **_where("status = 'pending'"))
    op.create_index(
        "ix_uploads_workspace_id_created_at_id", "uploads", ["workspace_id", "created_at", "id"]
    )
    op.create_table(
        "datasets",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("label", _ORDERED, nullable=False),
        sa.Column("schema_name", _ORDERED, nullable=False),
        sa.Column("table_name", _ORDERED, nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("pinned_version", sa.Integer()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_datasets_workspace_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.UniqueConstraint(
            "workspace_id",
            "schema_name",
            "table_name",
            name="uq_datasets_workspace_id_schema_name_table_name",
        ),
    )
    op.create_index(
        "ix_datasets_workspace_id_label_id", "datasets", ["workspace_id", "label", "id"]
    )
    op.create_table(
        "dataset_versions",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("dataset_id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source_type", sa.Text(), nullable=False),
        sa.Column("schema_ipc", sa.LargeBinary(), nullable=False),
        sa.Column("sort_columns", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"],
            ["datasets.id"],
            name="fk_dataset_versions_dataset_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_dataset_versions"),
        sa.UniqueConstraint("dataset_id", "version", name="uq_dataset_versions_dataset_id_version"),
    )
    op.create_index(
        "ix_dataset_versions_workspace_id_dataset_id",
        "dataset_versions",
        ["workspace_id", "dataset_id"],
    )
    op.create_table(
        "dataset_files",
        sa.Column("key", _ORDERED, nullable=False),
        sa.Column("version_id", _ORDERED, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"],
            ["dataset_versions.id"],
            name="fk_dataset_files_version_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("key", name="pk_dataset_files"),
        sa.UniqueConstraint("version_id", "position", name="uq_dataset_files_version_id_position"),
    )
    op.create_table(
        "dropped_blobs",
        sa.Column("key", _ORDERED, nullable=False),
        sa.Column("dropped_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_dropped_blobs"),
    )


def _create_query_runs() -> None:
    op.create_table(
        "snapshots",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("sql_hash", sa.Text(), nullable=False),
        sa.Column("sql_text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_snapshots"),
    )
    op.create_table(
        "query_runs",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("snapshot_id", _ORDERED, nullable=False),
        sa.Column("door", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger()),
        sa.Column("result_id", _ORDERED),
        sa.Column("error_message", sa.Text()),
        sa.Column("warning_message", sa.Text()),
        sa.Column("row_count", sa.BigInteger()),
        sa.Column("execution_time_ms", sa.BigInteger()),
        sa.Column("server_processing_ms", sa.BigInteger()),
        sa.Column("bytes_scanned", sa.BigInteger()),
        sa.Column("rows_scanned", sa.BigInteger()),
        sa.Column("saved_query_id", _ORDERED),
        sa.Column("saved_query_version", sa.Integer()),
        sa.Column("user_public_id", sa.Text()),
        sa.Column("trace_id", sa.Text()),
        sa.Column("database_id", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_query_runs"),
    )
    op.create_index(
        "ix_query_runs_running", "query_runs", ["owner"], **_where("status = 'running'")
    )
    op.create_index(
        "ix_query_runs_saved_query",
        "query_runs",
        ["workspace_id", "saved_query_id", "created_at"],
        **_where("saved_query_id IS NOT NULL"),
    )
    op.create_index(
        "ix_query_runs_workspace_id_created_at_id",
        "query_runs",
        ["workspace_id", "created_at", "id"],
    )


def _create_results() -> None:
    op.create_table(
        "results",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("error_message", sa.Text()),
        sa.Column("columns", sa.Text()),
        sa.Column("nullable", sa.Text()),
        sa.Column("row_count", sa.BigInteger()),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("blob_key", _ORDERED),
        sa.Column("inline_ipc", sa.LargeBinary()),
        sa.Column("database_id", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_results"),
    )
    op.create_index(
        "ix_results_blob_key", "results", ["blob_key"], **_where("blob_key IS NOT NULL")
    )
    op.create_index(
        "ix_results_expiring", "results", ["expires_at"], **_where("expires_at IS NOT NULL")
    )
    op.create_index(
        "ix_results_unfinished",
        "results",
        ["created_at"],
        **_where("status IN ('pending', 'processing')"),
    )
    op.create_index(
        "ix_results_workspace_id_created_at_id", "results", ["workspace_id", "created_at", "id"]
    )


def _create_saved_queries() -> None:
    op.create_table(
        "saved_queries",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_saved_queries_workspace_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_saved_queries"),
    )
    op.create_index(
        "ix_saved_queries_workspace_id_name_id", "saved_queries", ["workspace_id", "name", "id"]
    )
    op.create_table(
        "saved_query_versions",
        sa.Column("saved_query_id", _ORDERED, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("snapshot_id", _ORDERED, nullable=False),
        sa.Column("classification", sa.Text(), nullable=False),
        sa.Column("category_override", sa.Text()),
        sa.Column("table_size_override", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["saved_query_id"],
            ["saved_queries.id"],
            name="fk_saved_query_versions_saved_query_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("saved_query_id", "version", name="pk_saved_query_versions"),
    )
    op.create_index(
        "ix_saved_query_versions_workspace_id_saved_query_id",
        "saved_query_versions",
        ["workspace_id", "saved_query_id"],
    )


def _create_secrets_and_jobs() -> None:
    op.create_table(
        "secrets",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("name", _ORDERED, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_secrets_workspace_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_secrets"),
        sa.UniqueConstraint("workspace_id", "name", name="uq_secrets_workspace_id_name"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", _ORDERED, nullable=False),
        sa.Column("workspace_id", _ORDERED, nullable=False),
        sa.Column("job_type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger()),
        sa.Column("error_message", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("progress", sa.Text(), nullable=False),
        sa.Column("lease_token", sa.Text()),
        sa.Column("lease_expires_at", sa.BigInteger()),
        sa.Column("lease_owner", sa.Text()),
        sa.Column("dedupe_key", _ORDERED),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_jobs_workspace_id"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index(
        "ix_jobs_unfinished",
        "jobs",
        ["created_at", "id"],
        **_where("status IN ('pending', 'running')"),
    )
    op.create_index(
        "ix_jobs_workspace_id_created_at_id", "jobs", ["workspace_id", "created_at", "id"]
    )
    op.create_index(
        "uq_jobs_dedupe_key",
        "jobs",
        ["workspace_id", "dedupe_key"],
        unique=True,
        **_where("status IN ('pending', 'running')"),
    )
