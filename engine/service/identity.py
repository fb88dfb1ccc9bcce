"""Who is asking: tokens become credentials, credentials choose a workspace.

Tokens are compared by SHA-256 in an index lookup, so timing says nothing about a secret. Answers are
remembered for at most two seconds: a revoked token or a deleted workspace stops working within that
time everywhere, and at once in this process. Foreign things are unknown things.
"""

import hashlib
import secrets
from dataclasses import dataclass

from catalog.errors import NotFound
from catalog.model import Organization, Token, Workspace
from catalog.scram import ScramVerifier, read_verifier
from catalog.store import tokens as token_store
from catalog.store import workspaces as workspace_store
from engine import errors
from engine.service.context import Caller, Engine
from engine.service.plain_text import check_text
from engine.translate import translated

NAME_CHARS_MAX = 255


@dataclass(frozen=True, slots=True)
class Credential:
    """A token that is valid now, and the public name of whoever holds it."""

    token: Token
    user_public_id: str


@translated
async def authenticate(engine: Engine, token: str) -> Credential | None:
    """Find the credential of a bearer token; None when it is unknown or revoked."""
    try:
        digest = hashlib.sha256(token.encode()).digest()
    except UnicodeEncodeError:
        return None
    known = engine.credentials.get(digest)
    if known is not None:
        return known
    found = await engine.db.read(token_store.find_token, token)
    if found is None:
        return None
    credential = Credential(found, f"user_{digest.hex()[:10]}")
    engine.credentials.put(digest, credential)
    return credential


async def find_verifier(engine: Engine, name: str) -> tuple[Credential, ScramVerifier] | None:
    """Find the token of a name or id, and what proves it without sending it; None for anybody else."""
    if "\x00" in name or not name.isprintable():
        return None
    found = await engine.db.read(token_store.find_verified, name)
    if found is None:
        return None
    token, digest, verifier = found
    return Credential(token, f"user_{digest[:10]}"), read_verifier(verifier)


@translated
async def choose_workspace(
    engine: Engine, credential: Credential, workspace_id: str | None
) -> Caller:
    """Say who calls: the named workspace, or the only one the credential sees.

    Raises:
        InvalidRequest: none is named and the credential sees several.
        NotFound: the workspace is unknown to this credential.
    """
    key = (credential.token.id, workspace_id)
    known = engine.callers.get(key)
    if known is not None:
        return known
    workspace = await _visible_workspace(engine, credential, workspace_id)
    caller = Caller(
        organization_id=workspace.organization_id,
        workspace_id=workspace.id,
        token_id=credential.token.id,
        user_public_id=credential.user_public_id,
    )
    engine.callers.put(key, caller)
    return caller


@translated
async def choose_cluster(
    engine: Engine,
    credential: Credential,
    *,
    organization_number: int | None,
    cluster_number: int | None,
) -> Caller:
    """Say who calls, by the numbers that the Data API has for organisations and workspaces.

    Args:
        engine: open for serving.
        credential: who asks.
        organization_number: must be that of the credential; None = it is.
        cluster_number: of the workspace; None = the only one that the credential sees.

    Raises:
        InvalidRequest: no cluster is named and the credential sees several.
        NotFound: the organisation is unknown to this credential.
        PermissionDenied: the cluster is.
    """
    key = (credential.token.id, f"{organization_number} {cluster_number}")
    known = engine.callers.get(key)
    if known is not None:
        return known
    token = credential.token
    own = await engine.db.read(workspace_store.get_organization, token.organization_id)
    if organization_number not in (None, own.number):
        raise NotFound(f"Organization with id {organization_number} not found")
    if cluster_number is None:
        try:
            caller = await choose_workspace(engine, credential, None)
        except errors.InvalidRequest:
            raise errors.InvalidRequest(
                "The header x-cluster-id is required: the token sees several clusters"
            ) from None
    else:
        found = await engine.db.read(workspace_store.find_numbered, own.id, cluster_number)
        if found is None or token.workspace_id not in (None, found.id):
            raise errors.PermissionDenied(
                f"Cluster {cluster_number} is not one that this token may use"
            )
        caller = await choose_workspace(engine, credential, found.id)
    engine.callers.put(key, caller)
    return caller


async def _visible_workspace(
    engine: Engine, credential: Credential, workspace_id: str | None
) -> Workspace:
    token = credential.token
    wanted = workspace_id or token.workspace_id
    if wanted is None:
        visible = await engine.db.read(workspace_store.list_workspaces, token.organization_id)
        if len(visible) != 1:
            raise errors.InvalidRequest("X-Workspace-Id is required: the token sees several")
        return visible[0]
    found = await engine.db.read(workspace_store.get_workspace, wanted)
    is_foreign = found.organization_id != token.organization_id
    if is_foreign or token.workspace_id not in (None, found.id):
        raise NotFound.of("Workspace", wanted)
    return found


@translated
async def list_workspaces(
    engine: Engine, credential: Credential, organization_id: str | None
) -> tuple[Workspace, ...]:
    """List the workspaces of the credential's organisation.

    Raises:
        PermissionDenied: the token belongs to one workspace only.
        NotFound: another organisation, or an unknown one.
    """
    own = _own_organization(credential, organization_id)
    return tuple(await engine.db.read(workspace_store.list_workspaces, own))


@translated
async def get_organization(engine: Engine, credential: Credential) -> Organization:
    """Return the credential's organisation."""
    return await engine.db.read(workspace_store.get_organization, credential.token.organization_id)


@translated
async def create_workspace(
    engine: Engine, credential: Credential, *, name: str, organization_id: str | None
) -> Workspace:
    """Make a workspace.

    Raises:
        InvalidRequest: the name is blank or longer than 255 characters.
        PermissionDenied: the token belongs to one workspace only.
        NotFound: another organisation, or an unknown one.
    """
    own = _own_organization(credential, organization_id)
    trimmed = check_text("Workspace name", name, chars_max=NAME_CHARS_MAX)
    created = await engine.db.write(workspace_store.create_workspace, own, name=trimmed)
    engine.callers.clear()
    return created


@translated
async def delete_workspace(engine: Engine, credential: Credential, workspace_id: str) -> None:
    """Delete a workspace and everything in it.

    Raises:
        PermissionDenied: the token belongs to one workspace only.
        NotFound: unknown to this organisation.
    """
    own = _own_organization(credential, None)
    await engine.db.write(workspace_store.delete_workspace, own, workspace_id)
    engine.callers.clear()


@translated
async def create_token(engine: Engine, *, name: str, workspace_id: str | None) -> tuple[Token, str]:
    """Make a token; the secret is returned here and never again.

    Args:
        engine: may be opened for administration.
        name: 1 to 255 characters, unique among the tokens that are not revoked.
        workspace_id: the only workspace it may see; None = all of the organisation.
    """
    trimmed = check_text("Token name", name, chars_max=NAME_CHARS_MAX)
    organization_id = await _organization_of(engine, workspace_id)
    secret = "tm_" + secrets.token_urlsafe(32)
    token = await engine.db.write(
        token_store.create_token,
        organization_id,
        name=trimmed,
        workspace_id=workspace_id,
        secret=secret,
    )
    return token, secret


@translated
async def list_tokens(engine: Engine) -> tuple[Token, ...]:
    """List the tokens of the default organisation, revoked ones included."""
    organization_id = await _organization_of(engine, None)
    return tuple(await engine.db.read(token_store.list_tokens, organization_id))


@translated
async def revoke_token(engine: Engine, id_or_name: str) -> Token:
    """Revoke a token for ever.

    Raises:
        NotFound: no live token has this id or name.
    """
    organization_id = await _organization_of(engine, None)
    revoked = await engine.db.write(token_store.revoke_token, organization_id, id_or_name)
    engine.credentials.clear()
    engine.callers.clear()
    return revoked


async def _organization_of(engine: Engine, workspace_id: str | None) -> str:
    if workspace_id is None:
        default = await engine.db.write(workspace_store.ensure_default)
        return default.organization_id
    found = await engine.db.read(workspace_store.get_workspace, workspace_id)
    return found.organization_id


def _own_organization(credential: Credential, organization_id: str | None) -> str:
    token = credential.token
    if token.workspace_id is not None:
        raise errors.PermissionDenied("A workspace token cannot manage workspaces")
    if organization_id is not None and organization_id != token.organization_id:
        raise NotFound.of("Organization", organization_id)
    return token.organization_id
