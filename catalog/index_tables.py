"""The tables of indexes and of embedding providers; the rules of :mod:`catalog.tables` hold here."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
)

from catalog.columns import ORDERED_TEXT, Choice, Instant, Json
from catalog.index_model import IndexType, Metric, VectorStorage
from catalog.metadata import metadata

indexes = Table(
    "indexes",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("table_id", ORDERED_TEXT, ForeignKey("remote_tables.id", ondelete="CASCADE")),
    Column("dataset_id", ORDERED_TEXT, ForeignKey("datasets.id", ondelete="CASCADE")),
    Column("name", ORDERED_TEXT, nullable=False),
    Column("index_type", Choice(IndexType), nullable=False),
    Column("columns", Json(tuple), nullable=False),
    Column("source_column", Text),
    Column("metric", Choice(Metric)),
    Column("storage", Choice(VectorStorage)),
    Column("language", Text),
    Column("embedding_provider_id", ORDERED_TEXT),
    Column("dimensions", Integer),
    Column("description", Text),
    Column("error_message", Text),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("table_id", "name"),
    UniqueConstraint("dataset_id", "name"),
    Index(None, "workspace_id", "name", "id"),
)

# Of one version of a dataset or remote table.
index_builds = Table(
    "index_builds",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("index_id", ORDERED_TEXT, ForeignKey("indexes.id", ondelete="CASCADE"), nullable=False),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("version_id", ORDERED_TEXT, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("details", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("index_id", "version_id"),
    Index(None, "workspace_id", "version_id"),
)

index_files = Table(
    "index_files",
    metadata,
    Column(
        "build_id",
        ORDERED_TEXT,
        ForeignKey("index_builds.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("name", ORDERED_TEXT, primary_key=True),
    Column("key", ORDERED_TEXT, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Index(None, "key"),
)

# What embedding has cost once; collected when no index of its owner needs it any more.
embedding_files = Table(
    "embedding_files",
    metadata,
    Column("key", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, nullable=False),
    Column("owner_id", ORDERED_TEXT, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "workspace_id", "owner_id", "fingerprint"),
)

embedding_providers = Table(
    "embedding_providers",
    metadata,
    Column("id", ORDERED_TEXT, primary_key=True),
    Column("workspace_id", ORDERED_TEXT, ForeignKey("workspaces.id"), nullable=False),
    Column("name", ORDERED_TEXT, nullable=False),
    Column("provider_type", Text, nullable=False),
    Column("config", Json, nullable=False),
    Column("secret_id", ORDERED_TEXT),
    Column("owns_secret", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("workspace_id", "name"),
)
