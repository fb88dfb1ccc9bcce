"""The tables of documents; the rules of :mod:`catalog.tables` hold here.

Ids of datasets and entries are numbers that the database gives out and never uses again.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from catalog.columns import ORDERED_TEXT, Choice, Instant, Json
from catalog.document_model import DeliveryStatus, EntryStatus, FileKind
from catalog.metadata import metadata
from catalog.tables import partial_index

PENDING_DELIVERY = "status = 'pending'"
COMPLETED_DELIVERY = "completed_at IS NOT NULL"

# SQLite gives numbers to a column of exactly this type only.
_NUMBER = BigInteger().with_variant(Integer, "sqlite")


document_datasets = Table(
    "document_datasets",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("workspace_id", ORDERED_TEXT, ForeignKey("workspaces.id"), nullable=False),
    Column("name", ORDERED_TEXT, nullable=False),
    Column("slug", ORDERED_TEXT, nullable=False),
    Column("description", Text, nullable=False),
    Column("dataset_type", Text, nullable=False),
    Column("schema_definition", Json, nullable=False),
    Column("current_schema_version", Text, nullable=False),
    Column("pipeline_config", Json),
    Column("webhook_config", Json),
    Column("webhook_secret_id", ORDERED_TEXT),
    Column("embedding_provider_id", ORDERED_TEXT),
    Column("embedding_width", Integer),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("last_synced_at", Instant),
    Column("version", Integer, nullable=False),
    UniqueConstraint("workspace_id", "slug"),
    Index(None, "workspace_id", "created_at", "id"),
    sqlite_autoincrement=True,
)

document_entries = Table(
    "document_entries",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column(
        "dataset_id",
        _NUMBER,
        ForeignKey("document_datasets.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("name", ORDERED_TEXT, nullable=False),
    Column("slug", ORDERED_TEXT, nullable=False),
    Column("description", Text, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("status", Choice(EntryStatus), nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("error", Text),
    Column("workflow_name", Text),
    Column("run", Integer, nullable=False),
    Column("steps", Json(tuple), nullable=False),
    Column("facts", Json, nullable=False),
    Column("registration", BigInteger, unique=True),
    Column("segment_id", ORDERED_TEXT),  # that holds the registration
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("processed_at", Instant),
    UniqueConstraint("dataset_id", "slug"),
    Index(None, "workspace_id", "dataset_id", "created_at", "id"),
    Index(None, "workspace_id", "created_at", "id"),
    partial_index(
        "ix_document_entries_segment_id",
        "segment_id",
        "registration",
        where="segment_id IS NOT NULL",
    ),
    sqlite_autoincrement=True,
)

document_files = Table(
    "document_files",
    metadata,
    Column("blob_key", ORDERED_TEXT, primary_key=True),
    Column(
        "entry_id",
        _NUMBER,
        ForeignKey("document_entries.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("kind", Choice(FileKind), nullable=False),
    Column("key", ORDERED_TEXT, nullable=False),
    Column("file_name", ORDERED_TEXT, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mime_type", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    UniqueConstraint("entry_id", "key"),
    Index(None, "workspace_id", "entry_id"),
    partial_index("ix_document_files_expiring", "expires_at", where="expires_at IS NOT NULL"),
)

document_segments = Table(
    "document_segments",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column(
        "dataset_id",
        _NUMBER,
        ForeignKey("document_datasets.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("registrations", Json(tuple), nullable=False),
    Column("entry_count", Integer, nullable=False),
    Column("chunk_count", BigInteger, nullable=False),
    Column("width", Integer),
    Column("created_at", Instant, nullable=False),
    Index(None, "workspace_id", "dataset_id", "created_at", "id"),
)

document_segment_files = Table(
    "document_segment_files",
    metadata,
    Column(
        "segment_id",
        ORDERED_TEXT,
        ForeignKey("document_segments.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("name", ORDERED_TEXT, primary_key=True),
    Column("key", ORDERED_TEXT, nullable=False, unique=True),
    Column("size_bytes", BigInteger, nullable=False),
)

# Notifications outlive their dataset: no foreign keys.
document_deliveries = Table(
    "document_deliveries",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("dataset_id", _NUMBER, nullable=False),
    Column("entry_id", _NUMBER, nullable=False),
    Column("event", Json, nullable=False),
    Column("status", Choice(DeliveryStatus), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Instant),
    Column("response_status", Integer),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("completed_at", Instant),
    Index(None, "workspace_id", "dataset_id", "created_at", "id"),
    partial_index(
        "ix_document_deliveries_pending", "next_at", "dataset_id", where=PENDING_DELIVERY
    ),
    partial_index(
        "ix_document_deliveries_turn", "entry_id", "created_at", "id", where=PENDING_DELIVERY
    ),
    partial_index("ix_document_deliveries_completed", "completed_at", where=COMPLETED_DELIVERY),
)
