"""/v1/embedding-providers: what turns texts into vectors. A key goes in and never comes out."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import Field, SecretStr

from catalog.index_model import EmbeddingProvider
from engine.service import embedding_providers
from engine.service.embedding_providers import NewProvider
from server.auth import Authorized
from server.wire.fields import Closed, Timestamp, id_path
from server.wire.json_body import JsonBody, Shape
from server.wire.openapi import documented_errors

router = APIRouter(prefix="/v1/embedding-providers", tags=["Embedding Providers"])

ProviderId = Annotated[str, id_path("embedding provider", "embp0123456789abcdefghijklmnop")]
_CONFIG = "A JSON object: model, dimensions, metric, and base_url or model_path; no credential."
_API_KEY = "Key of the service; kept as a secret that goes with the provider."
_SECRET_NAME = "A secret that holds the key."  # noqa: S105 - a description


class CreateEmbeddingProvider(Shape):
    """A model to embed texts with; at most one of ``api_key`` and ``secret_name``."""

    name: str
    provider_type: str = Field(description="local or service.")
    config: Any = Field(None, description=_CONFIG)
    api_key: SecretStr | None = Field(None, description=_API_KEY)
    secret_name: str | None = Field(None, description=_SECRET_NAME)


class UpdateEmbeddingProvider(Shape):
    """What may change; absent fields stay."""

    name: str | None = None
    config: Any = Field(None, description="Takes the place of the whole configuration.")
    api_key: SecretStr | None = Field(None, description=_API_KEY)
    secret_name: str | None = Field(None, description=f"{_SECRET_NAME} null takes the key away.")


class EmbeddingProviderBody(Closed):
    """One provider, without its key."""

    id: str
    name: str
    provider_type: str
    config: dict[str, Any]
    has_secret: bool
    source: Literal["system", "user"]
    created_at: Timestamp
    updated_at: Timestamp


class EmbeddingProviderListing(Closed):
    """The system's provider, then the workspace's by name."""

    embedding_providers: list[EmbeddingProviderBody]


class EmbeddingProviderCreated(Closed):
    """A provider that has just been made."""

    id: str
    name: str
    provider_type: str
    config: dict[str, Any]
    created_at: Timestamp


class EmbeddingProviderUpdated(Closed):
    """A provider that has just been changed."""

    id: str
    name: str
    updated_at: Timestamp


_OPENAI = {
    "base_url": "https://api.openai.com/v1",
    "model": "text-embedding-3-small",
    "dimensions": 512,
}
CREATE = JsonBody(
    CreateEmbeddingProvider,
    example={
        "name": "openai",
        "provider_type": "service",
        "config": _OPENAI,
        "api_key": "correct horse",
    },
)
UPDATE = JsonBody(UpdateEmbeddingProvider, example={"config": _OPENAI})


@router.get(
    "",
    operation_id="list_embedding_providers",
    summary="List embedding providers",
    responses=documented_errors(),
)
async def list_embedding_providers(access: Authorized) -> EmbeddingProviderListing:
    """List the system's provider, then those of this workspace by name."""
    found = await embedding_providers.list_providers(access.engine, access.caller)
    return EmbeddingProviderListing(embedding_providers=[_body_of(each) for each in found])


@router.post(
    "",
    operation_id="create_embedding_provider",
    summary="Create an embedding provider",
    status_code=201,
    openapi_extra=CREATE.openapi_extra,
    responses=documented_errors(409),
)
async def create_embedding_provider(
    access: Authorized, body: Annotated[CreateEmbeddingProvider, Depends(CREATE)]
) -> EmbeddingProviderCreated:
    """Name a model and how it is reached; it is not asked yet."""
    made = await embedding_providers.create_provider(
        access.engine,
        access.caller,
        NewProvider(
            name=body.name,
            provider_type=body.provider_type,
            config=body.config,
            api_key=None if body.api_key is None else body.api_key.get_secret_value(),
            secret_name=body.secret_name,
        ),
    )
    return EmbeddingProviderCreated(
        id=made.id,
        name=made.name,
        provider_type=made.provider_type,
        config=made.config,
        created_at=made.created_at,
    )


@router.get(
    "/{id}",
    operation_id="get_embedding_provider",
    summary="Get an embedding provider",
    responses=documented_errors(404),
)
async def get_embedding_provider(access: Authorized, id: ProviderId) -> EmbeddingProviderBody:  # noqa: A002 - path
    """Look at one provider."""
    return _body_of(await embedding_providers.get_provider(access.engine, access.caller, id))


@router.put(
    "/{id}",
    operation_id="update_embedding_provider",
    summary="Update an embedding provider",
    openapi_extra=UPDATE.openapi_extra,
    responses=documented_errors(404, 409),
)
async def update_embedding_provider(
    access: Authorized,
    id: ProviderId,  # noqa: A002 - path
    body: Annotated[UpdateEmbeddingProvider, Depends(UPDATE)],
) -> EmbeddingProviderUpdated:
    """Change its name, configuration or key."""
    changes = body.changes(clearable=("secret_name",))
    if body.api_key is not None:
        changes["api_key"] = body.api_key.get_secret_value()
    changed = await embedding_providers.update_provider(access.engine, access.caller, id, changes)
    return EmbeddingProviderUpdated(id=changed.id, name=changed.name, updated_at=changed.updated_at)


@router.delete(
    "/{id}",
    operation_id="delete_embedding_provider",
    summary="Delete an embedding provider",
    status_code=204,
    responses=documented_errors(404, 409),
)
async def delete_embedding_provider(access: Authorized, id: ProviderId) -> None:  # noqa: A002 - path
    """Forget a provider, and its key unless that is a secret of your own."""
    await embedding_providers.delete_provider(access.engine, access.caller, id)


def _body_of(provider: EmbeddingProvider) -> EmbeddingProviderBody:
    return EmbeddingProviderBody(
        id=provider.id,
        name=provider.name,
        provider_type=provider.provider_type,
        config=provider.config,
        has_secret=provider.secret_id is not None,
        source="system" if embedding_providers.is_system(provider) else "user",
        created_at=provider.created_at,
        updated_at=provider.updated_at,
    )
