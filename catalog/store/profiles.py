"""Profiles: what the columns of one version of a table hold. Made once, gone with the version."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from catalog.tables import dataset_versions, profiles, remote_tables


def keep_profile(
    conn: Connection, workspace_id: str, version_id: str, columns: list[dict[str, Any]]
) -> None:
    """Keep a profile; of two made at once the first stays, and a version that is gone has none."""
    if not _version_exists(conn, version_id):
        return
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    conn.execute(
        insert(profiles)
        .values(version_id=version_id, workspace_id=workspace_id, columns=columns)
        .on_conflict_do_nothing(index_elements=["version_id"])
    )


def find_profile(
    conn: Connection, workspace_id: str, version_id: str
) -> list[dict[str, Any]] | None:
    """Return the columns of a profile, or None when it is not made yet."""
    query = select(profiles.c["columns"]).where(
        profiles.c.workspace_id == workspace_id, profiles.c.version_id == version_id
    )
    found: list[dict[str, Any]] | None = conn.scalars(query).first()
    return found


def drop_profiles(conn: Connection, version_ids: Collection[str]) -> None:
    """Forget the profiles of versions that are gone (some thousands at most)."""
    if version_ids:
        conn.execute(delete(profiles).where(profiles.c.version_id.in_(version_ids)))


def _version_exists(conn: Connection, version_id: str) -> bool:
    """Look for the version, and keep others from dropping it before the end of the transaction."""
    owners = (remote_tables.c.version_id, dataset_versions.c.id)
    return any(
        conn.scalars(select(column).where(column == version_id).with_for_update(read=True)).first()
        is not None
        for column in owners
    )
