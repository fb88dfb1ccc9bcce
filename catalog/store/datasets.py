"""Datasets and their versions: tables the workspace owns.

Versions are immutable and numbered from 1 without gaps; their files belong to one version. SQL
reads the pinned version, else the latest.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, delete, func, select, update
from sqlalchemy.exc import IntegrityError

from catalog.errors import Conflict, InvalidValue, NotFound
from catalog.index_model import IndexBuild
from catalog.model import Dataset, DatasetVersion, Page, StoredFile
from catalog.store.dropped import drop_blobs
from catalog.store.indexes import add_builds, drop_builds
from catalog.store.profiles import drop_profiles
from catalog.store.rows import columns_of, read_page, utc_now
from catalog.store.uploads import consume_upload
from catalog.tables import dataset_files, dataset_versions, datasets

DEFAULT_SCHEMA = "main"

_DATASET = columns_of(datasets, Dataset)
_VERSION = columns_of(dataset_versions, DatasetVersion)
_CHANGEABLE = frozenset({"label", "table_name", "pinned_version"})


def create_dataset(  # noqa: PLR0913 - one new row, all keyword
    conn: Connection,
    workspace_id: str,
    *,
    label: str,
    table_name: str,
    source: dict[str, Any],
    version: DatasetVersion,
    upload_id: str | None = None,
) -> Dataset:
    """Create a dataset with its version 1, and consume the upload it was made of.

    Args:
        conn: where.
        workspace_id: whose.
        label: what people call it; need not be unique.
        table_name: what SQL calls it; unique in the workspace, already validated.
        source: what a refresh repeats.
        version: its first state; its ``dataset_id`` becomes the id, its number is 1.
        upload_id: the claimed upload, if any.

    Raises:
        Conflict: the table name is in use, or the claim on the upload was lost.
        InvalidValue: the upload was consumed.
    """
    now = utc_now()
    dataset = Dataset(
        id=version.dataset_id,
        workspace_id=workspace_id,
        label=label,
        schema_name=DEFAULT_SCHEMA,
        table_name=table_name,
        latest_version=1,
        pinned_version=None,
        source=source,
        created_at=now,
        updated_at=now,
    )
    _refuse_taken_name(conn, workspace_id, table_name)
    try:
        conn.execute(datasets.insert().values({c: getattr(dataset, c.name) for c in _DATASET}))
    except IntegrityError as error:
        raise _name_taken(table_name) from error
    _insert_version(conn, dataset, version, number=1)
    if upload_id is not None:
        consume_upload(conn, workspace_id, upload_id)
    return dataset


def get_dataset(conn: Connection, workspace_id: str, dataset_id: str) -> Dataset:
    """Return a dataset.

    Raises:
        NotFound: the workspace has no such dataset.
    """
    row = conn.execute(_one(workspace_id, dataset_id)).mappings().first()
    if row is None:
        raise NotFound.of("Dataset", dataset_id)
    return Dataset(**row)


def list_datasets(conn: Connection, workspace_id: str, *, limit: int, offset: int) -> Page[Dataset]:
    """Return a page of datasets by label; limit 0 to 1000."""
    query = (
        select(*_DATASET)
        .where(datasets.c.workspace_id == workspace_id)
        .order_by(datasets.c.label, datasets.c.id)
    )
    return read_page(conn, query, lambda row: Dataset(**row), limit=limit, offset=offset)


def find_table(
    conn: Connection, workspace_id: str, schema_name: str, table_name: str
) -> tuple[Dataset, DatasetVersion] | None:
    """Return the dataset of this name with the version SQL reads, or None. One SELECT."""
    names = {
        "workspace_id": workspace_id,
        "schema_name": schema_name,
        "table_name": table_name,
    }
    found = _read_tables(conn.execute(_one_table(), names).mappings())
    return found[0] if found else None


def list_tables(conn: Connection, workspace_id: str) -> tuple[tuple[Dataset, DatasetVersion], ...]:
    """Return every dataset with the version SQL reads, by schema and table name."""
    return tuple(
        _read_tables(conn.execute(_all_tables(), {"workspace_id": workspace_id}).mappings())
    )


def update_dataset(
    conn: Connection, workspace_id: str, dataset_id: str, changes: Mapping[str, Any]
) -> Dataset:
    """Change some of label, table_name and pinned_version; only the keys present are changed.

    Args:
        conn: where.
        workspace_id: whose.
        dataset_id: which.
        changes: new values by name; ``pinned_version`` None unpins.

    Raises:
        NotFound: the workspace has no such dataset.
        Conflict: the table name is in use.
        InvalidValue: there is no version of the pinned number.
    """
    if unknown := changes.keys() - _CHANGEABLE:
        raise InvalidValue(f"A dataset has no {min(unknown)} to change")
    dataset = lock_dataset(conn, workspace_id, dataset_id)
    pinned = changes.get("pinned_version")
    if pinned is not None and not 1 <= pinned <= dataset.latest_version:
        raise InvalidValue(f"Dataset '{dataset_id}' has no version {pinned}")
    table_name = changes.get("table_name", dataset.table_name)
    if table_name != dataset.table_name:
        _refuse_taken_name(conn, workspace_id, table_name)
    try:
        conn.execute(
            update(datasets)
            .where(datasets.c.id == dataset_id)
            .values({**changes, "updated_at": utc_now()})
        )
    except IntegrityError as error:
        raise _name_taken(table_name) from error
    return get_dataset(conn, workspace_id, dataset_id)


def delete_dataset(conn: Connection, workspace_id: str, dataset_id: str) -> None:
    """Delete a dataset with its versions; queries that already read its files may finish.

    Raises:
        NotFound: the workspace has no such dataset.
    """
    lock_dataset(conn, workspace_id, dataset_id)
    keys = conn.scalars(
        select(dataset_files.c.key)
        .join(dataset_versions, dataset_versions.c.id == dataset_files.c.version_id)
        .where(dataset_versions.c.dataset_id == dataset_id)
    ).all()
    drop_blobs(conn, keys, utc_now())
    drop_builds(conn, [dataset_id])
    mine = select(dataset_versions.c.id).where(dataset_versions.c.dataset_id == dataset_id)
    # Locked: a profile may be about to be kept.
    drop_profiles(conn, conn.scalars(mine.with_for_update()).all())
    conn.execute(delete(datasets).where(datasets.c.id == dataset_id))


def add_version(
    conn: Connection,
    workspace_id: str,
    dataset_id: str,
    version: DatasetVersion,
    builds: Sequence[IndexBuild] = (),
) -> DatasetVersion:
    """Add the next version with its indexes; writers of one dataset wait for each other.

    Args:
        conn: where.
        workspace_id: whose.
        dataset_id: which.
        version: the new state; ``dataset_id`` and the next number replace its own.
        builds: of the version; left out when another one is pinned.

    Raises:
        NotFound: the workspace has no such dataset, perhaps not any more.
    """
    dataset = lock_dataset(conn, workspace_id, dataset_id)
    number = dataset.latest_version + 1
    conn.execute(
        update(datasets)
        .where(datasets.c.id == dataset_id)
        .values(latest_version=number, updated_at=utc_now())
    )
    _insert_version(conn, dataset, version, number=number)
    if dataset.pinned_version is None:
        add_builds(conn, builds)
    return get_version(conn, workspace_id, dataset_id, number)


def lock_dataset(conn: Connection, workspace_id: str, dataset_id: str) -> Dataset:
    """Return a dataset that does not change before the end of the transaction; raise ``NotFound``."""
    row = conn.execute(_one(workspace_id, dataset_id).with_for_update()).mappings().first()
    if row is None:
        raise NotFound.of("Dataset", dataset_id)
    return Dataset(**row)


def list_versions(
    conn: Connection, workspace_id: str, dataset_id: str, *, limit: int, offset: int
) -> Page[DatasetVersion]:
    """Return a page of versions, newest first; limit 0 to 1000.

    Raises:
        NotFound: the workspace has no such dataset.
    """
    get_dataset(conn, workspace_id, dataset_id)
    query = _versions(workspace_id, dataset_id).order_by(dataset_versions.c.version.desc())
    page = read_page(conn, query, dict, limit=limit, offset=offset)
    files = _read_files(conn, [row["id"] for row in page.items])
    items = tuple(DatasetVersion(**row, files=files.get(row["id"], ())) for row in page.items)
    return Page(items, page.limit, page.offset, page.has_more)


def get_version(
    conn: Connection, workspace_id: str, dataset_id: str, version: int
) -> DatasetVersion:
    """Return one version.

    Raises:
        NotFound: the workspace has no such dataset, or the dataset no such version.
    """
    query = _versions(workspace_id, dataset_id).where(dataset_versions.c.version == version)
    row = conn.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"Version {version} not found for dataset '{dataset_id}'")
    return DatasetVersion(**row, files=_read_files(conn, [row["id"]]).get(row["id"], ()))


def _insert_version(
    conn: Connection, dataset: Dataset, version: DatasetVersion, *, number: int
) -> None:
    values = {c.name: getattr(version, c.name) for c in _VERSION}
    values |= {
        "workspace_id": dataset.workspace_id,
        "dataset_id": dataset.id,
        "version": number,
    }
    conn.execute(dataset_versions.insert().values(values))
    if version.files:
        conn.execute(
            dataset_files.insert(),
            [
                {
                    "key": file.key,
                    "version_id": version.id,
                    "position": position,
                    "size_bytes": file.size_bytes,
                    "row_count": file.row_count,
                }
                for position, file in enumerate(version.files)
            ],
        )


def _refuse_taken_name(conn: Connection, workspace_id: str, table_name: str) -> None:
    taken = select(datasets.c.id).where(
        datasets.c.workspace_id == workspace_id,
        datasets.c.schema_name == DEFAULT_SCHEMA,
        datasets.c.table_name == table_name,
    )
    if conn.scalars(taken).first() is not None:
        raise _name_taken(table_name)


def _name_taken(table_name: str) -> Conflict:
    return Conflict(f"Table name '{table_name}' is already in use")


def _one(workspace_id: str, dataset_id: str) -> Select[Any]:
    return select(*_DATASET).where(
        datasets.c.workspace_id == workspace_id, datasets.c.id == dataset_id
    )


def _versions(workspace_id: str, dataset_id: str) -> Select[Any]:
    return select(*_VERSION).where(
        dataset_versions.c.workspace_id == workspace_id,
        dataset_versions.c.dataset_id == dataset_id,
    )


# On the path of every query: building the statement costs more than running it, so it is built once.
@cache
def _one_table() -> Select[Any]:
    return _all_tables().where(
        datasets.c.schema_name == bindparam("schema_name"),
        datasets.c.table_name == bindparam("table_name"),
    )


@cache
def _all_tables() -> Select[Any]:
    """Select one row per file of the effective versions; columns are labelled by table."""
    labelled = [
        column.label(f"{table}.{column.name}")
        for table, columns in (
            ("dataset", _DATASET),
            ("version", _VERSION),
            ("file", list(dataset_files.c)),
        )
        for column in columns
    ]
    effective = func.coalesce(datasets.c.pinned_version, datasets.c.latest_version)
    return (
        select(*labelled)
        .join(
            dataset_versions,
            and_(
                dataset_versions.c.dataset_id == datasets.c.id,
                dataset_versions.c.version == effective,
            ),
        )
        .outerjoin(dataset_files, dataset_files.c.version_id == dataset_versions.c.id)
        .where(datasets.c.workspace_id == bindparam("workspace_id"))
        .order_by(datasets.c.schema_name, datasets.c.table_name, dataset_files.c.position)
    )


def _read_tables(rows: Iterable[RowMapping]) -> list[tuple[Dataset, DatasetVersion]]:
    grouped: dict[str, list[RowMapping]] = {}
    for row in rows:
        grouped.setdefault(row["dataset.id"], []).append(row)
    tables = []
    for group in grouped.values():
        first = group[0]
        dataset = Dataset(**{c.name: first[f"dataset.{c.name}"] for c in _DATASET})
        version = {c.name: first[f"version.{c.name}"] for c in _VERSION}
        files = tuple(
            StoredFile(row["file.key"], row["file.size_bytes"], row["file.row_count"])
            for row in group
            if row["file.key"] is not None
        )
        tables.append((dataset, DatasetVersion(**version, files=files)))
    return tables


def _read_files(conn: Connection, version_ids: list[str]) -> dict[str, tuple[StoredFile, ...]]:
    query = (
        select(dataset_files)
        .where(dataset_files.c.version_id.in_(version_ids))
        .order_by(dataset_files.c.version_id, dataset_files.c.position)
    )
    files: dict[str, tuple[StoredFile, ...]] = {}
    for row in conn.execute(query):
        file = StoredFile(row.key, row.size_bytes, row.row_count)
        files[row.version_id] = (*files.get(row.version_id, ()), file)
    return files
