"""Who asks, and in which workspace.

Every route of the API starts here. The order is fixed: token, workspace, rate; a caller that fails
one learns nothing about the next.
"""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from engine.errors import InvalidRequest, NotFound
from engine.service import identity
from engine.service.context import Caller, Engine
from engine.service.identity import Credential
from server.door import Door, door_of
from server.errors import Unauthenticated, UnknownToken, WorkspaceUnknown

_SCHEME = "bearer "
_TOKEN_CHARS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Access:
    """What an engine route works with: the engine, and who calls it."""

    engine: Engine
    caller: Caller


@dataclass(frozen=True, slots=True)
class Holder:
    """What a route without a workspace works with."""

    engine: Engine
    credential: Credential


async def authorize(request: Request) -> Access:
    """Name the caller of a request that works in a workspace.

    Raises:
        Unauthenticated: no token, or an unknown one.
        WorkspaceUnknown: ``X-Workspace-Id`` is unknown or foreign, which look the same.
        InvalidRequest: no header, and the token sees more than one workspace.
        Overloaded: the workspace sends too many requests.
    """
    door = door_of(request)
    credential = await identify(request, door)
    caller = await choose_workspace(door.engine, credential, request.headers.get("x-workspace-id"))
    door.limiter.admit(caller.workspace_id)
    request.state.workspace_id = caller.workspace_id
    return Access(door.engine, caller)


async def choose_workspace(
    engine: Engine, credential: Credential, workspace_id: str | None
) -> Caller:
    """Name the caller in the workspace a header names; None = the only one of the token.

    Raises:
        WorkspaceUnknown: it is unknown or foreign, which look the same.
        InvalidRequest: no header, and the token sees more than one workspace.
    """
    try:
        return await identity.choose_workspace(engine, credential, workspace_id)
    except NotFound as error:
        raise WorkspaceUnknown(error.message) from error


async def authenticate(request: Request) -> Holder:
    """Name the token of a request that works on workspaces themselves.

    Raises:
        Unauthenticated: no token, or an unknown one.
        Overloaded: the organisation sends too many requests.
    """
    door = door_of(request)
    credential = await identify(request, door)
    door.limiter.admit(credential.token.organization_id)
    return Holder(door.engine, credential)


async def identify_token(engine: Engine, token: str) -> Credential:
    """Look a token up.

    Raises:
        UnknownToken: nobody issued it, or it was revoked.
    """
    if len(token) > _TOKEN_CHARS_MAX or not token.isascii() or not token.isprintable():
        raise UnknownToken
    credential = await identity.authenticate(engine, token)
    if credential is None:
        raise UnknownToken
    return credential


async def identify(request: Request, door: Door) -> Credential:
    """Find who holds the token of a request.

    Raises:
        Unauthenticated: no token, or an unknown one.
    """
    # A NUL cannot be part of any name, and Postgres refuses to compare with it.
    if b"%00" in request.scope["query_string"] or "\x00" in request.scope["path"]:
        raise InvalidRequest("The URL must not contain the NUL character.")
    header = request.headers.get("authorization", "")
    token = header[len(_SCHEME) :].strip()
    if header[: len(_SCHEME)].lower() != _SCHEME or not token:
        raise Unauthenticated
    return await identify_token(door.engine, token)


Authorized = Annotated[Access, Depends(authorize)]
Authenticated = Annotated[Holder, Depends(authenticate)]
