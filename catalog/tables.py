"""The tables of the catalog, one definition for SQLite and Postgres.

A column is called like the field of ``catalog.model`` it keeps, so a row becomes a value by
``Model(**row)``. Every table of a tenant has an index that starts with ``workspace_id``. The trap:
this file is the target, ``migrations/`` is the way there; a test proves that they agree.

The three tables of the query path (snapshots, query_runs, results) have no foreign keys: they are
written thousands of times a second, and neither workspaces nor snapshots are ever removed.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from catalog.columns import ORDERED_TEXT, Choice, Instant, Json
from catalog.metadata import metadata
from catalog.model import (
    Classification,
    DiscoveryStatus,
    JobStatus,
    ReadMode,
    ResultStatus,
    RunStatus,
    UploadStatus,
)

# Conditions of partial indexes. A query repeats the very text: SQLite does not look into a bound
# parameter to see that the index applies.
PENDING_UPLOAD = "status = 'pending'"
RUNNING_RUN = "status = 'running'"
UNFINISHED_RESULT = "status IN ('pending', 'processing')"
UNFINISHED_JOB = "status IN ('pending', 'running')"
SCHEDULED_CONNECTION = "next_refresh_at IS NOT NULL"
SYNCING_TABLE = "sync_token IS NOT NULL"


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Make an index of the rows that meet a trusted SQL condition."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


organizations = Table(
    "organizations",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("number", Integer),
    Column("name", ORDERED_TEXT, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Index("uq_organizations_number", "number", unique=True),
)

workspaces = Table(
    "workspaces",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("organization_id", ORDERED_TEXT, ForeignKey("organizations.id"), nullable=False),
    Column("number", Integer),
    Column("name", ORDERED_TEXT, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("favorite", Boolean, nullable=False),
    Column("provision_status", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("deleted_at", Instant),
    Index(None, "organization_id", "created_at"),
    Index("uq_workspaces_number", "number", unique=True),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("organization_id", ORDERED_TEXT, ForeignKey("organizations.id"), nullable=False),
    Column("workspace_id", ORDERED_TEXT, ForeignKey("workspaces.id")),
    Column("name", ORDERED_TEXT, nullable=False),
    Column("secret_sha256", Text, nullable=False, unique=True),
    Column("scram_verifier", Text),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
    partial_index(
        "uq_tokens_live_name", "organization_id", "name", where="revoked_at IS NULL", unique=True
    ),
)

uploads = Table(
    "uploads",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, ForeignKey("workspaces.id"), nullable=False),
    Column("status", Choice(UploadStatus), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("content_type", Text),
    Column("blob_key", ORDERED_TEXT, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index(None, "workspace_id", "created_at", "id"),
    partial_index("ix_uploads_pending", "expires_at", where=PENDING_UPLOAD),
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, ForeignKey("workspaces.id"), nullable=False),
    Column("label", ORDERED_TEXT, nullable=False),
    Column("schema_name", ORDERED_TEXT, nullable=False),
    Column("table_name", ORDERED_TEXT, nullable=False),
    Column("latest_version", Integer, nullable=False),
    Column("pinned_version", Integer),
    Column("source", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("workspace_id", "schema_name", "table_name"),
    Index(None, "workspace_id", "label", "id"),
)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column(
        "dataset_id", ORDERED_TEXT, ForeignKey("datasets.id", ondelete="CASCADE"), nullable=False
    ),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("version", Integer, nullable=False),
    Column("source_type", Text, nullable=False),
    Column("schema_ipc", LargeBinary, nullable=False),
    Column("sort_columns", Json(tuple), nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("dataset_id", "version"),
    Index(None, "workspace_id", "dataset_id"),
)

dataset_files = Table(
    "dataset_files",
    metadata,
    Column("key", ORDERED_TEXT, primary_key=True),
    Column(
        "version_id",
        ORDERED_TEXT,
        ForeignKey("dataset_versions.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("position", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    UniqueConstraint("version_id", "position"),
)

connections = Table(
    "connections",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, ForeignKey("workspaces.id"), nullable=False),
    Column("name", ORDERED_TEXT, nullable=False),
    Column("source_type", Text, nullable=False),
    Column("config", Json, nullable=False),
    Column("secret_id", ORDERED_TEXT),
    Column("owns_secret", Boolean, nullable=False),
    Column("mode", Choice(ReadMode), nullable=False),
    Column("refresh_interval_s", BigInteger),
    Column("next_refresh_at", Instant),
    Column("discovery_status", Choice(DiscoveryStatus), nullable=False),
    Column("discovery_error", Text),
    Column("discovered_at", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("workspace_id", "name"),
    partial_index("ix_connections_scheduled", "next_refresh_at", where=SCHEDULED_CONNECTION),
)

# The lease of a sync is on the row of its table: of all servers one fetches, the others wait.
remote_tables = Table(
    "remote_tables",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column(
        "connection_id",
        ORDERED_TEXT,
        ForeignKey("connections.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("schema_name", ORDERED_TEXT, nullable=False),
    Column("table_name", ORDERED_TEXT, nullable=False),
    Column("schema_ipc", LargeBinary, nullable=False),
    Column("mode", Choice(ReadMode)),
    Column("cursor_column", Text),
    Column("version_id", ORDERED_TEXT),
    Column("cached_schema_ipc", LargeBinary),
    Column("last_sync", Instant),
    Column("row_count", BigInteger),
    Column("size_bytes", BigInteger),
    Column("warnings", Json(tuple), nullable=False),
    Column("cursor_value", Text),
    Column("sync_token", Text),
    Column("sync_owner", Text),
    Column("sync_expires_at", Instant),
    UniqueConstraint("connection_id", "schema_name", "table_name"),
    Index("ix_remote_tables_by_name", "workspace_id", "schema_name", "table_name", "connection_id"),
    partial_index("ix_remote_tables_version_id", "version_id", where="version_id IS NOT NULL"),
    partial_index("ix_remote_tables_syncing", "sync_owner", where=SYNCING_TABLE),
)

remote_table_files = Table(
    "remote_table_files",
    metadata,
    Column("key", ORDERED_TEXT, primary_key=True),
    Column(
        "table_id",
        ORDERED_TEXT,
        ForeignKey("remote_tables.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("position", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    UniqueConstraint("table_id", "position"),
)

# Of one version of a dataset or remote table.
profiles = Table(
    "profiles",
    metadata,
    Column("version_id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("columns", Json, nullable=False),
    Index(None, "workspace_id", "version_id"),
)

# The id is made of the workspace and the hash (catalog.ids.snapshot_id): no other index is needed.
snapshots = Table(
    "snapshots",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("sql_hash", Text, nullable=False),
    Column("sql_text", Text, nullable=False),
)

query_runs = Table(
    "query_runs",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("status", Choice(RunStatus), nullable=False),
    Column("snapshot_id", ORDERED_TEXT, nullable=False),
    Column("door", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("completed_at", Instant),
    Column("result_id", ORDERED_TEXT),
    Column("error_message", Text),
    Column("warning_message", Text),
    Column("row_count", BigInteger),
    Column("execution_time_ms", BigInteger),
    Column("server_processing_ms", BigInteger),
    Column("bytes_scanned", BigInteger),
    Column("rows_scanned", BigInteger),
    Column("saved_query_id", ORDERED_TEXT),
    Column("saved_query_version", Integer),
    Column("user_public_id", Text),
    Column("trace_id", Text),
    Column("database_id", Text),
    Index(None, "workspace_id", "created_at", "id"),
    partial_index(
        "ix_query_runs_saved_query",
        "workspace_id",
        "saved_query_id",
        "created_at",
        where="saved_query_id IS NOT NULL",
    ),
    partial_index("ix_query_runs_running", "owner", where=RUNNING_RUN),
)

results = Table(
    "results",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("status", Choice(ResultStatus), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("owner", Text, nullable=False),
    Column("expires_at", Instant),
    Column("error_message", Text),
    Column("columns", Json(tuple)),
    Column("nullable", Json(tuple)),
    Column("row_count", BigInteger),
    Column("size_bytes", BigInteger),
    Column("blob_key", ORDERED_TEXT),
    Column("inline_ipc", LargeBinary),
    Column("database_id", Text),
    Index(None, "workspace_id", "created_at", "id"),
    partial_index("ix_results_expiring", "expires_at", where="expires_at IS NOT NULL"),
    partial_index("ix_results_blob_key", "blob_key", where="blob_key IS NOT NULL"),
    partial_index("ix_results_unfinished", "created_at", where=UNFINISHED_RESULT),
)

saved_queries = Table(
    "saved_queries",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, ForeignKey("workspaces.id"), nullable=False),
    Column("name", ORDERED_TEXT, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", Json(tuple), nullable=False),
    Column("latest_version", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index(None, "workspace_id", "name", "id"),
)

saved_query_versions = Table(
    "saved_query_versions",
    metadata,
    Column(
        "saved_query_id",
        ORDERED_TEXT,
        ForeignKey("saved_queries.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("version", Integer, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("snapshot_id", ORDERED_TEXT, nullable=False),
    Column("classification", Json(lambda fields: Classification(**fields)), nullable=False),
    Column("category_override", Text),
    Column("table_size_override", Text),
    Column("created_at", Instant, nullable=False),
    Index(None, "workspace_id", "saved_query_id"),
)

secrets = Table(
    "secrets",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, ForeignKey("workspaces.id"), nullable=False),
    Column("name", ORDERED_TEXT, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("workspace_id", "name"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, ForeignKey("workspaces.id"), nullable=False),
    Column("job_type", Text, nullable=False),
    Column("status", Choice(JobStatus), nullable=False),
    Column("payload", Json, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("completed_at", Instant),
    Column("error_message", Text),
    Column("result", Json),
    Column("progress", Json, nullable=False),
    Column("lease_token", Text),
    Column("lease_expires_at", Instant),  # of a pending job: nobody takes it before
    Column("lease_owner", Text),
    Column("dedupe_key", ORDERED_TEXT),
    Index(None, "workspace_id", "created_at", "id"),
    partial_index("ix_jobs_unfinished", "created_at", "id", where=UNFINISHED_JOB),
    partial_index(
        "uq_jobs_dedupe_key", "workspace_id", "dedupe_key", where=UNFINISHED_JOB, unique=True
    ),
)

# Blobs whose row is gone, so that readers of the row may finish before the bytes go too.
dropped_blobs = Table(
    "dropped_blobs",
    metadata,
    Column("key", ORDERED_TEXT, primary_key=True),
    Column("dropped_at", Instant, nullable=False),
)
