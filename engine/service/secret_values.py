"""Named secrets of a workspace. Values go in and never come out of a use case.

Names are normalised by the store; every rule about them is there, once.
"""

import asyncio

from catalog import secret_store
from catalog.model import Secret
from engine.service.context import Caller, Engine
from engine.translate import translated


@translated
async def list_secrets(engine: Engine, caller: Caller) -> tuple[Secret, ...]:
    """List the secrets by name, without values."""
    return tuple(await engine.db.read(secret_store.list_secrets, caller.workspace_id))


@translated
async def create_secret(engine: Engine, caller: Caller, *, name: str, value: str) -> Secret:
    """Keep a value under a name.

    Raises:
        InvalidRequest: the name is not 1 to 128 of ``[A-Za-z0-9_-]``.
        Conflict: the name is taken.
    """
    return await engine.db.write(
        secret_store.create_secret, engine.keyring, caller.workspace_id, name, value
    )


@translated
async def get_secret(engine: Engine, caller: Caller, name: str) -> Secret:
    """Return the name and times of a secret."""
    return await engine.db.read(secret_store.get_secret, caller.workspace_id, name)


@translated
async def update_secret(engine: Engine, caller: Caller, name: str, *, value: str) -> Secret:
    """Replace the value; id and time of creation stay."""
    return await engine.db.write(
        secret_store.update_secret, engine.keyring, caller.workspace_id, name, value
    )


@translated
async def delete_secret(engine: Engine, caller: Caller, name: str) -> None:
    """Remove a secret.

    Raises:
        NotFound: there is none of this name.
    """
    await engine.db.write(secret_store.delete_secret, caller.workspace_id, name)


@translated
async def rotate_secrets(engine: Engine) -> int:
    """Encrypt every value again with the newest key; returns how many.

    A key file gets a new key first; keys from the settings are used as they are.
    """
    if engine.settings.secret_keys is None:
        engine.keyring = await asyncio.to_thread(engine.keyring.add_key)
    return await engine.db.write(secret_store.rotate_all, engine.keyring)
