"""/v1/connection-types: which sources can be connected, and what each wants to know."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from engine.service import connection_types
from server.auth import Authorized
from server.wire.fields import Closed
from server.wire.openapi import documented_errors

router = APIRouter(prefix="/v1/connection-types", tags=["Connections"])


class TypeSummary(Closed):
    """One source type."""

    name: str
    label: str


class TypeListing(Closed):
    """Every source type, by name."""

    connection_types: list[TypeSummary]


class TypeBody(Closed):
    """One source type and the JSON Schemas of its options and credentials, sent flat in config."""

    name: str
    label: str
    config_schema: dict[str, Any] | None
    auth: dict[str, Any] | None


@router.get(
    "",
    operation_id="list_connection_types",
    summary="List source types",
    responses=documented_errors(),
)
async def list_connection_types(access: Authorized) -> TypeListing:
    """List what can be connected."""
    found = connection_types.list_connection_types()
    return TypeListing(
        connection_types=[TypeSummary(name=name, label=label) for name, label in found]
    )


@router.get(
    "/{name}",
    operation_id="get_connection_type",
    summary="Get a source type",
    responses=documented_errors(404),
)
async def get_connection_type(
    access: Authorized,
    name: Annotated[str, Path(description="Name of the type.", examples=["postgres"])],
) -> TypeBody:
    """Say which options and credentials a source takes."""
    found = connection_types.get_connection_type(name)
    return TypeBody(
        name=found.name, label=found.label, config_schema=found.config_schema, auth=found.auth
    )
