"""Secrets made for one thing, which go with it.

Nobody else is to lose a credential by that: a secret that another connection or embedding provider
names by now stays.
"""

from sqlalchemy import Connection, delete, select

from catalog.document_tables import document_datasets
from catalog.index_tables import embedding_providers
from catalog.tables import connections, secrets

_OWNERS = (
    connections.c.secret_id,
    embedding_providers.c.secret_id,
    document_datasets.c.webhook_secret_id,
)


def drop_own_secret(conn: Connection, workspace_id: str, secret_id: str | None) -> None:
    """Delete the secret of a thing that no longer names it, unless something else does."""
    unused = [~select(named).where(named == secret_id).exists() for named in _OWNERS]
    conn.execute(
        delete(secrets).where(
            secrets.c.workspace_id == workspace_id, secrets.c.id == secret_id, *unused
        )
    )
