"""What several tests of documents do: datasets with pipelines, entries with files, and their end."""

from collections.abc import Sequence
from typing import Any

from catalog.document_model import Entry, EntryStatus, FileKind
from engine.documents.pipeline import Trigger
from engine.service import jobs
from engine.service.context import Caller, Engine
from engine.service.documents import datasets, entries, files
from engine.service.documents.datasets import NewDataset
from engine.service.documents.entries import EntryDetail, NewEntry
from engine.service.documents.files import Uploaded
from engine.service.documents.pipeline_run import trigger_pipeline
from engine.service.documents.search import DocumentQuery, search_documents
from engine.workers.document_tasks import SearchMode
from tests.service.steps import chunks_of, until

SLUG = "papers"
COMPONENTS = {
    "fetch": "fetch-entry-processor-1.0.0",
    "read": "ocr-processor-1.0.0",
    "link": "figure-linking-processor-1.0.0",
    "cut": "chunking-processor-1.0.0",
    "embed": "embedding-processor-1.0.0",
    "keep": "registration-processor-1.0.0",
}
_SIZE_MAX_BYTES = 1 << 20
_BUSY = (EntryStatus.PROCESSING, EntryStatus.UPLOADING)


def step(name: str, *after: str, **more: Any) -> dict[str, Any]:
    """A step of a configuration by its short name."""
    return {"name": name, "component": COMPONENTS[name], "depends_on": list(after), **more}


async def make_dataset(
    engine: Engine,
    caller: Caller,
    *,
    provider_id: str | None = None,
    retention_days: float = 7,
    trigger: Trigger | None = Trigger.ON_UPLOAD,
    slug: str = SLUG,
) -> int:
    """Make a dataset; with a trigger it has the general pipeline."""
    definition: dict[str, Any] = {
        "schema_id": "any",
        "version": "v1",
        "original": {},
        "processed": {},
        "processing": {"retention_days": retention_days},
    }
    asked = NewDataset("Papers", slug, "", "text", definition, embedding_provider_id=provider_id)
    made = (await datasets.create_dataset(engine, caller, asked)).dataset
    if trigger is not None:
        await datasets.apply_preset(engine, caller, made.id, "general_purpose", trigger)
    return made.id


async def make_entry(engine: Engine, caller: Caller, dataset_id: int, slug: str) -> int:
    """Make an entry without a file."""
    asked = NewEntry(dataset_id, name=slug, slug=slug, description="", metadata={})
    made = await entries.create_entry(engine, caller, asked)
    return made.entry.id


async def upload(
    engine: Engine, caller: Caller, entry_id: int, text: str, file_name: str = "a.txt"
) -> Uploaded:
    """Upload an original."""
    data = text.encode()
    staged = await files.receive(
        engine, chunks_of(data), file_name=file_name, size_max_bytes=_SIZE_MAX_BYTES
    )
    try:
        return await files.keep_upload(engine, caller, entry_id, staged, FileKind.ORIGINAL)
    finally:
        staged.path.unlink(missing_ok=True)


async def add(engine: Engine, caller: Caller, dataset_id: int, slug: str, text: str) -> int:
    """Make an entry with a file."""
    entry_id = await make_entry(engine, caller, dataset_id, slug)
    await upload(engine, caller, entry_id, text)
    return entry_id


async def trigger(engine: Engine, caller: Caller, entry_id: int) -> Entry:
    """Start the pipeline of an entry."""
    return await trigger_pipeline(engine, caller, entry_id)


async def entry_of(engine: Engine, caller: Caller, entry_id: int) -> Entry:
    """Return an entry as it is now."""
    return (await entries.get_entry(engine, caller, entry_id)).entry


async def ended(engine: Engine, caller: Caller, entry_id: int) -> Entry:
    """Wait for the end of an entry's pipeline; what waits to be tried again is tried at once."""

    async def look() -> EntryDetail:
        engine.jobs.wake()
        return await entries.get_entry(engine, caller, entry_id)

    return (await until(look, lambda found: found.entry.status not in _BUSY)).entry


async def processed(engine: Engine, caller: Caller, entry_id: int) -> Entry:
    """Wait until an entry is processed."""
    entry = await ended(engine, caller, entry_id)
    assert entry.status is EntryStatus.PROCESSED, entry.error
    return entry


async def found(engine: Engine, caller: Caller, text: str, mode: SearchMode) -> list[Any]:
    """Search, and return all hits."""
    query = DocumentQuery(mode=mode, text=text, limit=100)
    return list((await search_documents(engine, caller, query)).answer["hits"])


async def entries_with(engine: Engine, caller: Caller, word: str) -> set[int]:
    """Return the entries that a keyword search finds."""
    hits = await found(engine, caller, word, SearchMode.KEYWORD)
    assert len({hit["entry_id"] for hit in hits}) == len(hits)
    return {hit["entry_id"] for hit in hits}


async def no_jobs(engine: Engine, caller: Caller) -> None:
    """Wait until there is nothing left to do."""

    async def look() -> Sequence[object]:
        engine.jobs.wake()
        return await jobs.list_jobs(
            engine,
            caller,
            job_types=None,
            statuses=("pending", "running"),
            limit=None,
            offset=None,
        )

    await until(look, lambda unfinished: not unfinished)
