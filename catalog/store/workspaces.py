"""Organisations and workspaces.

A deleted workspace keeps its rows but is never found again, so nothing below it can be reached.
"""

from sqlalchemy import Connection, RowMapping, ScalarSelect, Select, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from catalog.errors import NotFound
from catalog.ids import IdKind, new_id
from catalog.model import JobStatus, Organization, Workspace
from catalog.store.rows import columns_of, utc_now
from catalog.tables import connections, jobs, organizations, workspaces

DEFAULT_NAME = "default"

_COLUMNS = columns_of(workspaces, Workspace)


def ensure_default(conn: Connection) -> Workspace:
    """Return the oldest workspace of the organisation "default"; create what is missing.

    Idempotent, also when two servers start at once.
    """
    insert = sqlite.insert if conn.dialect.name == "sqlite" else postgresql.insert
    conn.execute(
        insert(organizations)
        .values(
            id=new_id(IdKind.ORGANIZATION),
            number=_next_number(organizations),
            name=DEFAULT_NAME,
            created_at=utc_now(),
        )
        .on_conflict_do_nothing()
    )
    # The lock lets one server create the workspace while the other waits to find it.
    organization_id = conn.scalars(
        select(organizations.c.id).where(organizations.c.name == DEFAULT_NAME).with_for_update()
    ).one()
    row = conn.execute(_live().where(workspaces.c.organization_id == organization_id)).mappings()
    first = row.first()
    if first is not None:
        return _workspace(first)
    return create_workspace(conn, organization_id, name=DEFAULT_NAME)


def get_organization(conn: Connection, organization_id: str) -> Organization:
    """Return an organisation.

    Raises:
        NotFound: there is none of this id.
    """
    query = select(*columns_of(organizations, Organization)).where(
        organizations.c.id == organization_id
    )
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound.of("Organization", organization_id)
    return Organization(**row)


def get_workspace(conn: Connection, workspace_id: str) -> Workspace:
    """Return a workspace.

    Raises:
        NotFound: there is none of this id, or it was deleted.
    """
    row = conn.execute(_live().where(workspaces.c.id == workspace_id)).mappings().first()
    if row is None:
        raise NotFound.of("Workspace", workspace_id)
    return _workspace(row)


def list_workspaces(conn: Connection, organization_id: str) -> tuple[Workspace, ...]:
    """Return the workspaces of an organisation, oldest first."""
    query = _live().where(workspaces.c.organization_id == organization_id)
    return tuple(_workspace(row) for row in conn.execute(query).mappings())


def create_workspace(conn: Connection, organization_id: str, *, name: str) -> Workspace:
    """Create a workspace; names need not be unique.

    Raises:
        NotFound: there is no such organisation.
    """
    # Of two servers that make a workspace at once, one waits here: their numbers differ.
    conn.execute(select(organizations.c.id).order_by(organizations.c.id).with_for_update())
    get_organization(conn, organization_id)
    values = {
        "id": new_id(IdKind.WORKSPACE),
        "organization_id": organization_id,
        "number": _next_number(workspaces),
        "name": name,
        "active": True,
        "favorite": False,
        "provision_status": "provisioned",
        "created_at": utc_now(),
    }
    made = conn.execute(workspaces.insert().values(values).returning(*_COLUMNS)).mappings()
    return _workspace(made.one())


def find_numbered(conn: Connection, organization_id: str, number: int) -> Workspace | None:
    """Return the workspace of an organisation that has a number, or None."""
    query = _live().where(
        workspaces.c.organization_id == organization_id, workspaces.c.number == number
    )
    row = conn.execute(query).mappings().first()
    return None if row is None else _workspace(row)


def delete_workspace(conn: Connection, organization_id: str, workspace_id: str) -> None:
    """Delete a workspace; its things vanish, its schedules end and its unfinished jobs fail.

    Raises:
        NotFound: the organisation has no such workspace.
    """
    now = utc_now()
    deleted = conn.execute(
        update(workspaces)
        .where(
            workspaces.c.id == workspace_id,
            workspaces.c.organization_id == organization_id,
            workspaces.c.deleted_at.is_(None),
        )
        .values(deleted_at=now, active=False)
    )
    if deleted.rowcount == 0:
        raise NotFound.of("Workspace", workspace_id)
    conn.execute(
        update(connections)
        .where(connections.c.workspace_id == workspace_id)
        .values(refresh_interval_s=None, next_refresh_at=None)
    )
    conn.execute(
        update(jobs)
        .where(
            jobs.c.workspace_id == workspace_id,
            jobs.c.status.in_([JobStatus.PENDING, JobStatus.RUNNING]),
        )
        .values(
            status=JobStatus.FAILED,
            completed_at=now,
            error_message="The workspace was deleted",
            lease_token=None,
        )
    )


def _next_number(table: Table) -> ScalarSelect[int]:
    """Rows are never removed, so a number is never used again."""
    return select(func.coalesce(func.max(table.c.number), 0) + 1).scalar_subquery()


def _live() -> Select[tuple[object, ...]]:
    return (
        select(*_COLUMNS)
        .where(workspaces.c.deleted_at.is_(None))
        .order_by(workspaces.c.created_at, workspaces.c.id)
    )


def _workspace(row: RowMapping) -> Workspace:
    return Workspace(**row)
