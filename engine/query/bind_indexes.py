"""Adds to the binding of a table what was built over the very rows it names."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from catalog.errors import BlobMissing
from catalog.index_model import BuiltIndex
from catalog.store.indexes import ROWS_FILE
from engine.service.context import Engine
from engine.workers.tasks import EmbeddingBinding, IndexBinding, TableBinding


async def bind_indexes(
    engine: Engine, binding: TableBinding, indexes: Sequence[BuiltIndex]
) -> TableBinding:
    """Name the indexes of a table, those that are not built too, and where its rows are by number."""
    found = [await _bind(engine, each) for each in indexes]
    paths = {path for _, path in found if path is not None}
    rows = next(iter(paths), None)
    return replace(
        binding,
        indexes=tuple(index for index, _ in found),
        rows=None if rows is None else str(rows),
        generated=tuple(
            column
            for index, _ in found
            if index.embedding is not None and index.folder is not None
            for column in index.columns
        ),
    )


async def _bind(engine: Engine, built: BuiltIndex) -> tuple[IndexBinding, Path | None]:
    """Return the binding of an index, and where its rows file is."""
    index, build = built.index, built.build
    binding = IndexBinding(
        name=index.name,
        index_type=index.index_type,
        columns=index.columns,
        folder=None,
        problem=index.error_message,
        source_column=index.source_column,
        metric=index.metric,
        storage=index.storage,
        language=index.language,
    )
    if build is None:
        return binding, None
    try:
        paths = await engine.blobs.local_paths([file.key for file in build.files])
    except BlobMissing:  # the table itself can be read all the same
        return replace(binding, problem="its stored data is missing"), None
    by_name = {file.name: path for file, path in zip(build.files, paths, strict=True)}
    rows = by_name.pop(ROWS_FILE, None)
    embedding = None
    if index.embedding_provider_id is not None:
        embedding = EmbeddingBinding(
            provider_id=index.embedding_provider_id,
            dimensions=index.dimensions,
            width=build.details["dimensions"],
            fingerprint=build.details["fingerprint"],
        )
    return (
        replace(
            binding,
            folder=str(next(iter(by_name.values())).parent),
            problem=None,
            dimensions=build.details["dimensions"],
            embedding=embedding,
        ),
        rows,
    )
