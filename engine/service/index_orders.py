"""What a client may order as an index: checked as far as it can be without the rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import pyarrow as pa

from catalog.ids import IdKind, new_id
from catalog.index_model import BuiltIndex, Index, IndexType, Metric, VectorStorage
from engine import errors
from engine.indexes.analyzers import DEFAULT_LANGUAGE, LANGUAGES
from engine.indexes.columns import check_columns, check_free, is_text
from engine.service.context import Engine
from engine.service.embedding import dimensions_of, find_provider, metric_of
from engine.service.plain_text import check_text

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_COLUMNS_MAX = 64
_DESCRIPTION_CHARS_MAX = 1_000

ChoiceT = TypeVar("ChoiceT", IndexType, Metric, VectorStorage)


@dataclass(frozen=True, slots=True)
class NewIndex:
    """An index as a client orders it; None is what was not said."""

    index_name: str
    columns: Sequence[str]
    index_type: str | None = None
    metric: str | None = None
    storage: str | None = None
    language: str | None = None
    embedding_provider_id: str | None = None
    dimensions: int | None = None
    output_column: str | None = None
    description: str | None = None


async def check_order(
    engine: Engine,
    workspace_id: str,
    order: NewIndex,
    *,
    schema: pa.Schema,
    present: Sequence[BuiltIndex],
) -> Index:
    """Make the index of an order, which belongs to no table yet.

    Args:
        engine: open for serving.
        workspace_id: whose.
        order: what the client wants.
        schema: of the table.
        present: its indexes.

    Raises:
        InvalidRequest: the order breaks a rule.
    """
    name = order.index_name.strip()
    if not _NAME.fullmatch(name):
        raise errors.InvalidRequest(
            "index_name must have 1 to 128 letters, digits, '_', '-' and '.', and not begin with '-' "
            "or '.'"
        )
    chosen = IndexType.SORTED if order.index_type is None else order.index_type
    index_type = _choice(IndexType, chosen, "index_type")
    columns = _check_names(order, index_type)
    _check_options(order, index_type)
    description = order.description and check_text(
        "description", order.description, chars_max=_DESCRIPTION_CHARS_MAX, may_be_empty=True
    )
    now = datetime.now(UTC)
    index = Index(
        id=new_id(IdKind.INDEX),
        workspace_id=workspace_id,
        table_id=None,
        dataset_id=None,
        name=name,
        index_type=index_type,
        columns=columns,
        source_column=None,
        metric=None,
        storage=None,
        language=_language(order) if index_type is IndexType.BM25 else None,
        embedding_provider_id=None,
        dimensions=None,
        description=description or None,
        error_message=None,
        created_at=now,
        updated_at=now,
    )
    if index_type is not IndexType.VECTOR:
        check_columns(index_type, columns, schema)
        return index
    return await _check_vector(engine, index, order, schema, present)


async def _check_vector(
    engine: Engine,
    index: Index,
    order: NewIndex,
    schema: pa.Schema,
    present: Sequence[BuiltIndex],
) -> Index:
    (column,) = index.columns
    metric = None if order.metric is None else _choice(Metric, order.metric.lower(), "metric")
    storage = _choice(VectorStorage, (order.storage or VectorStorage.I8).lower(), "storage")
    index = replace(index, storage=storage)
    is_embedded = column in schema.names and is_text(schema.field(column).type)
    if order.embedding_provider_id is None and not is_embedded:
        if order.dimensions or order.output_column:
            raise errors.InvalidRequest(
                "dimensions and output_column are for text that becomes vectors; "
                f"'{column}' holds no text"
            )
        check_columns(IndexType.VECTOR, [column], schema)
        return replace(index, metric=metric or Metric.L2)
    check_columns(IndexType.BM25, [column], schema)
    provider = await find_provider(engine, index.workspace_id, order.embedding_provider_id)
    dimensions_of(provider, order.dimensions or None)
    output = check_text(
        "output_column", order.output_column or f"{column}_embedding", chars_max=255
    )
    taken = {name for each in present if each.index.source_column for name in each.index.columns}
    check_free(output, schema)
    if output in taken:
        raise errors.InvalidRequest(
            f"Another index makes the column '{output}' already. Choose another output_column."
        )
    return replace(
        index,
        columns=(output,),
        source_column=column,
        metric=metric or Metric(metric_of(provider)),
        embedding_provider_id=provider.id,
        dimensions=order.dimensions or None,
    )


def _check_names(order: NewIndex, index_type: IndexType) -> tuple[str, ...]:
    columns = tuple(order.columns)
    if not columns:
        raise errors.InvalidRequest("columns must name at least one column")
    if len(columns) > _COLUMNS_MAX:
        raise errors.InvalidRequest(f"columns must name at most {_COLUMNS_MAX} columns")
    if len(set(columns)) < len(columns):
        raise errors.InvalidRequest("columns must not name a column twice")
    if index_type is IndexType.VECTOR and len(columns) != 1:
        raise errors.InvalidRequest("A vector index has exactly one column")
    return columns


def _check_options(order: NewIndex, index_type: IndexType) -> None:
    """Refuse options that mean nothing for this type: they would be ignored without a word."""
    vector_only = {
        "metric": order.metric,
        "storage": order.storage,
        "embedding_provider_id": order.embedding_provider_id,
        "dimensions": order.dimensions or None,
        "output_column": order.output_column,
    }
    for name, value in vector_only.items():
        if value is not None and index_type is not IndexType.VECTOR:
            raise errors.InvalidRequest(f"{name} is for vector indexes only")
    if order.language is not None and index_type is not IndexType.BM25:
        raise errors.InvalidRequest("language is for bm25 indexes only")


def _language(order: NewIndex) -> str:
    language = DEFAULT_LANGUAGE if order.language is None else order.language.lower()
    if language not in LANGUAGES:
        raise errors.InvalidRequest(f"language must be one of {', '.join(LANGUAGES)}")
    return language


def _choice(choices: type[ChoiceT], text: str, what: str) -> ChoiceT:
    try:
        return choices(text)
    except ValueError:
        raise errors.InvalidRequest(f"{what} must be one of {', '.join(choices)}") from None
