"""Tokens and workspaces."""

import hashlib
import time

import pytest

from catalog.settings import Settings
from engine import errors
from engine.service import identity
from engine.service.context import Caller, Engine
from engine.service.identity import Credential
from tests.service.steps import API_KEY

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(own_engine: Engine) -> Engine:
    return own_engine


@pytest.fixture
async def credential(engine: Engine) -> Credential:
    found = await identity.authenticate(engine, API_KEY)
    assert found is not None
    return found


async def test_the_public_name_is_the_first_ten_digits_of_the_tokens_hash(
    credential: Credential,
) -> None:
    digest = hashlib.sha256(API_KEY.encode()).hexdigest()
    assert credential.user_public_id == "user_" + digest[:10]


@pytest.mark.parametrize("token", ["", "nope", API_KEY + "x", "\x00", "é\udc80"])
async def test_an_unknown_token_has_no_credential(engine: Engine, token: str) -> None:
    assert await identity.authenticate(engine, token) is None


async def test_a_revoked_token_stops_working_at_once_in_this_process(engine: Engine) -> None:
    token, secret = await identity.create_token(engine, name="ci", workspace_id=None)
    assert await identity.authenticate(engine, secret) is not None
    await identity.revoke_token(engine, "ci")
    assert await identity.authenticate(engine, secret) is None
    listed = {found.id: found.revoked_at for found in await identity.list_tokens(engine)}
    assert listed[token.id] is not None


async def test_a_token_revoked_by_the_command_line_stops_working_within_two_seconds(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, secret = await identity.create_token(engine, name="ci", workspace_id=None)
    admin = await Engine.open(settings, serve=False)
    now = time.monotonic()
    monkeypatch.setattr("engine.service.context.time.monotonic", lambda: now)
    assert await identity.authenticate(engine, secret) is not None
    await identity.revoke_token(admin, "ci")
    assert await identity.authenticate(engine, secret) is not None, "the cache is in use"
    now += 2.0
    assert await identity.authenticate(engine, secret) is None
    monkeypatch.undo()
    await admin.close()


async def test_without_a_name_the_only_workspace_is_chosen(
    engine: Engine, credential: Credential
) -> None:
    chosen = await identity.choose_workspace(engine, credential, None)
    (only,) = await identity.list_workspaces(engine, credential, None)
    assert chosen.workspace_id == only.id


async def test_without_a_name_several_workspaces_are_refused(
    engine: Engine, credential: Credential, stranger: Caller
) -> None:
    with pytest.raises(errors.InvalidRequest, match="X-Workspace-Id"):
        await identity.choose_workspace(engine, credential, None)
    chosen = await identity.choose_workspace(engine, credential, stranger.workspace_id)
    assert chosen == stranger


async def test_a_workspace_token_sees_its_workspace_only(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    _, secret = await identity.create_token(engine, name="one", workspace_id=stranger.workspace_id)
    one = await identity.authenticate(engine, secret)
    assert one is not None
    chosen = await identity.choose_workspace(engine, one, None)
    assert chosen.workspace_id == stranger.workspace_id
    with pytest.raises(errors.NotFound) as foreign:
        await identity.choose_workspace(engine, one, caller.workspace_id)
    with pytest.raises(errors.NotFound) as unknown:
        await identity.choose_workspace(engine, one, "ws_nope")
    assert foreign.value.message.replace(caller.workspace_id, "ws_nope") == unknown.value.message


async def test_a_workspace_token_may_not_manage_workspaces(
    engine: Engine, stranger: Caller
) -> None:
    _, secret = await identity.create_token(engine, name="one", workspace_id=stranger.workspace_id)
    one = await identity.authenticate(engine, secret)
    assert one is not None
    with pytest.raises(errors.PermissionDenied):
        await identity.list_workspaces(engine, one, None)
    with pytest.raises(errors.PermissionDenied):
        await identity.create_workspace(engine, one, name="x", organization_id=None)
    with pytest.raises(errors.PermissionDenied):
        await identity.delete_workspace(engine, one, stranger.workspace_id)


async def test_another_organization_is_unknown(engine: Engine, credential: Credential) -> None:
    with pytest.raises(errors.NotFound, match="'orgx1' not found"):
        await identity.list_workspaces(engine, credential, "orgx1")
    own = credential.token.organization_id
    assert len(await identity.list_workspaces(engine, credential, own)) == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 256, "a\x00b"])
async def test_a_workspace_needs_a_proper_name(
    engine: Engine, credential: Credential, name: str
) -> None:
    with pytest.raises(errors.InvalidRequest):
        await identity.create_workspace(engine, credential, name=name, organization_id=None)


async def test_a_deleted_workspace_is_unknown_at_once(
    engine: Engine, credential: Credential, stranger: Caller
) -> None:
    await identity.delete_workspace(engine, credential, stranger.workspace_id)
    with pytest.raises(errors.NotFound):
        await identity.choose_workspace(engine, credential, stranger.workspace_id)
    with pytest.raises(errors.NotFound):
        await identity.delete_workspace(engine, credential, stranger.workspace_id)
