"""/v1/secrets: names of credentials. A value goes in and never comes out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from pydantic import Field, SecretStr

from engine.service import secret_values
from server.auth import Authorized
from server.wire.fields import Closed, Timestamp
from server.wire.json_body import JsonBody, Shape
from server.wire.openapi import documented_errors

router = APIRouter(prefix="/v1/secrets", tags=["Secrets"])

SecretName = Annotated[
    str, Path(description="1-128 characters: letters, digits, _ and -.", examples=["warehouse"])
]
# A name in the path is as loose as any text; the rule for names answers 400 itself.


class CreateSecret(Shape):
    """A credential to keep."""

    name: str = Field(description="1-128 characters: letters, digits, _ and -; kept in lower case.")
    value: SecretStr


class UpdateSecret(Shape):
    """A new value."""

    value: SecretStr


class SecretBody(Closed):
    """A secret without its value."""

    name: str
    created_at: Timestamp
    updated_at: Timestamp


class SecretListing(Closed):
    """Every secret, by name."""

    secrets: list[SecretBody]


class SecretCreated(Closed):
    """A secret that has just been stored."""

    id: str
    name: str
    created_at: Timestamp


class SecretUpdated(Closed):
    """A secret whose value has just been replaced."""

    name: str
    updated_at: Timestamp


CREATE = JsonBody(CreateSecret, example={"name": "warehouse", "value": "correct horse"})
UPDATE = JsonBody(UpdateSecret, example={"value": "battery staple"})


@router.get("", operation_id="list_secrets", summary="List secrets", responses=documented_errors())
async def list_secrets(access: Authorized) -> SecretListing:
    """List the names of this workspace's secrets."""
    found = await secret_values.list_secrets(access.engine, access.caller)
    return SecretListing(
        secrets=[
            SecretBody(name=s.name, created_at=s.created_at, updated_at=s.updated_at) for s in found
        ]
    )


@router.post(
    "",
    operation_id="create_secret",
    summary="Create a secret",
    status_code=201,
    openapi_extra=CREATE.openapi_extra,
    responses=documented_errors(409),
)
async def create_secret(
    access: Authorized, body: Annotated[CreateSecret, Depends(CREATE)]
) -> SecretCreated:
    """Encrypt and store a value under a new name."""
    secret = await secret_values.create_secret(
        access.engine, access.caller, name=body.name, value=body.value.get_secret_value()
    )
    return SecretCreated(id=secret.id, name=secret.name, created_at=secret.created_at)


@router.get(
    "/{name}",
    operation_id="get_secret",
    summary="Get a secret",
    responses=documented_errors(404),
)
async def get_secret(access: Authorized, name: SecretName) -> SecretBody:
    """Tell when a secret was made and last changed."""
    secret = await secret_values.get_secret(access.engine, access.caller, name)
    return SecretBody(name=secret.name, created_at=secret.created_at, updated_at=secret.updated_at)


@router.put(
    "/{name}",
    operation_id="update_secret",
    summary="Update a secret",
    openapi_extra=UPDATE.openapi_extra,
    responses=documented_errors(404),
)
async def update_secret(
    access: Authorized, name: SecretName, body: Annotated[UpdateSecret, Depends(UPDATE)]
) -> SecretUpdated:
    """Replace the value of a secret."""
    secret = await secret_values.update_secret(
        access.engine, access.caller, name, value=body.value.get_secret_value()
    )
    return SecretUpdated(name=secret.name, updated_at=secret.updated_at)


@router.delete(
    "/{name}",
    operation_id="delete_secret",
    summary="Delete a secret",
    status_code=204,
    responses=documented_errors(404),
)
async def delete_secret(access: Authorized, name: SecretName) -> None:
    """Forget a secret; its name is free again."""
    await secret_values.delete_secret(access.engine, access.caller, name)
