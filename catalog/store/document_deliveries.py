"""Notifications of changed entries, kept until they are delivered or given up.

One is recorded in the transaction of the change it tells of, so none is lost and none is made up.
Those of an entry have turns: only the oldest that is pending may be tried. Who tries one claims it first,
by moving its ``next_at`` on: a crash then delays the next try and does nothing else.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    TextClause,
    delete,
    func,
    select,
    text,
    tuple_,
    update,
)

from catalog.document_model import Delivery, DeliveryStatus, Entry
from catalog.document_tables import (
    COMPLETED_DELIVERY,
    PENDING_DELIVERY,
    document_datasets,
    document_deliveries,
)
from catalog.ids import IdKind, new_id
from catalog.store.rows import columns_of, utc_now
from catalog.tables import organizations, workspaces

CHANGED = "entry.status_changed"

_COLUMNS = columns_of(document_deliveries, Delivery)


def record_change(conn: Connection, before: Entry, after: Entry) -> None:
    """Record the notifications of a changed status, if the dataset wants any."""
    mine = document_datasets.c.id == after.dataset_id
    config = conn.scalar(select(document_datasets.c.webhook_config).where(mine))
    if not config or not config["enabled"]:
        return
    wanted = set(config["events"])
    for kind in (f"entry.{after.status}", CHANGED):
        if kind in wanted:
            _insert(conn, kind, before, after)


def list_waiting(
    conn: Connection, now: datetime, *, without: Collection[int] = ()
) -> tuple[int, ...]:
    """Return the datasets that have notifications to be tried now, the longest waiting first.

    Reads every notification that is due; ``without`` leaves out datasets.
    """
    dataset_id = document_deliveries.c.dataset_id
    query = (
        select(dataset_id)
        .where(*_is_due(now), dataset_id.not_in(sorted(without)))
        .group_by(dataset_id)
        .order_by(func.min(document_deliveries.c.next_at), dataset_id)
    )
    return tuple(conn.scalars(query))


def claim(
    conn: Connection, places: Mapping[int, int], now: datetime, until: datetime
) -> tuple[Delivery, ...]:
    """Take notifications that should be tried now; nobody else tries them until then.

    Args:
        conn: where.
        places: how many to take at most, by dataset.
        now: the present moment.
        until: their ``next_at`` from now on; it proves the claim to :func:`settle`.

    Returns:
        At most one of each entry, its oldest.
    """
    claimed: list[Delivery] = []
    for dataset_id, limit in places.items():
        due = (
            select(document_deliveries.c.id)
            .where(*_is_due(now), document_deliveries.c.dataset_id == dataset_id)
            .order_by(document_deliveries.c.next_at, document_deliveries.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = conn.scalars(due).all()
        mine = document_deliveries.c.id.in_(ids)
        taken = update(document_deliveries).where(mine).values(next_at=until).returning(*_COLUMNS)
        claimed.extend(Delivery(**row) for row in conn.execute(taken).mappings())
    return tuple(claimed)


def settle(conn: Connection, claimed: Delivery, after: Delivery) -> bool:
    """Write down what came of a try; later notifications of the entry wait as long as this one.

    Returns:
        False when the claim is lost, and nothing was changed.
    """
    values = {column.name: getattr(after, column.name) for column in _COLUMNS}
    settled = conn.execute(update(document_deliveries).where(*_is_held(claimed)).values(values))
    if settled.rowcount == 0:
        return False
    if after.status is DeliveryStatus.PENDING:
        # They are not due before it is: looking at them every second would be of no use.
        conn.execute(
            update(document_deliveries)
            .where(
                text(PENDING_DELIVERY),
                document_deliveries.c.entry_id == after.entry_id,
                document_deliveries.c.next_at < after.next_at,
            )
            .values(next_at=after.next_at)
        )
    return True


def release(conn: Connection, claimed: Iterable[Delivery], now: datetime) -> None:
    """Give claims back, so that whoever comes next need not wait for their end."""
    for delivery in claimed:
        held = _is_held(delivery)
        conn.execute(update(document_deliveries).where(*held).values(next_at=now))


def forget_deliveries(conn: Connection, older_than: datetime) -> int:
    """Remove notifications that were completed before a moment; return how many."""
    old = (text(COMPLETED_DELIVERY), document_deliveries.c.completed_at < older_than)
    return conn.execute(delete(document_deliveries).where(*old)).rowcount


def page_deliveries(
    conn: Connection, workspace_id: str, dataset_id: int, *, limit: int, offset: int
) -> tuple[int, tuple[Delivery, ...]]:
    """Return how many notifications a dataset has had, and one page of them, newest first."""
    mine = (
        document_deliveries.c.workspace_id == workspace_id,
        document_deliveries.c.dataset_id == dataset_id,
    )
    total = conn.scalar(select(func.count()).select_from(document_deliveries).where(*mine)) or 0
    order = (document_deliveries.c.created_at.desc(), document_deliveries.c.id.desc())
    query = select(*_COLUMNS).where(*mine).order_by(*order).limit(limit).offset(offset)
    return total, tuple(Delivery(**row) for row in conn.execute(query).mappings())


def _is_due(now: datetime) -> tuple[ColumnElement[bool] | TextClause, ...]:
    """Say that a notification should be tried at a moment: it is its time and its turn."""
    mine, other = document_deliveries.c, document_deliveries.alias("other")
    # With the name of its table: the condition of the partial index, for the other one.
    is_earlier = (
        select(other.c.id)
        .where(
            text(f"other.{PENDING_DELIVERY}"),
            other.c.entry_id == mine.entry_id,
            tuple_(other.c.created_at, other.c.id) < tuple_(mine.created_at, mine.id),
        )
        .exists()
    )
    return text(f"document_deliveries.{PENDING_DELIVERY}"), mine.next_at <= now, ~is_earlier


def _is_held(claimed: Delivery) -> tuple[ColumnElement[bool] | TextClause, ...]:
    return (
        text(PENDING_DELIVERY),
        document_deliveries.c.id == claimed.id,
        document_deliveries.c.next_at == claimed.next_at,
    )


def _insert(conn: Connection, kind: str, before: Entry, after: Entry) -> None:
    now = utc_now()
    created_at = _after_others(conn, after.id, now)
    delivery_id = new_id(IdKind.DELIVERY)
    numbers = conn.execute(_numbers(after.workspace_id)).mappings().one()
    event: dict[str, Any] = {
        "id": delivery_id,
        "type": kind,
        "created_at": created_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "organization_id": numbers["organization"],
        "cluster_id": numbers["cluster"],
        "dataset_id": after.dataset_id,
        "entry_id": after.id,
        "entry_slug": after.slug,
        "old_status": before.status,
        "new_status": after.status,
        "error": after.error,
    }
    conn.execute(
        document_deliveries.insert().values(
            id=delivery_id,
            workspace_id=after.workspace_id,
            dataset_id=after.dataset_id,
            entry_id=after.id,
            event=event,
            status=DeliveryStatus.PENDING,
            attempts=0,
            next_at=now,
            created_at=created_at,
        )
    )


def _after_others(conn: Connection, entry_id: int, now: datetime) -> datetime:
    """Return a moment after the entry's pending notifications, whatever another server's clock says."""
    mine = (text(PENDING_DELIVERY), document_deliveries.c.entry_id == entry_id)
    last = conn.scalar(select(func.max(document_deliveries.c.created_at)).where(*mine))
    return now if last is None else max(now, last + timedelta(microseconds=1))


def _numbers(workspace_id: str) -> Select[Any]:
    return (
        select(organizations.c.number.label("organization"), workspaces.c.number.label("cluster"))
        .join(workspaces, workspaces.c.organization_id == organizations.c.id)
        .where(workspaces.c.id == workspace_id)
    )
