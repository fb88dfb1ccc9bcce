"""Secrets made for one thing, which go with it.

Nobody else is to lose a credential by that: a secret that another connection or embedding provider
names by now stays.
"""

from sqlalchemy import Connection, delete, select

from catalog.index_tables import embedding_providers
from catalog.tables import connections, secrets

_OWNERS = (connections, embedding_providers)


def drop_own_secret(conn: Connection, workspace_id: str, secret_id: str | None) -> None:
    """Delete the secret of a thing that no longer names it, unless something else does."""
    unused = [~select(t.c.id).where(t.c.secret_id == secret_id).exists() for t in _OWNERS]
    conn.execute(
        delete(secrets).where(
            secrets.c.workspace_id == workspace_id, secrets.c.id == secret_id, *unused
        )
    )
