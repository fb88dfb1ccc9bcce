"""/v1/datasets: tables the workspace owns, made from files, URLs or queries, with versions."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field, field_validator
from pydantic.config import JsonDict
from pydantic.json_schema import SkipJsonSchema

from catalog.model import Dataset, Job
from engine.service import datasets
from server.auth import Authorized
from server.wire.fields import (
    Closed,
    JobSubmitted,
    Limit,
    Offset,
    Timestamp,
    id_path,
    job_submitted,
)
from server.wire.json_body import JsonBody, Shape
from server.wire.openapi import documented_errors

router = APIRouter(prefix="/v1/datasets", tags=["Datasets"])

DatasetId = Annotated[str, id_path("dataset", "data0123456789abcdefghijklmnop")]

_COLUMNS: JsonDict = {
    "type": ["object", "null"],
    "description": "Column name to SQL type, or to an object.",
}
_FORMAT: JsonDict = {"type": ["string", "null"], "description": "csv, json or parquet."}
_TEXT: JsonDict = {"type": "string"}
_OPTIONAL_TEXT: JsonDict = {"type": ["string", "null"]}
_SOURCES: tuple[JsonDict, ...] = (
    {"upload_id": _TEXT, "format": _FORMAT, "columns": _COLUMNS},
    {
        "inline": {
            "type": "object",
            "properties": {"format": _TEXT, "content": _TEXT, "columns": _COLUMNS},
            "required": ["format", "content"],
        },
        "columns": _COLUMNS,
    },
    {"url": _TEXT, "format": _FORMAT, "columns": _COLUMNS},
    {"sql": _TEXT, "name": _OPTIONAL_TEXT, "description": _OPTIONAL_TEXT},
    {"saved_query_id": _TEXT, "version": {"type": ["integer", "null"]}},
)


class CreateDataset(Shape):
    """What the table is called and where its rows come from."""

    label: str = Field(description="What people call it; need not be unique.")
    source: dict[str, Any] = Field(
        description="One of five shapes; `type` (upload, inline, url, sql_query, saved_query) may "
        "say which.",
        json_schema_extra={
            "anyOf": [
                {"type": "object", "properties": shape, "required": [next(iter(shape))]}
                for shape in _SOURCES
            ]
        },
    )
    table_name: str | None = Field(None, description="Name in SQL; made from the label if absent.")
    is_async: bool = Field(
        False, alias="async", description="Answer 202 with a job instead of waiting."
    )
    columns: SkipJsonSchema[Any] = None

    @field_validator("columns")
    @classmethod
    def _refuse_columns(cls, columns: object) -> None:
        """Unknown fields are ignored, but this one would change the types of the table."""
        if columns is not None:
            raise ValueError("belongs inside 'source'")


class UpdateDataset(Shape):
    """What to change; an absent field stays as it is."""

    label: str | None = None
    table_name: str | None = None
    pinned_version: int | None = Field(
        None, ge=1, description="Version that SQL reads; null = the latest."
    )


class DatasetCreated(Closed):
    """A dataset that can be queried now."""

    id: str
    label: str
    schema_name: str
    table_name: str
    status: str
    created_at: Timestamp


class DatasetSummary(Closed):
    """A dataset in a listing."""

    id: str
    label: str
    schema_name: str
    table_name: str
    latest_version: int
    pinned_version: int | None
    created_at: Timestamp
    updated_at: Timestamp


class DatasetListing(Closed):
    """One page of datasets, by label."""

    datasets: list[DatasetSummary]
    count: int = Field(ge=0)
    offset: int = Field(ge=0)
    limit: int = Field(ge=0)
    has_more: bool


class ColumnBody(Closed):
    """One column; ``data_type`` is Arrow's own name of the type."""

    name: str
    data_type: str
    nullable: bool


class DatasetDetails(DatasetSummary):
    """A dataset and the columns of the version that SQL reads."""

    source_type: str
    columns: list[ColumnBody]


class DatasetUpdated(Closed):
    """A dataset after a change."""

    id: str
    label: str
    table_name: str
    latest_version: int
    pinned_version: int | None
    updated_at: Timestamp


class VersionBody(Closed):
    """One immutable state of a dataset."""

    id: str
    version: int
    source_type: str
    created_at: Timestamp


class VersionListing(Closed):
    """One page of versions, newest first."""

    dataset_id: str
    versions: list[VersionBody]
    count: int = Field(ge=0)
    offset: int = Field(ge=0)
    limit: int = Field(ge=0)
    has_more: bool


CREATE = JsonBody(
    CreateDataset,
    example={
        "label": "Elements",
        "table_name": "elements",
        "source": {"inline": {"format": "csv", "content": "symbol,number\nH,1\nHe,2\n"}},
    },
)
UPDATE = JsonBody(UpdateDataset, example={"label": "Chemical elements", "pinned_version": None})


@router.get(
    "", operation_id="list_datasets", summary="List datasets", responses=documented_errors()
)
async def list_datasets(
    access: Authorized, limit: Limit = 100, offset: Offset = 0
) -> DatasetListing:
    """List the datasets of this workspace by label."""
    page = await datasets.list_datasets(access.engine, access.caller, limit=limit, offset=offset)
    return DatasetListing(
        datasets=[DatasetSummary.model_validate(_summary(dataset)) for dataset in page.items],
        count=len(page.items),
        offset=page.offset,
        limit=page.limit,
        has_more=page.has_more,
    )


@router.post(
    "",
    operation_id="create_dataset",
    summary="Create a dataset",
    status_code=201,
    response_model=DatasetCreated,
    openapi_extra=CREATE.openapi_extra,
    responses={
        202: {"model": JobSubmitted, "description": "The rows are loaded in the background."},
        **documented_errors(404, 408, 409),
    },
)
async def create_dataset(
    access: Authorized, body: Annotated[CreateDataset, Depends(CREATE)]
) -> Any:  # noqa: ANN401 - the model above, or the response of a job
    """Make a table from an upload, inline text, a URL, a SQL query or a saved query."""
    made = await datasets.create_dataset(
        access.engine,
        access.caller,
        label=body.label,
        source=body.source,
        table_name=body.table_name,
        is_async=body.is_async,
    )
    if isinstance(made, Job):
        return job_submitted(made.id)
    return DatasetCreated(
        id=made.id,
        label=made.label,
        schema_name=made.schema_name,
        table_name=made.table_name,
        status="ready",
        created_at=made.created_at,
    )


@router.get(
    "/{id}",
    operation_id="get_dataset",
    summary="Get a dataset",
    responses=documented_errors(404),
)
async def get_dataset(access: Authorized, id: DatasetId) -> DatasetDetails:  # noqa: A002 - path
    """Describe a dataset and the columns of the version that SQL reads."""
    detail = await datasets.get_dataset(access.engine, access.caller, id)
    return DatasetDetails(
        **_summary(detail.dataset),
        source_type=detail.version.source_type,
        columns=[
            ColumnBody(name=column.name, data_type=column.data_type, nullable=column.nullable)
            for column in detail.columns
        ],
    )


@router.put(
    "/{id}",
    operation_id="update_dataset",
    summary="Update a dataset",
    openapi_extra=UPDATE.openapi_extra,
    responses=documented_errors(404, 409),
)
async def update_dataset(
    access: Authorized,
    id: DatasetId,  # noqa: A002 - the name in the path
    body: Annotated[UpdateDataset, Depends(UPDATE)],
) -> DatasetUpdated:
    """Rename a dataset, or pin the version that SQL reads."""
    dataset = await datasets.update_dataset(
        access.engine, access.caller, id, body.changes(clearable=("pinned_version",))
    )
    return DatasetUpdated(
        id=dataset.id,
        label=dataset.label,
        table_name=dataset.table_name,
        latest_version=dataset.latest_version,
        pinned_version=dataset.pinned_version,
        updated_at=dataset.updated_at,
    )


@router.delete(
    "/{id}",
    operation_id="delete_dataset",
    summary="Delete a dataset",
    status_code=204,
    responses=documented_errors(404),
)
async def delete_dataset(access: Authorized, id: DatasetId) -> None:  # noqa: A002 - name in the path
    """Delete a dataset with all its versions; running queries finish on the files they read."""
    await datasets.delete_dataset(access.engine, access.caller, id)


@router.get(
    "/{id}/versions",
    operation_id="list_dataset_versions",
    summary="List dataset versions",
    responses=documented_errors(404),
)
async def list_dataset_versions(
    access: Authorized,
    id: DatasetId,  # noqa: A002 - the name in the path
    limit: Limit = 100,
    offset: Offset = 0,
) -> VersionListing:
    """List the versions of a dataset, newest first."""
    page = await datasets.list_dataset_versions(
        access.engine, access.caller, id, limit=limit, offset=offset
    )
    return VersionListing(
        dataset_id=id,
        versions=[
            VersionBody(
                id=version.id,
                version=version.version,
                source_type=version.source_type,
                created_at=version.created_at,
            )
            for version in page.items
        ],
        count=len(page.items),
        offset=page.offset,
        limit=page.limit,
        has_more=page.has_more,
    )


def _summary(dataset: Dataset) -> dict[str, Any]:
    return {name: getattr(dataset, name) for name in DatasetSummary.model_fields}
