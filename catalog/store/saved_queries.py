"""Saved queries: a name, and SQL texts that are versioned.

A version is added only when the SQL text changes; everything else changes in place, the overrides
on the latest version. Writers of one saved query wait for each other, so numbers have no gaps.
Values arrive trimmed and validated.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, delete, select, update

from catalog.errors import InvalidValue, NotFound
from catalog.ids import IdKind, new_id, snapshot_id
from catalog.model import Classification, Page, SavedQuery, SavedQueryVersion, Snapshot
from catalog.store.rows import columns_of, read_page, utc_now
from catalog.store.runs import keep_snapshots
from catalog.tables import saved_queries, saved_query_versions, snapshots

_DETAILS = frozenset({"name", "description", "tags"})
_OVERRIDES = frozenset({"category_override", "table_size_override"})
_QUERY = columns_of(saved_queries, SavedQuery)
_VERSION = [
    *columns_of(saved_query_versions, SavedQueryVersion),
    snapshots.c.sql_hash,
    snapshots.c.sql_text.label("sql"),
]


def create_saved_query(  # noqa: PLR0913 - one new row, all keyword
    conn: Connection,
    workspace_id: str,
    *,
    name: str,
    sql: str,
    description: str = "",
    tags: tuple[str, ...] = (),
    classification: Classification | None = None,
) -> SavedQuery:
    """Save a query as version 1; names need not be unique."""
    now = utc_now()
    query_id = new_id(IdKind.SAVED_QUERY)
    conn.execute(
        saved_queries.insert().values(
            id=query_id,
            workspace_id=workspace_id,
            name=name,
            description=description,
            tags=tags,
            latest_version=1,
            created_at=now,
            updated_at=now,
        )
    )
    version = _make_version(
        workspace_id, query_id, sql=sql, classification=classification, created_at=now
    )
    _insert_version(conn, workspace_id, version)
    return get_saved_query(conn, workspace_id, query_id)


def get_saved_query(conn: Connection, workspace_id: str, query_id: str) -> SavedQuery:
    """Return a saved query with its latest version.

    Raises:
        NotFound: the workspace has no such saved query.
    """
    query = _select_queries(workspace_id).where(saved_queries.c.id == query_id)
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound.of("Saved query", query_id)
    return _saved_query(row)


def list_saved_queries(
    conn: Connection, workspace_id: str, *, limit: int, offset: int
) -> Page[SavedQuery]:
    """Return a page of saved queries by name; limit 1 to 1000."""
    query = _select_queries(workspace_id).order_by(saved_queries.c.name, saved_queries.c.id)
    return read_page(conn, query, _saved_query, limit=limit, offset=offset, limit_min=1)


def update_saved_query(
    conn: Connection,
    workspace_id: str,
    query_id: str,
    changes: Mapping[str, Any],
    classification: Classification | None,
) -> SavedQuery:
    """Apply the changes that are present; when they change nothing, touch nothing.

    Args:
        conn: where.
        workspace_id: whose.
        query_id: which.
        changes: new values of name, description, tags, sql, category_override and
            table_size_override; None clears an override.
        classification: of the new SQL, used only when the SQL text changes.

    Raises:
        NotFound: the workspace has no such saved query.
        InvalidValue: there is nothing of that name to change.
    """
    if unknown := changes.keys() - _DETAILS - _OVERRIDES - {"sql"}:
        raise InvalidValue(f"A saved query has no {min(unknown)} to change")
    _lock(conn, workspace_id, query_id)
    old = get_saved_query(conn, workspace_id, query_id)
    details = {k: changes[k] for k in _DETAILS & changes.keys() if changes[k] != getattr(old, k)}
    overrides = {key: changes.get(key, getattr(old.version, key)) for key in _OVERRIDES}
    now = utc_now()
    if changes.get("sql", old.version.sql) != old.version.sql:
        version = _make_version(
            workspace_id,
            query_id,
            sql=changes["sql"],
            classification=classification,
            created_at=now,
            number=old.latest_version + 1,
            **overrides,
        )
        _insert_version(conn, workspace_id, version)
        details["latest_version"] = version.version
    elif any(overrides[key] != getattr(old.version, key) for key in _OVERRIDES):
        latest = and_(
            saved_query_versions.c.saved_query_id == query_id,
            saved_query_versions.c.version == old.latest_version,
        )
        conn.execute(update(saved_query_versions).where(latest).values(overrides))
    elif not details:
        return old
    conn.execute(
        update(saved_queries)
        .where(saved_queries.c.id == query_id)
        .values({**details, "updated_at": now})
    )
    return get_saved_query(conn, workspace_id, query_id)


def delete_saved_query(conn: Connection, workspace_id: str, query_id: str) -> None:
    """Delete a saved query with its versions; its runs and their SQL remain.

    Raises:
        NotFound: the workspace has no such saved query.
    """
    deleted = conn.execute(delete(saved_queries).where(_is_mine(workspace_id, query_id)))
    if deleted.rowcount == 0:
        raise NotFound.of("Saved query", query_id)


def list_versions(
    conn: Connection, workspace_id: str, query_id: str, *, limit: int, offset: int
) -> Page[SavedQueryVersion]:
    """Return a page of versions, newest first; limit 1 to 1000.

    Raises:
        NotFound: the workspace has no such saved query.
    """
    get_saved_query(conn, workspace_id, query_id)
    query = _select_versions(workspace_id, query_id).order_by(saved_query_versions.c.version.desc())
    return read_page(
        conn,
        query,
        lambda row: SavedQueryVersion(**row),
        limit=limit,
        offset=offset,
        limit_min=1,
    )


def get_version(
    conn: Connection, workspace_id: str, query_id: str, version: int | None = None
) -> SavedQueryVersion:
    """Return one version, the latest when no number is given.

    Raises:
        NotFound: the workspace has no such saved query, or the query no such version.
    """
    saved = get_saved_query(conn, workspace_id, query_id)
    if version is None:
        return saved.version
    query = _select_versions(workspace_id, query_id).where(
        saved_query_versions.c.version == version
    )
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"Version {version} not found for saved query '{query_id}'")
    return SavedQueryVersion(**row)


def _make_version(  # noqa: PLR0913 - the fields of one row, all keyword
    workspace_id: str,
    query_id: str,
    *,
    sql: str,
    classification: Classification | None,
    created_at: datetime,
    number: int = 1,
    category_override: str | None = None,
    table_size_override: str | None = None,
) -> SavedQueryVersion:
    sql_hash = hashlib.sha256(sql.encode()).hexdigest()
    return SavedQueryVersion(
        saved_query_id=query_id,
        version=number,
        sql=sql,
        sql_hash=sql_hash,
        snapshot_id=snapshot_id(workspace_id, sql_hash),
        classification=classification or Classification(),
        category_override=category_override,
        table_size_override=table_size_override,
        created_at=created_at,
    )


def _insert_version(conn: Connection, workspace_id: str, version: SavedQueryVersion) -> None:
    keep_snapshots(
        conn, [Snapshot(version.snapshot_id, workspace_id, version.sql_hash, version.sql)]
    )
    values = {
        column.name: getattr(version, column.name)
        for column in columns_of(saved_query_versions, SavedQueryVersion)
    }
    values |= {"workspace_id": workspace_id, "classification": asdict(version.classification)}
    conn.execute(saved_query_versions.insert().values(values))


def _lock(conn: Connection, workspace_id: str, query_id: str) -> None:
    query = select(saved_queries.c.id).where(_is_mine(workspace_id, query_id)).with_for_update()
    if conn.scalars(query).first() is None:
        raise NotFound.of("Saved query", query_id)


def _is_mine(workspace_id: str, query_id: str) -> Any:  # noqa: ANN401 - SQLAlchemy's own type is private
    return and_(saved_queries.c.workspace_id == workspace_id, saved_queries.c.id == query_id)


def _select_queries(workspace_id: str) -> Select[Any]:
    version = [column.label(f"version.{column.name}") for column in _VERSION]
    return (
        select(*_QUERY, *version)
        .join(
            saved_query_versions,
            and_(
                saved_query_versions.c.saved_query_id == saved_queries.c.id,
                saved_query_versions.c.version == saved_queries.c.latest_version,
            ),
        )
        .join(snapshots, snapshots.c.id == saved_query_versions.c.snapshot_id)
        .where(saved_queries.c.workspace_id == workspace_id)
    )


def _select_versions(workspace_id: str, query_id: str) -> Select[Any]:
    return (
        select(*_VERSION)
        .join(snapshots, snapshots.c.id == saved_query_versions.c.snapshot_id)
        .where(
            saved_query_versions.c.workspace_id == workspace_id,
            saved_query_versions.c.saved_query_id == query_id,
        )
    )


def _saved_query(row: RowMapping) -> SavedQuery:
    values = {column.name: row[column.name] for column in _QUERY}
    version = {column.name: row[f"version.{column.name}"] for column in _VERSION}
    return SavedQuery(**values, version=SavedQueryVersion(**version))
