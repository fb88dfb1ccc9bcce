"""/v1/workspaces: the tenants a token may work in. Needs a token, no workspace."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from catalog.model import Workspace
from engine.service import identity
from server.auth import Authenticated
from server.errors import WrongShape
from server.wire.fields import Closed, id_path
from server.wire.json_body import JsonBody, Shape
from server.wire.openapi import documented_errors

router = APIRouter(prefix="/v1/workspaces", tags=["Workspaces"])


class CreateWorkspace(Shape):
    """The name of a new workspace."""

    name: str = Field(description="Not blank.")
    organization_public_id: str | None = Field(None, description="Default: the token's own.")


class WorkspaceBody(Closed):
    """A workspace this token may use; the Data API knows it, and its organisation, by their numbers."""

    public_id: str
    name: str
    active: bool
    favorite: bool
    provision_status: str
    namespace: str
    number: int
    organization_number: int


class WorkspaceListing(Closed):
    """Every workspace this token may use."""

    ok: Literal[True] = True
    workspaces: list[WorkspaceBody]


class NewWorkspace(Closed):
    """A workspace that has just been made."""

    public_id: str
    name: str
    provision_status: str
    namespace: str


class WorkspaceCreated(Closed):
    """The answer to a creation."""

    ok: Literal[True] = True
    workspace: NewWorkspace


CREATE = JsonBody(CreateWorkspace, example={"name": "production-analytics"})


@router.get(
    "",
    operation_id="list_workspaces",
    summary="List workspaces",
    responses=documented_errors(403, 404, is_gateway=True),
)
async def list_workspaces(
    holder: Authenticated,
    organization_public_id: Annotated[
        str | None, Query(description="Default: the token's own organisation.")
    ] = None,
) -> WorkspaceListing:
    """List the workspaces this token may use."""
    found = await identity.list_workspaces(holder.engine, holder.credential, organization_public_id)
    organization = await identity.get_organization(holder.engine, holder.credential)
    return WorkspaceListing(
        workspaces=[
            WorkspaceBody(
                public_id=workspace.id,
                name=workspace.name,
                active=workspace.active,
                favorite=workspace.favorite,
                provision_status=workspace.provision_status,
                namespace=_namespace(workspace),
                number=workspace.number,
                organization_number=organization.number,
            )
            for workspace in found
        ]
    )


@router.post(
    "",
    operation_id="create_workspace",
    summary="Create a workspace",
    status_code=201,
    openapi_extra=CREATE.openapi_extra,
    responses=documented_errors(403, 404, is_gateway=True),
)
async def create_workspace(
    holder: Authenticated, body: Annotated[CreateWorkspace, Depends(CREATE)]
) -> WorkspaceCreated:
    """Make a workspace in the token's organisation."""
    if not body.name.strip():
        raise WrongShape("Field 'name' must not be blank.")
    workspace = await identity.create_workspace(
        holder.engine,
        holder.credential,
        name=body.name,
        organization_id=body.organization_public_id,
    )
    return WorkspaceCreated(
        workspace=NewWorkspace(
            public_id=workspace.id,
            name=workspace.name,
            provision_status=workspace.provision_status,
            namespace=_namespace(workspace),
        )
    )


@router.delete(
    "/{public_id}",
    operation_id="delete_workspace",
    summary="Delete a workspace",
    status_code=204,
    responses=documented_errors(403, 404, 409, is_gateway=True),
)
async def delete_workspace(
    holder: Authenticated,
    public_id: Annotated[str, id_path("workspace", "ws_0123456789abcdefghijklmnop")],
) -> None:
    """Delete a workspace and everything in it."""
    await identity.delete_workspace(holder.engine, holder.credential, public_id)


def _namespace(workspace: Workspace) -> str:
    return f"workspace-{workspace.id}"
