"""Embedding providers that a workspace made.

The configuration is stored without the key, which is a secret. A secret made for a provider goes
with it, one that its owner made stays.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select, delete, select, update
from sqlalchemy.exc import IntegrityError

from catalog.document_tables import document_datasets
from catalog.errors import Conflict, InvalidValue, NotFound
from catalog.index_model import EmbeddingProvider
from catalog.index_tables import embedding_providers as providers
from catalog.index_tables import indexes
from catalog.store.own_secrets import drop_own_secret
from catalog.store.rows import columns_of, utc_now

_COLUMNS = columns_of(providers, EmbeddingProvider)
_CHANGEABLE = frozenset({"name", "config", "secret_id", "owns_secret"})


def insert_provider(conn: Connection, provider: EmbeddingProvider) -> None:
    """Record a new provider.

    Raises:
        Conflict: the workspace has a provider of this name.
    """
    _refuse_taken_name(conn, provider.workspace_id, provider.name)
    values = {column: getattr(provider, column.name) for column in _COLUMNS}
    try:
        conn.execute(providers.insert().values(values))
    except IntegrityError as error:
        raise name_taken(provider.name) from error


def get_provider(conn: Connection, workspace_id: str, provider_id: str) -> EmbeddingProvider:
    """Return a provider.

    Raises:
        NotFound: the workspace has no such provider.
    """
    return _read(conn, _all(workspace_id), provider_id)


def lock_provider(conn: Connection, workspace_id: str, provider_id: str) -> EmbeddingProvider:
    """Return a provider that nobody else changes before this transaction ends.

    Raises:
        NotFound: the workspace has no such provider.
    """
    return _read(conn, _all(workspace_id).with_for_update(), provider_id)


def list_providers(conn: Connection, workspace_id: str) -> tuple[EmbeddingProvider, ...]:
    """Return every provider the workspace made, by name."""
    rows = conn.execute(_all(workspace_id).order_by(providers.c.name)).mappings()
    return tuple(EmbeddingProvider(**row) for row in rows)


def update_provider(
    conn: Connection, provider: EmbeddingProvider, changes: Mapping[str, Any]
) -> EmbeddingProvider:
    """Change some of a locked provider; its own secret goes when it is given another or none.

    Raises:
        Conflict: the workspace has another provider of this name.
    """
    if unknown := changes.keys() - _CHANGEABLE:
        raise InvalidValue(f"An embedding provider has no {min(unknown)} to change")
    name = changes.get("name", provider.name)
    if name != provider.name:
        _refuse_taken_name(conn, provider.workspace_id, name)
    values = {**changes, "updated_at": utc_now()}
    try:
        conn.execute(update(providers).where(providers.c.id == provider.id).values(values))
    except IntegrityError as error:
        raise name_taken(name) from error
    changed = get_provider(conn, provider.workspace_id, provider.id)
    if provider.owns_secret and changed.secret_id != provider.secret_id:
        drop_own_secret(conn, provider.workspace_id, provider.secret_id)
    return changed


def delete_provider(conn: Connection, workspace_id: str, provider_id: str) -> None:
    """Delete a provider and its own secret.

    Raises:
        NotFound: the workspace has no such provider.
        Conflict: an index or a document dataset is made with it.
    """
    provider = lock_provider(conn, workspace_id, provider_id)
    for user, table in (("An index", indexes), ("A document dataset", document_datasets)):
        mine = table.c.workspace_id == workspace_id, table.c.embedding_provider_id == provider_id
        if conn.scalars(select(table.c.id).where(*mine).limit(1)).first() is not None:
            raise Conflict(
                f"{user} is made with embedding provider '{provider.name}'. Delete that first."
            )
    conn.execute(delete(providers).where(providers.c.id == provider_id))
    if provider.owns_secret:
        drop_own_secret(conn, workspace_id, provider.secret_id)


def name_taken(name: str) -> Conflict:
    """Say that there is a provider of this name."""
    return Conflict(f"Embedding provider '{name}' already exists")


def _refuse_taken_name(conn: Connection, workspace_id: str, name: str) -> None:
    if conn.execute(_all(workspace_id).where(providers.c.name == name)).first() is not None:
        raise name_taken(name)


def _all(workspace_id: str) -> Select[Any]:
    return select(*_COLUMNS).where(providers.c.workspace_id == workspace_id)


def _read(conn: Connection, query: Select[Any], provider_id: str) -> EmbeddingProvider:
    row = conn.execute(query.where(providers.c.id == provider_id)).mappings().first()
    if row is None:
        raise NotFound.of("Embedding provider", provider_id)
    return EmbeddingProvider(**row)
