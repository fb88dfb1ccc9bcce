"""Embedding providers: what turns texts into vectors, and the key of a service.

One is always there, the system's own, and cannot be changed. The key of a provider goes in and never
comes out: it is a secret, which the client names, or which is made here and goes with the provider.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from catalog import secret_store
from catalog.ids import IdKind, new_id
from catalog.index_model import EmbeddingProvider
from catalog.store import embedding_providers as provider_store
from connectors.egress import check_url
from engine import errors
from engine.embeddings.fastembed_local import check_folder
from engine.embeddings.provider_config import (
    BUILT_IN_DIMENSIONS,
    BUILT_IN_MODEL,
    LocalConfig,
    read_config,
)
from engine.service.context import Caller, Engine
from engine.service.own_secrets import keep_own, named_secret
from engine.translate import translated

NAME_CHARS_MAX = 255
_CHANGEABLE = ("name", "config", "api_key", "secret_name")

SYSTEM_PROVIDER = EmbeddingProvider(
    id="sys_emb_local",
    workspace_id="",
    name="local",
    provider_type="local",
    config={"model": BUILT_IN_MODEL, "metric": "cosine", "dimensions": BUILT_IN_DIMENSIONS[-1]},
    secret_id=None,
    owns_secret=False,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    updated_at=datetime(2026, 1, 1, tzinfo=UTC),
)


@dataclass(frozen=True, slots=True)
class NewProvider:
    """What a client asks for; at most one of ``api_key`` and ``secret_name``."""

    name: str
    provider_type: str
    config: Any
    api_key: str | None = field(default=None, repr=False)
    secret_name: str | None = None


def is_system(provider: EmbeddingProvider) -> bool:
    """Tell the provider that is always there."""
    return provider.id == SYSTEM_PROVIDER.id


@translated
async def list_providers(engine: Engine, caller: Caller) -> tuple[EmbeddingProvider, ...]:
    """List the system's provider, then the others by name."""
    own = await engine.db.read(provider_store.list_providers, caller.workspace_id)
    return (SYSTEM_PROVIDER, *own)


@translated
async def get_provider(engine: Engine, caller: Caller, provider_id: str) -> EmbeddingProvider:
    """Return a provider; raise ``NotFound``."""
    if provider_id == SYSTEM_PROVIDER.id:
        return SYSTEM_PROVIDER
    return await engine.db.read(provider_store.get_provider, caller.workspace_id, provider_id)


@translated
async def create_provider(engine: Engine, caller: Caller, asked: NewProvider) -> EmbeddingProvider:
    """Make a provider; a service is not asked, and needs no key before it is.

    Raises:
        InvalidRequest: a blank name, an unknown type, a configuration that is not valid or holds a
            credential, two keys, a secret that does not exist.
        Conflict: the workspace has a provider of this name.
    """
    name = _checked_name(asked.name)
    config = await _check_config(engine, asked.provider_type, asked.config)
    _check_key(asked.provider_type, asked.api_key, asked.secret_name)
    secret_id = await _find_secret(engine, caller, asked.secret_name)
    now = datetime.now(UTC)
    provider = EmbeddingProvider(
        id=new_id(IdKind.EMBEDDING_PROVIDER),
        workspace_id=caller.workspace_id,
        name=name,
        provider_type=asked.provider_type,
        config=config,
        secret_id=secret_id,
        owns_secret=False,
        created_at=now,
        updated_at=now,
    )

    def write(conn: Connection) -> EmbeddingProvider:
        made = provider
        if asked.api_key is not None:
            own_id = _keep_key(conn, engine, provider, asked.api_key)
            made = replace(provider, secret_id=own_id, owns_secret=True)
        elif secret_id is not None:  # it may have been deleted since it was read
            secret_store.find_id(conn, caller.workspace_id, secret_id)
        provider_store.insert_provider(conn, made)
        return made

    return await engine.db.write(write)


@translated
async def update_provider(
    engine: Engine, caller: Caller, provider_id: str, changes: Mapping[str, Any]
) -> EmbeddingProvider:
    """Change a provider; only the keys present are changed.

    ``config`` takes the place of the whole configuration. ``api_key`` changes the provider's own secret,
    or makes one; ``secret_name`` names another, None takes the key away. A key is not sent to another
    address than it was given for: a ``config`` with one needs the key, or the name of its secret, again.

    Raises:
        NotFound: there is no such provider.
        InvalidRequest: it is the system's, or see :func:`create_provider`.
        Conflict: the workspace has another provider of this name.
    """
    provider = await get_provider(engine, caller, provider_id)
    _refuse_system(provider)
    if not changes:
        raise errors.InvalidRequest(f"Nothing to change: give one of {', '.join(_CHANGEABLE)}")
    api_key, secret_name = changes.get("api_key"), changes.get("secret_name")
    _check_key(provider.provider_type, api_key, secret_name)
    values: dict[str, Any] = {}
    if "name" in changes:
        values["name"] = _checked_name(changes["name"])
    if "config" in changes:
        values["config"] = await _check_config(engine, provider.provider_type, changes["config"])
    secret_id = await _find_secret(engine, caller, secret_name)

    def write(conn: Connection) -> EmbeddingProvider:
        current = provider_store.lock_provider(conn, caller.workspace_id, provider_id)
        if "config" in values and api_key is None and "secret_name" not in changes:
            _refuse_another_address(current, values["config"])
        if api_key is not None:
            values.update(_change_key(conn, engine, current, api_key))
        elif "secret_name" in changes:
            values.update(_change_secret(conn, current, secret_id))
        return provider_store.update_provider(conn, current, values)

    return await engine.db.write(write)


@translated
async def delete_provider(engine: Engine, caller: Caller, provider_id: str) -> None:
    """Delete a provider with its own secret.

    Raises:
        NotFound: there is no such provider.
        InvalidRequest: it is the system's.
        Conflict: an index or a document dataset is made with it.
    """
    _refuse_system(await get_provider(engine, caller, provider_id))
    await engine.db.write(provider_store.delete_provider, caller.workspace_id, provider_id)


def _refuse_system(provider: EmbeddingProvider) -> None:
    if is_system(provider):
        raise errors.InvalidRequest("A system provider cannot be changed or deleted")


def _checked_name(given: str) -> str:
    name = given.strip()
    if not name:
        raise errors.InvalidRequest("Embedding provider name cannot be empty")
    if len(name) > NAME_CHARS_MAX or not name.isprintable():
        raise errors.InvalidRequest(
            f"Embedding provider name must be at most {NAME_CHARS_MAX} printable characters"
        )
    if name == SYSTEM_PROVIDER.name:
        raise provider_store.name_taken(name)
    return name


async def _check_config(engine: Engine, provider_type: str, given: object) -> dict[str, Any]:
    config = {} if given is None else given
    read = read_config(provider_type, config)
    if isinstance(read, LocalConfig) and not read.is_built_in:
        await asyncio.to_thread(check_folder, read, engine.settings.local_files)
    assert isinstance(config, dict)
    return config


def _check_key(provider_type: str, api_key: str | None, secret_name: str | None) -> None:
    if api_key is not None and secret_name is not None:
        raise errors.InvalidRequest("Give api_key or secret_name, not both")
    if provider_type == "local" and (api_key is not None or secret_name is not None):
        raise errors.InvalidRequest("A local provider takes no api_key and no secret_name")
    if api_key is not None and not api_key.strip():
        raise errors.InvalidRequest("api_key cannot be empty")


async def _find_secret(engine: Engine, caller: Caller, name: str | None) -> str | None:
    if name is None:
        return None
    secret_id, _ = await named_secret(engine, caller.workspace_id, name)
    return secret_id


def _refuse_another_address(provider: EmbeddingProvider, config: Mapping[str, Any]) -> None:
    """Keep a key from being sent to whoever may change a configuration."""
    if provider.secret_id is None:
        return
    before, after = (_address_of(each["base_url"]) for each in (provider.config, config))
    if before != after:
        raise errors.InvalidRequest(
            "The key is for another address than this config.base_url: give api_key or secret_name too"
        )


def _address_of(base_url: str) -> tuple[str, str, int | None]:
    url = check_url(base_url)
    return url.scheme, url.host, url.port


def _keep_key(conn: Connection, engine: Engine, provider: EmbeddingProvider, api_key: str) -> str:
    words = ("embp", provider.name, "api_key")
    return keep_own(conn, engine, provider.workspace_id, words, api_key)


def _change_key(
    conn: Connection, engine: Engine, provider: EmbeddingProvider, api_key: str
) -> dict[str, Any]:
    """Give the provider's own secret another value, or make one."""
    own_id = provider.secret_id if provider.owns_secret else None
    workspace_id = provider.workspace_id
    if own_id is not None and secret_store.replace_value(
        conn, engine.keyring, workspace_id, own_id, api_key
    ):
        return {}
    return {"secret_id": _keep_key(conn, engine, provider, api_key), "owns_secret": True}


def _change_secret(
    conn: Connection, provider: EmbeddingProvider, secret_id: str | None
) -> dict[str, Any]:
    """Name another secret, or none; to name the provider's own is to keep it."""
    if secret_id is not None:
        secret_store.find_id(conn, provider.workspace_id, secret_id)
        if secret_id == provider.secret_id:
            return {}
    return {"secret_id": secret_id, "owns_secret": False}
