"""Secrets: values go in, are replaced and rotated, and never come out."""

import pytest
from structlog.testing import capture_logs

from catalog import secret_store
from catalog.settings import Settings
from engine import errors
from engine.service import secret_values
from engine.service.context import Caller, Engine

pytestmark = pytest.mark.anyio


@pytest.fixture
def engine(own_engine: Engine) -> Engine:
    return own_engine


CANARY = "canary-5f0c"


async def stored(engine: Engine, caller: Caller, name: str) -> str:
    return await engine.db.read(secret_store.read_value, engine.keyring, caller.workspace_id, name)


async def test_a_secret_lives_under_its_normalised_name(
    engine: Engine, caller: Caller, stranger: Caller
) -> None:
    made = await secret_values.create_secret(engine, caller, name="My-Key", value=CANARY)
    assert made.name == "my-key"
    assert await secret_values.get_secret(engine, caller, "MY-KEY") == made
    updated = await secret_values.update_secret(engine, caller, "my-key", value="")
    assert (updated.id, updated.created_at) == (made.id, made.created_at)
    assert await stored(engine, caller, "my-key") == ""
    assert [secret.name for secret in await secret_values.list_secrets(engine, caller)] == [
        "my-key"
    ]
    assert await secret_values.list_secrets(engine, stranger) == ()
    with pytest.raises(errors.Conflict):
        await secret_values.create_secret(engine, caller, name="MY-key", value="x")
    with pytest.raises(errors.NotFound):
        await secret_values.get_secret(engine, stranger, "my-key")
    await secret_values.delete_secret(engine, caller, "My-Key")
    with pytest.raises(errors.NotFound):
        await secret_values.delete_secret(engine, caller, "my-key")


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 129, "a/b", "a\n"])
async def test_a_bad_name_is_refused_everywhere(engine: Engine, caller: Caller, name: str) -> None:
    for attempt in (
        secret_values.create_secret(engine, caller, name=name, value="x"),
        secret_values.get_secret(engine, caller, name),
        secret_values.update_secret(engine, caller, name, value="x"),
        secret_values.delete_secret(engine, caller, name),
    ):
        with pytest.raises(errors.InvalidRequest, match="Invalid secret name"):
            await attempt


async def test_a_value_shows_nowhere(engine: Engine, caller: Caller, settings: Settings) -> None:
    with capture_logs() as logs:
        made = await secret_values.create_secret(engine, caller, name="k", value=CANARY)
        with pytest.raises(errors.Conflict) as refused:
            await secret_values.create_secret(engine, caller, name="k", value=CANARY)
    shown = f"{made!r} {refused.value!r} {refused.value.__cause__!r} {logs!r} {engine.keyring!r}"
    assert CANARY not in shown
    await engine.db.ping()
    files = [path for path in settings.data_dir.glob("catalog.db*") if path.is_file()]
    assert files
    assert all(CANARY.encode() not in path.read_bytes() for path in files)


async def test_rotation_keeps_the_values_and_uses_a_new_key(
    engine: Engine, caller: Caller, settings: Settings
) -> None:
    await secret_values.create_secret(engine, caller, name="k", value=CANARY)
    keys_before = (settings.data_dir / "secret-keys").read_text().split()
    admin = await Engine.open(settings, serve=False)
    assert await secret_values.rotate_secrets(admin) == 1
    await admin.close()
    keys = (settings.data_dir / "secret-keys").read_text().split()
    assert keys[1:] == keys_before
    assert await stored(engine, caller, "k") == CANARY, "the running server finds the new key"
