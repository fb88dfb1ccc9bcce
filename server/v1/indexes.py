"""/v1/indexes, and the indexes of one table or dataset: built over its rows, used by SQL."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from catalog.model import Job
from engine.service import indexes
from engine.service.index_jobs import Place, TablePlace
from engine.service.index_orders import NewIndex
from engine.service.indexes import IndexDetail, index_fields
from server.auth import Access, Authorized
from server.v1.connections import ConnectionId, SchemaName, TableName
from server.v1.datasets import DatasetId
from server.wire.fields import Closed, JobSubmitted, Limit, Timestamp, job_submitted
from server.wire.json_body import JsonBody, Shape
from server.wire.openapi import documented_errors

_TABLE = "/v1/connections/{id}/tables/{schema}/{table}/indexes"
_DATASET = "/v1/datasets/{id}/indexes"

router = APIRouter(tags=["Indexes"])

IndexName = Annotated[str, Path(description="Name of the index.", examples=["by_price"])]


class CreateIndex(Shape):
    """What to index, and how."""

    index_name: str = Field(
        description="1 to 128 letters, digits, _, - and .; unique on its table."
    )
    columns: list[str] = Field(description="Columns to index, in order; one of a vector index.")
    index_type: str | None = Field(None, description="sorted (default), bm25 or vector.")
    metric: str | None = Field(None, description="Of a vector index: l2, cosine or dot.")
    storage: str | None = Field(
        None, description="Of a vector index's graph: i8 (default), f16 or f32."
    )
    language: str | None = Field(None, description="Of a bm25 index; english unless told.")
    embedding_provider_id: str | None = Field(
        None, description="What makes vectors of a text column; null = the system's."
    )
    dimensions: int | None = Field(None, ge=0, le=65_535, description="Of these vectors.")
    output_column: str | None = Field(
        None, description="Name of the generated column; `{column}_embedding` if absent."
    )
    description: str | None = Field(None, description="For people.")
    is_async: bool = Field(
        False, alias="async", description="Answer 202 with a job instead of waiting."
    )

    def order(self) -> NewIndex:
        """What the engine is asked for."""
        return NewIndex(**self.model_dump(exclude={"is_async"}))


class IndexBody(Closed):
    """One index; ``status`` is ready when it is built over the rows that SQL reads now."""

    index_name: str
    index_type: str
    columns: list[str]
    source_column: str | None
    metric: str | None
    storage: str | None
    status: str
    error_message: str | None
    language: str | None
    embedding_provider_id: str | None
    description: str | None
    row_count: int | None = Field(ge=0)
    size_bytes: int | None = Field(ge=0)
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, detail: IndexDetail) -> "IndexBody":
        """Show an index as clients see it."""
        return cls.model_validate(index_fields(detail))


class IndexListing(Closed):
    """Every index of a table, by name."""

    indexes: list[IndexBody]


class ListedIndexBody(IndexBody):
    """An index and the table it belongs to; ``connection_id`` is null of a dataset."""

    connection_id: str | None
    schema_name: str
    table_name: str


class IndexPageBody(Closed):
    """One page of indexes of all tables, by name."""

    indexes: list[ListedIndexBody]
    count: int = Field(ge=0)
    limit: int = Field(ge=0)
    has_more: bool
    next_cursor: str | None


CREATE = JsonBody(
    CreateIndex,
    example={"index_name": "by_price", "columns": ["price"], "index_type": "sorted"},
)
_CREATED: dict[int | str, dict[str, Any]] = {
    202: {"model": JobSubmitted, "description": "The index is built in the background."},
    **documented_errors(404, 408, 409, 502),
}


def _table(id: ConnectionId, schema: SchemaName, table: TableName) -> TablePlace:  # noqa: A002 - path
    return TablePlace(id, schema, table)


def _dataset(id: DatasetId) -> str:  # noqa: A002 - path
    return id


TableOf = Annotated[TablePlace, Depends(_table)]
DatasetOf = Annotated[str, Depends(_dataset)]
Order = Annotated[CreateIndex, Depends(CREATE)]


@router.get(
    _TABLE,
    operation_id="list_indexes",
    summary="List the indexes of a table",
    responses=documented_errors(404),
)
async def list_indexes(access: Authorized, place: TableOf) -> IndexListing:
    """List the indexes of one remote table by name."""
    return await _list(access, place)


@router.post(
    _TABLE,
    operation_id="create_index",
    summary="Create an index on a table",
    status_code=201,
    response_model=IndexBody | JobSubmitted,
    openapi_extra=CREATE.openapi_extra,
    responses=_CREATED,
)
async def create_index(access: Authorized, place: TableOf, body: Order) -> Any:  # noqa: ANN401 - a body or the response of a job
    """Index the copy of a remote table, which is synced first if need be."""
    return await _create(access, place, body)


@router.delete(
    _TABLE + "/{index_name}",
    operation_id="delete_index",
    summary="Delete an index of a table",
    status_code=204,
    responses=documented_errors(404),
)
async def delete_index(access: Authorized, place: TableOf, index_name: IndexName) -> None:
    """Delete an index; the rows stay."""
    await indexes.delete_index(access.engine, access.caller, place, index_name)


@router.get(
    _DATASET,
    operation_id="list_dataset_indexes",
    summary="List the indexes of a dataset",
    responses=documented_errors(404),
)
async def list_dataset_indexes(access: Authorized, place: DatasetOf) -> IndexListing:
    """List the indexes of one dataset by name."""
    return await _list(access, place)


@router.post(
    _DATASET,
    operation_id="create_dataset_index",
    summary="Create an index on a dataset",
    status_code=201,
    response_model=IndexBody | JobSubmitted,
    openapi_extra=CREATE.openapi_extra,
    responses=_CREATED,
)
async def create_dataset_index(access: Authorized, place: DatasetOf, body: Order) -> Any:  # noqa: ANN401 - as above
    """Index the version of a dataset that SQL reads."""
    return await _create(access, place, body)


@router.delete(
    _DATASET + "/{index_name}",
    operation_id="delete_dataset_index",
    summary="Delete an index of a dataset",
    status_code=204,
    responses=documented_errors(404),
)
async def delete_dataset_index(access: Authorized, place: DatasetOf, index_name: IndexName) -> None:
    """Delete an index; the rows stay."""
    await indexes.delete_index(access.engine, access.caller, place, index_name)


@router.get(
    "/v1/indexes",
    operation_id="list_indexes_collection",
    summary="List the indexes of all tables",
    responses=documented_errors(),
)
async def list_all_indexes(  # noqa: PLR0913, PLR0917 - the parameters of one route
    access: Authorized,
    connection_id: Annotated[str | None, Query(description="Only of this connection.")] = None,
    schema: Annotated[str | None, Query(description="Only of tables in this schema.")] = None,
    table: Annotated[str | None, Query(description="Only of tables of this name.")] = None,
    index_type: Annotated[str | None, Query(description="sorted, bm25 or vector.")] = None,
    limit: Limit = 100,
    cursor: Annotated[str | None, Query(description="next_cursor of the page before.")] = None,
) -> IndexPageBody:
    """List every index of this workspace by name."""
    page = await indexes.list_all_indexes(
        access.engine,
        access.caller,
        connection_id=connection_id,
        schema=schema,
        table=table,
        index_type=index_type,
        limit=limit,
        cursor=cursor,
    )
    return IndexPageBody(
        indexes=[
            ListedIndexBody.model_validate(
                {
                    **index_fields(each.detail),
                    "connection_id": each.connection_id,
                    "schema_name": each.schema_name,
                    "table_name": each.table_name,
                }
            )
            for each in page.items
        ],
        count=len(page.items),
        limit=page.limit,
        has_more=page.next_cursor is not None,
        next_cursor=page.next_cursor,
    )


async def _list(access: Access, place: Place) -> IndexListing:
    found = await indexes.list_indexes(access.engine, access.caller, place)
    return IndexListing(indexes=[IndexBody.of(each) for each in found])


async def _create(access: Access, place: Place, body: CreateIndex) -> Any:  # noqa: ANN401 - as above
    made = await indexes.create_index(
        access.engine, access.caller, place, body.order(), is_async=body.is_async
    )
    if not isinstance(made, Job):
        return IndexBody.of(made)
    return job_submitted(made.id, status_code=202)
