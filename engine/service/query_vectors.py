"""Texts that a query searches for, as vectors: made before it is planned, by the provider of the index."""

from collections.abc import Iterator, Sequence

from catalog.index_model import IndexType
from engine.errors import InvalidRequest
from engine.query.search_calls import SearchCall, check_search_text
from engine.service.context import Caller, Engine
from engine.service.embedding import embed_query, find_provider, fingerprint
from engine.workers.tasks import EmbeddedText, EmbeddingBinding, TableBinding


async def embed_searches(
    engine: Engine, caller: Caller, calls: Sequence[SearchCall], tables: Sequence[TableBinding]
) -> tuple[EmbeddedText, ...]:
    """Embed the texts of calls whose index is known; the worker asks for the others.

    Raises:
        EngineError: see :func:`embed_text`.
    """
    wanted = {
        (how, call.text): None
        for call in calls
        if call.text is not None
        for how in _indexes_of(call, tables)
    }
    return tuple(
        [
            EmbeddedText(how.fingerprint, text, tuple(await embed_text(engine, caller, how, text)))
            for how, text in wanted
        ]
    )


async def embed_text(
    engine: Engine, caller: Caller, how: EmbeddingBinding, text: str
) -> Sequence[float]:
    """Make the vector of a text as an index has them.

    Raises:
        SqlInvalid: the text is too long.
        InvalidRequest: the provider is gone, or is not any more what the index was made with.
        SourceFailed: a service cannot be reached, or answers with vectors of another width.
    """
    check_search_text(text)
    provider = await find_provider(engine, caller.workspace_id, how.provider_id)
    if fingerprint(provider, how.dimensions) != how.fingerprint:
        raise InvalidRequest(
            f"The embedding provider '{provider.name}' has another model than when the index was "
            "built. Refresh the table, or make the index anew."
        )
    vectors = await embed_query(
        engine, caller.workspace_id, provider, how.dimensions, [text], width=how.width
    )
    found: list[float] = vectors[0].tolist()
    return found


def _indexes_of(call: SearchCall, tables: Sequence[TableBinding]) -> Iterator[EmbeddingBinding]:
    for table in tables:
        if call.table is not None and table.name[-len(call.table) :] != call.table:
            continue
        for index in table.indexes:
            names = (*index.columns, index.source_column)
            is_meant = call.column in names or call.column.lower() in names
            if index.index_type is IndexType.VECTOR and index.embedding is not None and is_meant:
                yield index.embedding
