"""Who calls the Data API, for which organisation and cluster.

Through ``/clusters/{cluster_id}/proxy`` the token says the organisation, and headers that a proxy would set are
not believed. Called directly, ``x-organization-id`` must say it. A cluster is a workspace.
"""

from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from engine.service import identity
from server.api_v1.errors import BadRequest
from server.auth import Access, identify
from server.door import door_of

_DIGITS_MAX = 18


async def authorize(request: Request) -> Access:
    """Name the caller of a request.

    Raises:
        Unauthenticated: no token, or an unknown one.
        BadRequest: no organisation is named, or none could be called so.
        NotFound: the organisation is unknown or foreign, which look the same.
        PermissionDenied: the cluster is.
        Overloaded: the workspace sends too many requests.
    """
    door = door_of(request)
    credential = await identify(request, door)
    cluster = request.path_params.get("cluster_id")
    organization_number = None
    if cluster is None:
        cluster = request.headers.get("x-cluster-id")
        given = request.headers.get("x-organization-id")
        if given is None:
            raise BadRequest("The header x-organization-id is required")
        organization_number = _number("The header x-organization-id", given)
    caller = await identity.choose_cluster(
        door.engine,
        credential,
        organization_number=organization_number,
        cluster_number=None if cluster is None else _number("The cluster id", cluster),
    )
    door.limiter.admit(caller.workspace_id)
    request.state.workspace_id = caller.workspace_id
    return Access(door.engine, caller)


def _number(what: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > _DIGITS_MAX:
        raise BadRequest(f"{what} must be a number")
    return int(text)


Authorized = Annotated[Access, Depends(authorize)]
