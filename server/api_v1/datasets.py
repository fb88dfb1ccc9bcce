"""/api/v1/datasets: collections of documents."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from starlette.responses import Response

from catalog.document_model import Delivery
from engine.service.documents import datasets
from engine.service.documents.datasets import DatasetDetail, NewDataset
from server.api_v1.access import Authorized
from server.api_v1.bodies import Given, JsonBody, Real, Whole, Yes
from server.api_v1.documented import DatasetId, documented, page_count
from server.wire.fields import Closed, Timestamp

router = APIRouter(prefix="/datasets", tags=["Datasets"])

PAGE_ROWS = 100
_SLUG = r"^[a-z0-9_-]+$"
_TEXTS_MAX = 1000
DatasetType = Literal["text", "audio", "voice", "images"]


class OriginalDefinition(Given):
    """What an original file must be, and what is said of it."""

    required_files: list[str] = Field(default_factory=list, max_length=_TEXTS_MAX)
    optional_files: list[str] = Field(default_factory=list, max_length=_TEXTS_MAX)
    metadata_schema: dict[str, Any] = Field(default_factory=dict)


class ProcessedDefinition(Given):
    """What comes of it."""

    content_schema: dict[str, Any] = Field(default_factory=dict)
    required_files: list[str] = Field(default_factory=list, max_length=_TEXTS_MAX)
    optional_files: list[str] = Field(default_factory=list, max_length=_TEXTS_MAX)


class ProcessingDefinition(Given):
    """What is made on the way, and for how many days it is kept."""

    intermediate_files: list[str] = Field(default_factory=list, max_length=_TEXTS_MAX)
    retention_days: Real = Field(default=7, ge=0, le=36_500)


class SchemaDefinition(Given):
    """What the documents of a dataset are."""

    schema_id: str = Field(min_length=1, max_length=255)
    version: str = Field(min_length=1, max_length=255)
    description: str = Field(default="", max_length=10_000)
    original: OriginalDefinition
    processed: ProcessedDefinition
    processing: ProcessingDefinition | None = None


class WebhookConfig(Given):
    """Where notifications go; ``secret`` signs them and is never shown."""

    url: str = Field(min_length=1, max_length=8192)
    secret: str | None = Field(default=None, min_length=1, max_length=4096)
    events: list[str] | None = Field(default=None, max_length=20)
    enabled: Yes = True


class DatasetCreateRequest(Given):
    """A new dataset."""

    name: str = Field(min_length=1, max_length=255)
    slug: str = Field(min_length=1, max_length=255, pattern=_SLUG)
    description: str = Field(default="", max_length=10_000)
    dataset_type: DatasetType = "text"
    schema_definition: SchemaDefinition
    webhook_config: WebhookConfig | None = None
    embedding_provider_id: str | None = Field(default=None, max_length=255)


class DatasetUpdateRequest(Given):
    """What changes of a dataset; with ``version`` only if it is that one still."""

    name: str | None = Field(default=None, min_length=1, max_length=255)
    slug: str | None = Field(default=None, min_length=1, max_length=255, pattern=_SLUG)
    description: str | None = Field(default=None, max_length=10_000)
    dataset_type: DatasetType | None = None
    schema_definition: SchemaDefinition | None = None
    webhook_config: WebhookConfig | None = None
    version: Whole | None = Field(default=None, ge=1, le=2**31)


class WebhookBody(Closed):
    """A webhook as it is shown."""

    url: str
    events: list[str]
    enabled: bool
    has_secret: bool


class DatasetBody(Closed):
    """A dataset."""

    id: int
    name: str
    slug: str
    description: str
    dataset_type: str
    size_bytes: int
    entry_count: int
    schema_definition: dict[str, Any]
    current_schema_version: str
    storage_path: str
    pipeline_config: dict[str, Any] | None
    webhook_config: WebhookBody | None
    embedding_provider_id: str | None
    created_at: Timestamp
    updated_at: Timestamp
    last_synced_at: Timestamp | None
    version: int

    @classmethod
    def of(cls, detail: DatasetDetail) -> "DatasetBody":
        """Show a dataset as clients see it."""
        dataset = detail.dataset
        webhook = dataset.webhook_config
        return cls(
            id=dataset.id,
            name=dataset.name,
            slug=dataset.slug,
            description=dataset.description,
            dataset_type=dataset.dataset_type,
            size_bytes=detail.totals.size_bytes,
            entry_count=detail.totals.entry_count,
            schema_definition=dataset.schema_definition,
            current_schema_version=dataset.current_schema_version,
            storage_path=f"datasets/{dataset.id}",
            pipeline_config=dataset.pipeline_config,
            webhook_config=None
            if webhook is None
            else WebhookBody(**webhook, has_secret=dataset.webhook_secret_id is not None),
            embedding_provider_id=dataset.embedding_provider_id,
            created_at=dataset.created_at,
            updated_at=dataset.updated_at,
            last_synced_at=dataset.last_synced_at,
            version=dataset.version,
        )


class DatasetListing(Closed):
    """One page of datasets, newest first."""

    datasets: list[DatasetBody]
    total: int
    page: int
    page_size: int
    total_pages: int


class DeliveryBody(Closed):
    """A notification and what came of it."""

    id: str
    entry_id: int
    event: dict[str, Any]
    status: str
    attempts: int
    response_status: int | None
    error: str | None
    created_at: Timestamp
    next_at: Timestamp | None
    completed_at: Timestamp | None

    @classmethod
    def of(cls, delivery: Delivery) -> "DeliveryBody":
        """Show a notification as clients see it."""
        return cls(
            id=delivery.id,
            entry_id=delivery.entry_id,
            event=delivery.event,
            status=delivery.status,
            attempts=delivery.attempts,
            response_status=delivery.response_status,
            error=delivery.error,
            created_at=delivery.created_at,
            next_at=None if delivery.completed_at else delivery.next_at,
            completed_at=delivery.completed_at,
        )


class DeliveryListing(Closed):
    """One page of notifications, newest first."""

    deliveries: list[DeliveryBody]
    total: int
    page: int
    page_size: int
    total_pages: int


_EXAMPLE = {
    "name": "Papers",
    "slug": "papers",
    "description": "What we read",
    "dataset_type": "text",
    "schema_definition": {
        "schema_id": "general_v1",
        "version": "v1",
        "description": "General purpose schema",
        "original": {"required_files": ["*.pdf"], "optional_files": [], "metadata_schema": {}},
        "processed": {"content_schema": {}, "required_files": [], "optional_files": []},
        "processing": {"intermediate_files": [], "retention_days": 7},
    },
}
_created = JsonBody(DatasetCreateRequest, example=_EXAMPLE)
_updated = JsonBody(DatasetUpdateRequest, example={"name": "Papers of 2026", "version": 1})
PageSize = Annotated[
    Whole | None,
    Query(ge=1, le=1000, description=f"Datasets in the page; {PAGE_ROWS} unless told."),
]


@router.get("", summary="List datasets", responses=documented())
async def list_datasets(
    access: Authorized,
    page: Annotated[Whole, Query(ge=1, le=10**9, description="From 1.")] = 1,
    page_size: PageSize = None,
    limit: PageSize = None,
) -> DatasetListing:
    """List the datasets of the cluster, newest first."""
    rows = page_size or limit or PAGE_ROWS
    found = await datasets.list_datasets(
        access.engine, access.caller, limit=rows, offset=(page - 1) * rows
    )
    return DatasetListing(
        datasets=[DatasetBody.of(item) for item in found.items],
        total=found.total,
        page=page,
        page_size=rows,
        total_pages=page_count(found.total, rows),
    )


@router.post(
    "",
    summary="Create a dataset",
    status_code=201,
    responses=documented(403, 409, 413, 422),
    openapi_extra=_created.openapi_extra,
)
async def create_dataset(
    access: Authorized, body: Annotated[DatasetCreateRequest, Depends(_created)]
) -> DatasetBody:
    """Make a dataset. Its pipeline is configured separately."""
    webhook = None if body.webhook_config is None else body.webhook_config.model_dump()
    secret = None if webhook is None else webhook.pop("secret")
    asked = NewDataset(
        name=body.name,
        slug=body.slug,
        description=body.description,
        dataset_type=body.dataset_type,
        schema_definition=body.schema_definition.model_dump(),
        webhook_config=webhook,
        embedding_provider_id=body.embedding_provider_id,
        secrets={} if secret is None else {"webhook": secret},
    )
    return DatasetBody.of(await datasets.create_dataset(access.engine, access.caller, asked))


@router.get("/slug/{slug}", summary="Get a dataset by its slug", responses=documented(404, 422))
async def get_dataset_by_slug(
    access: Authorized,
    slug: Annotated[str, Path(max_length=255, pattern=_SLUG, description="Of the dataset.")],
) -> DatasetBody:
    """Return the dataset of a slug."""
    return DatasetBody.of(await datasets.find_dataset(access.engine, access.caller, slug))


@router.get("/{dataset_id}", summary="Get a dataset", responses=documented(404, 422))
async def get_dataset(access: Authorized, dataset_id: DatasetId) -> DatasetBody:
    """Return a dataset."""
    return DatasetBody.of(await datasets.get_dataset(access.engine, access.caller, dataset_id))


@router.patch(
    "/{dataset_id}",
    summary="Update a dataset",
    responses=documented(403, 404, 409, 413, 422),
    openapi_extra=_updated.openapi_extra,
)
async def update_dataset(
    access: Authorized,
    dataset_id: DatasetId,
    body: Annotated[DatasetUpdateRequest, Depends(_updated)],
) -> DatasetBody:
    """Change some of a dataset. A null `webhook_config` ends its notifications."""
    given = body.model_dump(include=body.model_fields_set - {"version"})
    changes = {
        name: value
        for name, value in given.items()
        if value is not None or name == "webhook_config"
    }
    webhook = changes.get("webhook_config")
    secret = None if webhook is None else webhook.pop("secret")
    found = await datasets.update_dataset(
        access.engine,
        access.caller,
        dataset_id,
        changes,
        version=body.version,
        webhook_secret=secret,
    )
    return DatasetBody.of(found)


@router.delete(
    "/{dataset_id}", summary="Delete a dataset", status_code=204, responses=documented(404, 422)
)
async def delete_dataset(access: Authorized, dataset_id: DatasetId) -> Response:
    """Remove a dataset with its entries, their files and everything that is searched of them."""
    await datasets.delete_dataset(access.engine, access.caller, dataset_id)
    return Response(status_code=204)


@router.get(
    "/{dataset_id}/webhook-deliveries",
    summary="List notifications",
    responses=documented(404, 422),
)
async def list_webhook_deliveries(
    access: Authorized,
    dataset_id: DatasetId,
    page: Annotated[Whole, Query(ge=1, le=10**9, description="From 1.")] = 1,
    page_size: Annotated[Whole, Query(ge=1, le=1000, description="In the page.")] = PAGE_ROWS,
) -> DeliveryListing:
    """List the notifications of a dataset, newest first, with what came of them."""
    total, found = await datasets.list_deliveries(
        access.engine, access.caller, dataset_id, limit=page_size, offset=(page - 1) * page_size
    )
    return DeliveryListing(
        deliveries=[DeliveryBody.of(each) for each in found],
        total=total,
        page=page,
        page_size=page_size,
        total_pages=page_count(total, page_size),
    )
