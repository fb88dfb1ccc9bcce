"""Document datasets, their entries, and what was registered of them, as frozen values.

The rules of :mod:`catalog.model` hold here. Ids are integers, as the Data API has them: numbers are given out
once over all workspaces, so a foreign one is simply not found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class EntryStatus(StrEnum):
    """Life of an entry."""

    PENDING = "pending"
    UPLOADING = "uploading"
    UPLOADED = "uploaded"
    PROCESSING = "processing"
    PROCESSED = "processed"
    FAILED = "failed"


class FileKind(StrEnum):
    """What a file of an entry is: as it was sent, made on the way, or the outcome."""

    ORIGINAL = "original"
    PROCESSING = "processing"
    PROCESSED = "processed"


class DeliveryStatus(StrEnum):
    """Life of a notification; the last two are final."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DocumentDataset:
    """A collection of documents, with what its entries must be and how they are processed.

    ``version`` counts the changes, for optimistic locking. ``embedding_width`` is how many numbers the
    vectors of its chunks have, or had when the last one went; None before the first.
    ``webhook_secret_id`` names the secret that notifications are signed with.
    """

    id: int
    workspace_id: str
    name: str
    slug: str
    description: str
    dataset_type: str
    schema_definition: dict[str, Any]
    current_schema_version: str
    pipeline_config: dict[str, Any] | None
    webhook_config: dict[str, Any] | None
    webhook_secret_id: str | None
    embedding_provider_id: str | None
    embedding_width: int | None
    created_at: datetime
    updated_at: datetime
    last_synced_at: datetime | None
    version: int

    @property
    def retention_days(self) -> float:
        """How long what is made on the way is kept."""
        processing = self.schema_definition.get("processing") or {}
        return float(processing.get("retention_days", 7))


@dataclass(frozen=True, slots=True)
class DatasetTotals:
    """How many entries a dataset has, and the bytes of their files."""

    entry_count: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of a pipeline as it went for an entry.

    ``attempts`` counts its executions; ``artifacts`` names the blobs it left for the next stage, by name.
    """

    name: str
    component: str
    status: str
    started_at: str
    completed_at: str | None = None
    attempts: int = 1
    error: str | None = None
    artifacts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One document: what it is called, where it stands in its life, and what is known of its content.

    ``run`` counts the processings: what belongs to an earlier one has no effect any more. ``steps`` are those
    of the present run, as JSON objects of :class:`Step`. ``registration`` is that of the content which is
    searched, None while there is none. ``facts`` is a JSON object about the content: title, page_count,
    text_length, chunk_count.
    """

    id: int
    workspace_id: str
    dataset_id: int
    name: str
    slug: str
    description: str
    metadata: dict[str, Any]
    status: EntryStatus
    mime_type: str
    error: str | None
    workflow_name: str | None
    run: int
    steps: tuple[dict[str, Any], ...]
    facts: dict[str, Any]
    registration: int | None
    created_at: datetime
    updated_at: datetime
    processed_at: datetime | None


@dataclass(frozen=True, slots=True)
class EntryFile:
    """One stored file of an entry; ``key`` is what clients know it by, unique in its entry."""

    entry_id: int
    workspace_id: str
    kind: FileKind
    key: str
    file_name: str
    blob_key: str
    size_bytes: int
    mime_type: str
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SegmentFile:
    """One immutable file of a segment."""

    name: str
    key: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Segment:
    """Registered content of some entries, built once: see ``engine.documents.segments``.

    ``registrations`` are those it was built of, one for each entry; None where nobody asked: all are live then.
    """

    id: str
    workspace_id: str
    dataset_id: int
    registrations: tuple[int, ...] | None
    entry_count: int
    chunk_count: int
    width: int | None
    files: tuple[SegmentFile, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LiveSegment:
    """A segment with those of its registrations that are dead: their rows are not there for anybody."""

    segment: Segment
    dead: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification of a dataset's webhook, with what came of the tries so far."""

    id: str
    workspace_id: str
    dataset_id: int
    entry_id: int
    event: dict[str, Any]
    status: DeliveryStatus
    attempts: int
    next_at: datetime | None
    response_status: int | None
    error: str | None
    created_at: datetime
    completed_at: datetime | None
