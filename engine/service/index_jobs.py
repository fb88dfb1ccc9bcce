"""Jobs that build indexes: what they carry, and which are wanted.

A table gets another version by a refresh or a pin, and every index of it that was not built along with that
needs a job. It is queued in the transaction that makes the version count, so no index is forgotten, by a
crash neither.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from catalog import jobs as job_store
from catalog.index_model import Index
from catalog.model import Job
from catalog.store import indexes as index_store

TABLE_JOB = "create_index"
DATASET_JOB = "create_dataset_index"


@dataclass(frozen=True, slots=True)
class TablePlace:
    """A remote table, by the names in its address."""

    connection_id: str
    schema: str
    table: str


Place = TablePlace | str
"""A remote table, or the id of a dataset."""


def queue_build(conn: Connection, index: Index, place: Place) -> Job:
    """Have a job build an index, if none is to already."""
    is_table = isinstance(place, TablePlace)
    return job_store.enqueue(
        conn,
        index.workspace_id,
        job_type=TABLE_JOB if is_table else DATASET_JOB,
        payload={"index_id": index.id, "place": _place_fields(place)},
        dedupe_key=f"index {index.id}",
    )


def settle_builds(
    conn: Connection, owner_id: str, failures: Mapping[str, str] | None = None
) -> None:
    """Say of every index of a table or dataset that is not built what becomes of it.

    Args:
        conn: where a version was made the one that is read, with what is built of it.
        owner_id: of the table or dataset.
        failures: why some indexes cannot be built of this version, by their ids; the others get jobs.
    """
    failures = failures or {}
    for index_id, message in failures.items():
        index_store.record_failure(conn, [index_id], message)
    for row in index_store.list_unbuilt(conn, owner_id):
        index = index_store.index_of(row)
        if index.id not in failures:
            queue_build(conn, index, _place_of(row))


def place_of(job: Job) -> Place:
    """Return where the index of a job is."""
    fields = job.payload["place"]
    return fields["dataset_id"] if "dataset_id" in fields else TablePlace(**fields)


def _place_of(row: Mapping[str, Any]) -> Place:
    if row["dataset_id"] is not None:
        return str(row["dataset_id"])
    return TablePlace(row["connection_id"], row["schema_name"], row["table_name"])


def _place_fields(place: Place) -> dict[str, str]:
    if isinstance(place, str):
        return {"dataset_id": place}
    return {"connection_id": place.connection_id, "schema": place.schema, "table": place.table}
