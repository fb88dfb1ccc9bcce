"""The things the catalog remembers, as frozen values.

Times are aware datetimes in UTC with microseconds. Sizes are bytes, counts are rows. A value is a
snapshot of one row: changing the thing means calling the store, which returns a new value.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class UploadStatus(StrEnum):
    """Life of an upload: it feeds exactly one dataset."""

    PENDING = "pending"
    PROCESSING = "processing"
    CONSUMED = "consumed"


class RunStatus(StrEnum):
    """Life of a query run; the last three are final."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ResultStatus(StrEnum):
    """Life of a result; the last two are final."""

    PENDING = "pending"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class JobStatus(StrEnum):
    """Life of a job; the last three are final."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    PARTIALLY_SUCCEEDED = "partially_succeeded"
    FAILED = "failed"


class ReadMode(StrEnum):
    """How a remote table is read: from a copy here, or from its source for every query."""

    CACHED = "cached"
    LIVE = "live"


class DiscoveryStatus(StrEnum):
    """What came of the last look at which tables a connection has."""

    SUCCESS = "success"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Organization:
    """Owns workspaces and API tokens; ``number`` is how the Data API names it."""

    id: str
    name: str
    created_at: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Workspace:
    """The tenant: every other thing belongs to exactly one workspace.

    ``number`` is how the Data API names it: there a workspace is a cluster.
    """

    id: str
    organization_id: str
    name: str
    active: bool
    favorite: bool
    provision_status: str
    created_at: datetime
    number: int


@dataclass(frozen=True, slots=True)
class Token:
    """An API token; only the SHA-256 of the secret is stored.

    ``workspace_id`` None means every workspace of the organisation.
    """

    id: str
    organization_id: str
    workspace_id: str | None
    name: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file a client sent, waiting to become a dataset."""

    id: str
    workspace_id: str
    status: UploadStatus
    size_bytes: int
    content_type: str | None
    blob_key: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One immutable Parquet file of a table version."""

    key: str
    size_bytes: int
    row_count: int


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """One immutable state of a dataset.

    ``schema_ipc`` is the serialized Arrow schema; ``sort_columns`` is the ascending order the
    files really have, empty when none.
    """

    id: str
    dataset_id: str
    workspace_id: str
    version: int
    source_type: str
    files: tuple[StoredFile, ...]
    schema_ipc: bytes
    sort_columns: tuple[str, ...]
    row_count: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table the workspace owns, made from a file, a URL or a query.

    ``source`` is what a refresh repeats: a JSON object with ``type`` and the type's own keys.
    """

    id: str
    workspace_id: str
    label: str
    schema_name: str
    table_name: str
    latest_version: int
    pinned_version: int | None
    source: dict[str, Any]
    created_at: datetime
    updated_at: datetime

    @property
    def effective_version(self) -> int:
        """The version SQL reads: the pinned one, else the latest."""
        return self.latest_version if self.pinned_version is None else self.pinned_version


@dataclass(frozen=True, slots=True)
class Connection:
    """A remote source under a name, which is its catalog in SQL.

    ``config`` holds no credential; that is the secret. ``owns_secret`` means the secret was made for
    this connection and goes with it. ``next_refresh_at`` is when a schedule is due.
    """

    id: str
    workspace_id: str
    name: str
    source_type: str
    config: dict[str, Any]
    secret_id: str | None
    owns_secret: bool
    mode: ReadMode
    refresh_interval_s: int | None
    next_refresh_at: datetime | None
    discovery_status: DiscoveryStatus
    discovery_error: str | None
    discovered_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class RemoteTable:
    """A table of a connection, and its copy here when it is synced.

    ``schema_ipc`` is the serialized Arrow schema its source had when last asked; everything from
    ``version_id`` on describes the copy and is None without one. ``mode`` None follows the
    connection. ``cursor_column`` makes refreshes incremental: only rows beyond ``cursor_value``,
    which is the Arrow text of its greatest value, are fetched.
    """

    id: str
    workspace_id: str
    connection_id: str
    schema_name: str
    table_name: str
    schema_ipc: bytes
    mode: ReadMode | None
    cursor_column: str | None
    version_id: str | None
    cached_schema_ipc: bytes | None
    last_sync: datetime | None
    row_count: int | None
    size_bytes: int | None
    warnings: tuple[str, ...]
    cursor_value: str | None

    @property
    def is_synced(self) -> bool:
        """Whether there is a copy."""
        return self.version_id is not None

    @property
    def read_schema_ipc(self) -> bytes:
        """The schema SQL sees: of the copy if there is one."""
        return self.cached_schema_ipc or self.schema_ipc


@dataclass(frozen=True, slots=True)
class TableVersion:
    """One immutable copy of a remote table, about to become the one that is read."""

    id: str
    files: tuple[StoredFile, ...]
    schema_ipc: bytes
    row_count: int
    warnings: tuple[str, ...]
    cursor_value: str | None
    synced_at: datetime

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One SQL text; the same text in the same workspace has the same snapshot for ever."""

    id: str
    workspace_id: str
    sql_hash: str
    sql_text: str


@dataclass(frozen=True, slots=True)
class QueryRun:
    """One execution of a query, kept whether it succeeded or not."""

    id: str
    workspace_id: str
    status: RunStatus
    snapshot_id: str
    sql_text: str
    sql_hash: str
    door: str
    owner: str
    created_at: datetime
    completed_at: datetime | None = None
    result_id: str | None = None
    error_message: str | None = None
    warning_message: str | None = None
    row_count: int | None = None
    execution_time_ms: int | None = None
    server_processing_ms: int | None = None
    bytes_scanned: int | None = None
    rows_scanned: int | None = None
    saved_query_id: str | None = None
    saved_query_version: int | None = None
    user_public_id: str | None = None
    trace_id: str | None = None
    database_id: str | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """The kept answer of a query run.

    A ready result has either ``inline_ipc`` (a small Arrow IPC stream in the catalog) or
    ``blob_key`` (one Parquet file). ``columns`` and ``nullable`` describe the answer as the
    client saw it, duplicates included.
    """

    id: str
    workspace_id: str
    status: ResultStatus
    created_at: datetime
    owner: str
    expires_at: datetime | None = None
    error_message: str | None = None
    columns: tuple[str, ...] | None = None
    nullable: tuple[bool, ...] | None = None
    row_count: int | None = None
    size_bytes: int | None = None
    blob_key: str | None = None
    inline_ipc: bytes | None = None
    database_id: str | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """What the unoptimised plan of a saved query looks like; all None when it does not plan."""

    category: str | None = None
    num_tables: int | None = None
    has_predicate: bool | None = None
    has_join: bool | None = None
    has_aggregation: bool | None = None
    has_group_by: bool | None = None
    has_order_by: bool | None = None
    has_limit: bool | None = None


@dataclass(frozen=True, slots=True)
class SavedQueryVersion:
    """One SQL text of a saved query."""

    saved_query_id: str
    version: int
    sql: str
    sql_hash: str
    snapshot_id: str
    classification: Classification
    category_override: str | None
    table_size_override: str | None
    created_at: datetime

    @property
    def category(self) -> str | None:
        """The override if there is one, else what the plan says."""
        return self.category_override or self.classification.category


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """A named query whose SQL texts are versioned; ``version`` is the latest."""

    id: str
    workspace_id: str
    name: str
    description: str
    tags: tuple[str, ...]
    latest_version: int
    version: SavedQueryVersion
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Secret:
    """Name and times of a secret; the value never leaves ``catalog.secret_store``."""

    id: str
    workspace_id: str
    name: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Job:
    """One unit of durable background work.

    ``payload`` is what the worker needs, ``progress`` what it last reported
    (``rows``, ``bytes``, ``bytes_total`` where known), ``result`` what the API returns.
    ``attempts`` counts executions including the present one.
    """

    id: str
    workspace_id: str
    job_type: str
    status: JobStatus
    payload: dict[str, Any]
    attempts: int
    created_at: datetime
    completed_at: datetime | None = None
    error_message: str | None = None
    result: dict[str, Any] | None = None
    progress: dict[str, Any] = field(default_factory=dict)
    lease_token: str | None = None
    lease_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing: ``limit`` and ``offset`` are the effective ones."""

    items: tuple[T, ...]
    limit: int
    offset: int
    has_more: bool
