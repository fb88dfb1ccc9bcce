"""Organisations, workspaces and tokens."""

from pathlib import Path

import pytest

from catalog.database import Database
from catalog.errors import Conflict, NotFound
from catalog.jobs import enqueue, get_job, lease
from catalog.model import JobStatus, Workspace
from catalog.store.tokens import create_token, ensure_token, find_token, list_tokens, revoke_token
from catalog.store.workspaces import (
    create_workspace,
    delete_workspace,
    ensure_default,
    get_organization,
    get_workspace,
    list_workspaces,
)
from tests.catalog.samples import read_folder

pytestmark = pytest.mark.anyio

CANARY = "canary-6f1c2d-secret"


async def test_the_default_workspace_is_made_once(db: Database) -> None:
    first = await db.write(ensure_default)
    assert await db.write(ensure_default) == first
    assert (await db.read(get_organization, first.organization_id)).name == "default"
    assert await db.read(list_workspaces, first.organization_id) == (first,)
    assert await db.read(get_workspace, first.id) == first


async def test_workspaces_are_listed_oldest_first_and_vanish_when_deleted(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    organization_id = workspace.organization_id
    assert await db.read(list_workspaces, organization_id) == (workspace, other_workspace)
    job = await db.write(enqueue, other_workspace.id, job_type="noop", payload={})
    await db.write(delete_workspace, organization_id, other_workspace.id)
    assert await db.read(list_workspaces, organization_id) == (workspace,)
    with pytest.raises(NotFound):
        await db.read(get_workspace, other_workspace.id)
    with pytest.raises(NotFound):
        await db.write(delete_workspace, organization_id, other_workspace.id)
    assert (await db.read(get_job, other_workspace.id, job.id)).status is JobStatus.FAILED
    assert await db.write(lease, owner="s", lease_s=60, attempts_max=3) is None


async def test_things_of_unknown_organizations_are_not_found(
    db: Database, workspace: Workspace
) -> None:
    with pytest.raises(NotFound):
        await db.read(get_organization, "orgx1")
    with pytest.raises(NotFound):
        await db.write(create_workspace, "orgx1", name="x")
    with pytest.raises(NotFound):
        await db.write(delete_workspace, "orgx1", workspace.id)
    with pytest.raises(NotFound):
        await db.write(create_token, "orgx1", name="t", workspace_id=workspace.id, secret="s")


async def test_a_token_is_found_by_its_secret_until_it_is_revoked(
    db: Database, workspace: Workspace
) -> None:
    organization_id = workspace.organization_id
    token = await db.write(
        create_token, organization_id, name="ci", workspace_id=workspace.id, secret=CANARY
    )
    assert await db.read(find_token, CANARY) == token
    assert await db.read(find_token, CANARY + "x") is None
    revoked = await db.write(revoke_token, organization_id, "ci")
    assert revoked.revoked_at is not None
    assert await db.read(find_token, CANARY) is None
    assert await db.read(list_tokens, organization_id) == (revoked,)
    with pytest.raises(NotFound):
        await db.write(revoke_token, organization_id, token.id)
    # The name is free again, the secret is not.
    again = await db.write(
        create_token, organization_id, name="ci", workspace_id=None, secret="second"
    )
    assert (await db.write(revoke_token, organization_id, again.id)).id == again.id
    with pytest.raises(Conflict):
        await db.write(create_token, organization_id, name="x", workspace_id=None, secret=CANARY)


async def test_a_token_name_is_taken_while_it_lives(db: Database, workspace: Workspace) -> None:
    organization_id = workspace.organization_id
    await db.write(create_token, organization_id, name="ci", workspace_id=None, secret="1")
    with pytest.raises(Conflict, match="Token name 'ci' is already in use"):
        await db.write(create_token, organization_id, name="ci", workspace_id=None, secret="2")


async def test_a_token_of_a_deleted_workspace_opens_nothing(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    organization_id = workspace.organization_id
    await db.write(
        create_token, organization_id, name="t", workspace_id=other_workspace.id, secret="s"
    )
    await db.write(delete_workspace, organization_id, other_workspace.id)
    assert await db.read(find_token, "s") is None


async def test_ensuring_a_token_is_idempotent_and_follows_a_changed_secret(
    db: Database, workspace: Workspace
) -> None:
    organization_id = workspace.organization_id
    first = await db.write(ensure_token, organization_id, name="env", secret="one")
    assert await db.write(ensure_token, organization_id, name="env", secret="one") == first
    second = await db.write(ensure_token, organization_id, name="env", secret="two")
    assert await db.read(find_token, "two") == second
    assert await db.read(find_token, "one") is None
    # A revoked secret is not brought back by a restart.
    revoked = await db.write(ensure_token, organization_id, name="env", secret="one")
    assert revoked.revoked_at is not None


async def test_no_secret_of_a_token_is_on_disk(tmp_path: Path) -> None:
    db = await Database.open(f"sqlite:///{tmp_path}/catalog.db")
    workspace = await db.write(ensure_default)
    await db.write(ensure_token, workspace.organization_id, name="env", secret=CANARY)
    on_disk = read_folder(tmp_path)
    assert b"env" in on_disk
    assert CANARY.encode() not in on_disk
    await db.close()
