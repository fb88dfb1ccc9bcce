"""The bodies of entries in the Data API."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request

from catalog.document_model import EntryFile, EntryStatus, FileKind
from engine.documents.content import CONTENT_FILE
from engine.service.documents import direct
from engine.service.documents.entries import BATCH_MAX, EntryContent, EntryDetail
from engine.service.documents.files import primary_file
from server.api_v1.bodies import Given, Vector, Whole, Yes
from server.api_v1.errors import Incomplete
from server.door import door_of
from server.wire.fields import Closed, Timestamp

ID_MAX = 2**63 - 1
Number = Annotated[Whole, Field(ge=1, le=ID_MAX)]


class EntryCreateRequest(Given):
    """A new entry, without a file."""

    dataset_id: Number
    name: str = Field(min_length=1, max_length=255)
    slug: str = Field(min_length=1, max_length=255)
    description: str | None = Field(default="", max_length=10_000)
    metadata: dict[str, Any] = Field(default_factory=dict)


class EntryUpdateRequest(Given):
    """What changes of an entry."""

    name: str | None = Field(default=None, min_length=1, max_length=255)
    description: str | None = Field(default=None, max_length=10_000)
    metadata: dict[str, Any] | None = None


class BatchRequest(Given):
    """Which entries: of a dataset, of some ids, or both."""

    dataset_id: Number | None = None
    entry_ids: list[Number] | None = Field(default=None, max_length=10_000)
    slugs: list[str] | None = Field(default=None, max_length=10_000)
    status: str | None = None
    limit: Whole = Field(default=50, ge=1, le=BATCH_MAX)
    offset: Whole = Field(default=0, ge=0, le=ID_MAX)


class ContentRequest(BatchRequest):
    """Of which entries the content, and whether with its chunks."""

    with_chunks: Yes = True


class GivenContent(Given):
    """The text of an entry as a client brings it."""

    text: str
    title: str | None = None


class ProcessedRequest(Given):
    """The content of an entry."""

    content: GivenContent


class ChunkRequest(Given):
    """One chunk; without a vector its text is embedded here."""

    chunk_text: str = Field(max_length=1_000_000)
    chunk_index: Whole = Field(ge=0, le=2**31 - 1)
    embedding: Vector | None = Field(default=None, min_length=1, max_length=65_536)
    metadata: dict[str, Any] = Field(default_factory=dict)


class ChunksRequest(Given):
    """Chunks of one entry."""

    chunks: list[ChunkRequest] = Field(min_length=1, max_length=direct.CHUNKS_MAX)
    collection_name: str = direct.COLLECTION


class FileBody(Closed):
    """A stored file."""

    key: str
    size: int
    mime_type: str
    hash: str | None
    created_at: Timestamp | None
    expires_at: Timestamp | None

    @classmethod
    def of(cls, file: EntryFile) -> "FileBody":
        """Show a file as clients see it."""
        return cls(
            key=file.key,
            size=file.size_bytes,
            mime_type=file.mime_type,
            hash=file.sha256,
            created_at=file.created_at,
            expires_at=file.expires_at,
        )


class OriginalManifest(Closed):
    """What was sent."""

    files: list[FileBody]
    metadata: dict[str, Any]


class ProcessingManifest(Closed):
    """What was made on the way."""

    steps_completed: list[str]
    files: list[FileBody]


class ProcessedManifest(Closed):
    """What came of it."""

    content_key: str | None
    size: int
    fields_summary: dict[str, Any]
    files: list[FileBody]


class Manifest(Closed):
    """The files of an entry, and what is known of them."""

    schema_version: str
    dataset_schema_id: str
    original: OriginalManifest
    processing: ProcessingManifest
    processed: ProcessedManifest | None

    @classmethod
    def of(cls, detail: EntryDetail) -> "Manifest":
        """Show the manifest of an entry."""
        kinds: dict[FileKind, list[FileBody]] = {kind: [] for kind in FileKind}
        for file in detail.files:
            kinds[file.kind].append(FileBody.of(file))
        done = [step["name"] for step in detail.entry.steps if step["status"] == "completed"]
        return cls(
            schema_version=detail.schema_version,
            dataset_schema_id=detail.schema_id,
            original=OriginalManifest(
                files=kinds[FileKind.ORIGINAL], metadata=detail.entry.metadata
            ),
            processing=ProcessingManifest(steps_completed=done, files=kinds[FileKind.PROCESSING]),
            processed=_processed(detail, kinds[FileKind.PROCESSED]),
        )


class StepBody(Closed):
    """One stage of the pipeline as it went."""

    name: str
    component: str
    status: str
    started_at: str
    completed_at: str | None
    attempts: int
    error: str | None
    outcome: dict[str, Any] | None


class EntryBody(Closed):
    """An entry."""

    id: int
    dataset_id: int
    name: str
    slug: str
    description: str | None
    status: str
    mime_type: str
    storage_path: str
    primary_file_key: str | None
    processed_content_key: str | None
    file_size_bytes: int | None
    manifest: Manifest
    metadata: dict[str, Any]
    error: str | None
    workflow_name: str | None
    processing_history: list[StepBody]
    created_at: Timestamp
    updated_at: Timestamp
    processed_at: Timestamp | None

    @classmethod
    def of(cls, detail: EntryDetail, failed: str) -> "EntryBody":
        """Show an entry as clients see it; ``failed`` is the word for a failed one."""
        entry, files = detail.entry, detail.files
        primary = primary_file(files)
        manifest = Manifest.of(detail)
        return cls(
            id=entry.id,
            dataset_id=entry.dataset_id,
            name=entry.name,
            slug=entry.slug,
            description=entry.description,
            status=shown_status(entry.status, failed),
            mime_type=entry.mime_type,
            storage_path=f"datasets/{entry.dataset_id}/entries/{entry.id}",
            primary_file_key=None if primary is None else primary.key,
            processed_content_key=None
            if manifest.processed is None
            else manifest.processed.content_key,
            file_size_bytes=None if primary is None else primary.size_bytes,
            manifest=manifest,
            metadata=entry.metadata,
            error=entry.error,
            workflow_name=entry.workflow_name,
            processing_history=[_step(step) for step in entry.steps],
            created_at=entry.created_at,
            updated_at=entry.updated_at,
            processed_at=entry.processed_at,
        )


class EntryCreated(Closed):
    """A new entry."""

    entry: EntryBody


class UploadBody(Closed):
    """A file that was stored, and what it has started."""

    entry_id: int
    status: str
    file: FileBody
    entry: EntryBody
    workflow_name: str | None


class EntryListing(Closed):
    """One page of entries, newest first."""

    entries: list[EntryBody]
    total: int
    page: int
    page_size: int
    total_pages: int


class EntryBatch(Closed):
    """Entries that were asked for, newest first; unknown ones are left out."""

    entries: list[EntryBody]
    total: int


class ContentBody(Closed):
    """The text of an entry with its chunks."""

    text: str
    title: str | None
    page_count: int | None
    figures: list[dict[str, Any]]
    chunks: list[dict[str, Any]]


class EntryContentBody(Closed):
    """An entry and its content, null while it has none."""

    entry_id: int
    dataset_id: int
    name: str
    slug: str
    status: str
    error: str | None
    content: ContentBody | None

    @classmethod
    def of(cls, item: EntryContent, failed: str) -> "EntryContentBody":
        """Show the content of an entry as clients see it."""
        entry = item.entry
        return cls(
            entry_id=entry.id,
            dataset_id=entry.dataset_id,
            name=entry.name,
            slug=entry.slug,
            status=shown_status(entry.status, failed),
            error=entry.error,
            content=None if item.content is None else ContentBody(**item.content),
        )


class ContentBatch(Closed):
    """The content of entries, newest first; unknown ones are left out."""

    entries: list[EntryContentBody]
    total: int


class ProcessedSaved(Closed):
    """The manifest after its content was saved."""

    entry_id: int
    manifest: Manifest


class ChunksIndexed(Closed):
    """How many chunks are searchable now."""

    entry_id: int
    indexed: int
    collection_name: str


class PipelineTriggered(Closed):
    """A run of the pipeline has been queued."""

    entry_id: int
    dataset_id: int
    workflow_name: str
    status: str
    namespace: str


def failed_word(request: Request) -> str:
    """Return what the status of a failed entry is called here."""
    return door_of(request).settings.document_failed_status


def shown_status(status: EntryStatus, failed: str) -> str:
    """Return the word for a status."""
    return failed if status is EntryStatus.FAILED else str(status)


def status_of(text: str) -> EntryStatus:
    """Read the word for a status; ``error`` means ``failed``.

    Raises:
        Incomplete: there is no such status.
    """
    folded = text.lower()
    if folded == "error":
        return EntryStatus.FAILED
    if folded not in set(EntryStatus):
        known = ", ".join(EntryStatus)
        message = f"There is no status '{text}'. Known are: {known}"
        raise Incomplete([{"loc": ("status",), "msg": message, "type": "enum"}])
    return EntryStatus(folded)


def _processed(detail: EntryDetail, files: Iterable[FileBody]) -> ProcessedManifest | None:
    listed = list(files)
    if detail.entry.registration is None:
        return None
    ending = f"/{CONTENT_FILE}"
    content = next((file for file in listed if file.key.endswith(ending)), None)
    return ProcessedManifest(
        content_key=None if content is None else content.key,
        size=sum(file.size for file in listed),
        fields_summary=detail.entry.facts,
        files=listed,
    )


def _step(step: dict[str, Any]) -> StepBody:
    shown = {name: step.get(name) for name in StepBody.model_fields}
    return StepBody(**shown)
