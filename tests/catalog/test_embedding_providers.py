"""Embedding providers and the secrets that go with them, on both databases."""

from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection as DbConnection

from catalog import secret_store
from catalog.database import Database
from catalog.errors import Conflict, InvalidValue, NotFound
from catalog.ids import IdKind, is_id, new_id
from catalog.index_model import EmbeddingProvider
from catalog.model import Connection, DiscoveryStatus, ReadMode, Workspace
from catalog.store.connections import delete_connection, insert_connection
from catalog.store.embedding_providers import (
    delete_provider,
    get_provider,
    insert_provider,
    list_providers,
    update_provider,
)
from tests.catalog.samples import NOON

pytestmark = pytest.mark.anyio

KEYRING = secret_store.Keyring([Fernet.generate_key()])


def make_provider(workspace_id: str, name: str = "openai", **changes: Any) -> EmbeddingProvider:
    values: dict[str, Any] = {
        "id": new_id(IdKind.EMBEDDING_PROVIDER),
        "workspace_id": workspace_id,
        "name": name,
        "provider_type": "service",
        "config": {"base_url": "https://h/v1", "model": "m", "dimensions": 3},
        "secret_id": None,
        "owns_secret": False,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return EmbeddingProvider(**(values | changes))


async def make_secret(db: Database, workspace: Workspace, name: str = "key") -> str:
    made = await db.write(secret_store.create_secret, KEYRING, workspace.id, name, "value")
    return made.id


async def secret_names(db: Database, workspace: Workspace) -> list[str]:
    return [secret.name for secret in await db.read(secret_store.list_secrets, workspace.id)]


async def change(db: Database, provider: EmbeddingProvider, **changes: Any) -> EmbeddingProvider:
    return await db.write(update_provider, provider, changes)


async def test_what_goes_in_comes_out(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    made = [make_provider(workspace.id, name) for name in ("b", "a", "B")]
    for provider in made:
        await db.write(insert_provider, provider)
    listed = await db.read(list_providers, workspace.id)
    assert listed == (made[2], made[1], made[0])
    assert await db.read(get_provider, workspace.id, made[0].id) == made[0]
    assert is_id(made[0].id)
    assert await db.read(list_providers, other_workspace.id) == ()


async def test_a_foreign_provider_is_unknown(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    made = make_provider(workspace.id)
    await db.write(insert_provider, made)
    for call in (
        db.read(get_provider, other_workspace.id, made.id),
        db.write(delete_provider, other_workspace.id, made.id),
    ):
        with pytest.raises(NotFound, match="Embedding provider"):
            await call
    assert await db.read(get_provider, workspace.id, made.id) == made


async def test_a_name_is_taken_once_in_a_workspace(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    first, second = make_provider(workspace.id, "a"), make_provider(workspace.id, "b")
    for provider in (first, second, make_provider(other_workspace.id, "a")):
        await db.write(insert_provider, provider)
    with pytest.raises(Conflict, match="'a' already exists"):
        await db.write(insert_provider, make_provider(workspace.id, "a"))
    with pytest.raises(Conflict, match="'a' already exists"):
        await change(db, second, name="a")
    assert (await change(db, second, name="b")).name == "b"


async def test_a_change_leaves_the_rest(db: Database, workspace: Workspace) -> None:
    made = make_provider(workspace.id)
    await db.write(insert_provider, made)
    changed = await change(db, made, config={"model": "n"})
    assert (changed.name, changed.config, changed.created_at) == ("openai", {"model": "n"}, NOON)
    assert changed.updated_at > NOON
    with pytest.raises(InvalidValue):
        await change(db, made, provider_type="local")


async def test_its_own_secret_goes_with_it(db: Database, workspace: Workspace) -> None:
    own, kept = await make_secret(db, workspace, "own"), await make_secret(db, workspace, "kept")
    first = make_provider(workspace.id, "a", secret_id=own, owns_secret=True)
    second = make_provider(workspace.id, "b", secret_id=kept)
    for provider in (first, second):
        await db.write(insert_provider, provider)
        await db.write(delete_provider, workspace.id, provider.id)
    assert await secret_names(db, workspace) == ["kept"]


async def test_its_own_secret_goes_when_it_gets_another(db: Database, workspace: Workspace) -> None:
    own, other = await make_secret(db, workspace, "own"), await make_secret(db, workspace, "other")
    made = make_provider(workspace.id, secret_id=own, owns_secret=True)
    await db.write(insert_provider, made)
    made = await change(db, made, name="renamed")
    assert await secret_names(db, workspace) == ["other", "own"]
    await change(db, made, secret_id=other, owns_secret=False)
    assert await secret_names(db, workspace) == ["other"]


async def test_a_secret_that_something_else_names_stays(db: Database, workspace: Workspace) -> None:
    own = await make_secret(db, workspace)
    provider = make_provider(workspace.id, secret_id=own, owns_secret=True)
    connection = Connection(
        id=new_id(IdKind.CONNECTION),
        workspace_id=workspace.id,
        name="c",
        source_type="postgres",
        config={},
        secret_id=own,
        owns_secret=True,
        mode=ReadMode.CACHED,
        refresh_interval_s=None,
        next_refresh_at=None,
        discovery_status=DiscoveryStatus.SKIPPED,
        discovery_error=None,
        discovered_at=None,
        created_at=NOON,
        updated_at=NOON,
    )

    def write(conn: DbConnection) -> None:
        insert_provider(conn, provider)
        insert_connection(conn, connection)

    await db.write(write)
    await db.write(delete_connection, workspace.id, connection.id)
    assert await secret_names(db, workspace) == ["key"]
    await db.write(delete_provider, workspace.id, provider.id)
    assert await secret_names(db, workspace) == []


async def test_a_value_is_replaced_by_id(
    db: Database, workspace: Workspace, other_workspace: Workspace
) -> None:
    own = await make_secret(db, workspace)
    replace = secret_store.replace_value
    assert await db.write(replace, KEYRING, workspace.id, own, "new")
    assert await db.read(secret_store.read_value, KEYRING, workspace.id, own) == "new"
    assert not await db.write(replace, KEYRING, other_workspace.id, own, "stolen")
    assert await db.read(secret_store.read_value, KEYRING, workspace.id, own) == "new"
