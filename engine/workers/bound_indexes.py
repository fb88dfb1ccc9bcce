"""Finds the index of a bound table that a search function means."""

from collections.abc import Sequence

from catalog.index_model import IndexType
from engine.errors import SqlInvalid
from engine.workers.tasks import IndexBinding, TableBinding


def find_vector(binding: TableBinding, column: str) -> IndexBinding:
    """Find the vector index of a column: of the vectors, or of the text they are made of.

    Raises:
        SqlInvalid: there is none, or it is not built.
    """
    found = [
        index
        for index in binding.indexes
        if index.index_type is IndexType.VECTOR
        and _matches(column, (*index.columns, index.source_column))
    ]
    if not found:
        raise SqlInvalid(f"No vector index found on column '{column}' for {'.'.join(binding.name)}")
    return _ready(binding, found)


def find_sorted(binding: TableBinding, name: str) -> IndexBinding:
    """Find a sorted index by its name.

    Raises:
        SqlInvalid: there is none, or it is not built.
    """
    for index in binding.indexes:
        if index.name == name and index.index_type is IndexType.SORTED:
            if index.folder is None:
                raise not_ready(index)
            return index
    raise SqlInvalid(f"No sorted index '{name}' found for {'.'.join(binding.name)}")


def find_bm25(binding: TableBinding, columns: str) -> tuple[IndexBinding, list[str]]:
    """Find the BM25 index over some columns, with commas between, the one with the fewest others.

    Returns:
        The index, and the columns as it spells them.

    Raises:
        SqlInvalid: there is none, or it is not built.
    """
    wanted = [part.strip() for part in columns.split(",")]
    found = [
        index
        for index in binding.indexes
        if index.index_type is IndexType.BM25
        and all(_matches(column, index.columns) for column in wanted)
    ]
    if not found:
        raise SqlInvalid(
            f"No BM25 index found on column '{', '.join(wanted)}' for {'.'.join(binding.name)}"
        )
    index = _ready(binding, found)
    return index, [name if name in index.columns else name.lower() for name in wanted]


def _ready(binding: TableBinding, found: Sequence[IndexBinding]) -> IndexBinding:
    ready = [index for index in found if index.folder is not None]
    if ready and (binding.rows is not None or binding.documents is not None):
        return min(ready, key=lambda index: len(index.columns))
    raise not_ready(found[0])


def not_ready(index: IndexBinding) -> SqlInvalid:
    """Say why an index cannot be used."""
    return SqlInvalid(f"Index '{index.name}' is not ready: {index.problem or 'it is being built'}")


def _matches(name: str, columns: Sequence[str | None]) -> bool:
    return name in columns or name.lower() in columns
