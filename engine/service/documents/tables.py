"""Document datasets as tables of SQL: ``documents.<slug>.entries``, ``.chunks`` and ``.files``."""

from collections.abc import Iterator

import pyarrow as pa
from sqlalchemy import Connection

from catalog.document_model import DocumentDataset
from catalog.store import document_datasets as dataset_store
from engine.documents.segments.columns import document_schema
from engine.documents.segments.tables import bind_document_table
from engine.service.context import Caller, Engine
from engine.service.documents.segments import LANGUAGE, searchable_datasets
from engine.service.embedding import find_provider, fingerprint
from engine.workers.document_tasks import DocumentPart
from engine.workers.tasks import EmbeddingBinding, TableBinding

DOCUMENTS = "documents"


async def bind_documents(
    engine: Engine, caller: Caller, slug: str, table: str
) -> TableBinding | None:
    """Bind a table of a dataset to what is registered now; None when there is no such table."""
    if table not in set(DocumentPart):
        return None
    found = await searchable_datasets(engine, caller.workspace_id, slug=slug)
    if not found:
        return None
    dataset = found[0].dataset
    return bind_document_table(
        (DOCUMENTS, slug, table),
        found[0].segments,
        language=LANGUAGE,
        dimensions=dataset.embedding_width,
        embedding=await _embedding_of(engine, dataset),
    )


def list_document_tables(
    conn: Connection, workspace_id: str
) -> Iterator[tuple[str, str, pa.Schema]]:
    """Yield slug, table and columns of every table of the datasets of a workspace."""
    for dataset in dataset_store.list_datasets(conn, workspace_id):
        for part in DocumentPart:
            yield dataset.slug, str(part), document_schema(part, dataset.embedding_width)


async def _embedding_of(engine: Engine, dataset: DocumentDataset) -> EmbeddingBinding | None:
    """Say how texts become vectors of the dataset; None while it has none."""
    if dataset.embedding_width is None:
        return None
    provider = await find_provider(engine, dataset.workspace_id, dataset.embedding_provider_id)
    return EmbeddingBinding(
        provider_id=provider.id,
        dimensions=None,
        width=dataset.embedding_width,
        fingerprint=fingerprint(provider, None),
    )
