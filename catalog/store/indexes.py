"""Indexes of tables, and their builds: each over one version of a table, immutable.

A build counts only for the version it was made of: whoever reads a table reads its version and the builds
of that version in one transaction, so an index never meets other rows. The rows themselves, laid out for
searches, are a file that the builds of a version share. The trap: who locks a table or dataset too does
that first.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from catalog.errors import Conflict, NotFound, Superseded
from catalog.index_model import BuiltIndex, Index, IndexBuild, IndexFile, IndexType
from catalog.index_tables import index_builds, index_files, indexes
from catalog.model import ReadMode
from catalog.store.dropped import drop_blobs
from catalog.store.rows import columns_of, utc_now
from catalog.tables import connections, dataset_versions, datasets, remote_tables

ROWS_FILE = "rows.arrow"
"""The name of the file that the builds of one version share."""

_INDEX = columns_of(indexes, Index)
_BUILD = columns_of(index_builds, IndexBuild)


def insert_index(conn: Connection, index: Index) -> None:
    """Record a new index.

    Raises:
        Conflict: the table has an index of this name, or one that generates the same column, or is
            gone.
    """
    if _find(conn, index.owner_id, index.name) is not None:
        raise _name_taken(index.name)
    if index.source_column is not None:
        generating = select(indexes.c["columns"]).where(
            _is_of(index.owner_id), indexes.c.source_column.is_not(None)
        )
        if index.columns in conn.scalars(generating).all():
            raise Conflict(f"Another index makes the column '{index.columns[0]}' already")
    values = {column: getattr(index, column.name) for column in _INDEX}
    try:
        conn.execute(indexes.insert().values(values))
    except IntegrityError as error:
        raise _name_taken(index.name) from error


def get_index(conn: Connection, workspace_id: str, owner_id: str, name: str) -> Index:
    """Return an index of a table or dataset.

    Raises:
        NotFound: it has no such index.
    """
    index = _find(conn, owner_id, name)
    if index is None or index.workspace_id != workspace_id:
        raise NotFound.of("Index", name)
    return index


def find_index(conn: Connection, index_id: str) -> Index | None:
    """Return an index by its id, or None when it is gone."""
    row = conn.execute(select(*_INDEX).where(indexes.c.id == index_id)).mappings().first()
    return None if row is None else Index(**row)


def list_built(conn: Connection, owner_id: str, version_id: str | None) -> tuple[BuiltIndex, ...]:
    """Return the indexes of a table or dataset by name, with what was built of one version."""
    query = select(*_INDEX).where(_is_of(owner_id)).order_by(indexes.c.name)
    found = [Index(**row) for row in conn.execute(query).mappings()]
    builds = _read_builds(conn, [index.id for index in found], version_id) if found else {}
    return tuple(BuiltIndex(index, builds.get(index.id)) for index in found)


def list_page(  # noqa: PLR0913 - the filters of one listing, all keyword
    conn: Connection,
    workspace_id: str,
    *,
    connection_id: str | None = None,
    schema_name: str | None = None,
    table_name: str | None = None,
    index_type: IndexType | None = None,
    after: tuple[str, str] | None = None,
    limit: int,
) -> tuple[Mapping[str, Any], ...]:
    """Return up to ``limit`` indexes of all tables, by name and id.

    Each row has the columns of an index under their names, ``connection_id`` (None of a dataset),
    ``catalog_name``, ``schema_name``, ``table_name`` and ``build_id``, ``row_count`` and ``size_bytes`` of the
    build, which are None while there is none.
    """
    query = _listing().where(indexes.c.workspace_id == workspace_id)
    schema = func.coalesce(remote_tables.c.schema_name, datasets.c.schema_name)
    table = func.coalesce(remote_tables.c.table_name, datasets.c.table_name)
    for column, value in (
        (remote_tables.c.connection_id, connection_id),
        (schema, schema_name),
        (table, table_name),
        (indexes.c.index_type, index_type),
    ):
        if value is not None:
            query = query.where(column == value)
    if after is not None:
        query = query.where(tuple_(indexes.c.name, indexes.c.id) > tuple_(*after))
    query = query.order_by(indexes.c.name, indexes.c.id).limit(limit)
    return tuple(dict(row) for row in conn.execute(query).mappings())


def list_unbuilt(conn: Connection, owner_id: str) -> tuple[Mapping[str, Any], ...]:
    """Return the indexes of a table or dataset that are not built of the version SQL reads now.

    Rows are those of :func:`list_page`. A table without a copy has none: its first sync builds them.
    """
    query = _listing().where(
        _is_of(owner_id), index_builds.c.id.is_(None), _read_version().is_not(None)
    )
    return tuple(dict(row) for row in conn.execute(query.order_by(indexes.c.id)).mappings())


def list_generated(conn: Connection, workspace_id: str) -> dict[str, tuple[tuple[str, int], ...]]:
    """Return the generated columns that SQL reads, with their widths, by the id of their owner."""
    query = (
        _listing()
        .add_columns(index_builds.c.details)
        .where(
            indexes.c.workspace_id == workspace_id,
            indexes.c.embedding_provider_id.is_not(None),
            index_builds.c.id.is_not(None),
        )
        .order_by(indexes.c.name)
    )
    found: dict[str, tuple[tuple[str, int], ...]] = {}
    for row in conn.execute(query).mappings():
        index = index_of(dict(row))
        width = row["details"]["dimensions"]
        found[index.owner_id] = (*found.get(index.owner_id, ()), (index.columns[0], width))
    return found


def index_of(row: Mapping[str, Any]) -> Index:
    """Make the index of a row of :func:`list_page`."""
    return Index(**{column.name: row[column.name] for column in _INDEX})


def add_builds(
    conn: Connection, builds: Sequence[IndexBuild], *, rows_key: str | None = None
) -> None:
    """Make builds of one version of one table those that are searched.

    What was built of other versions is dropped. A build of an index that was deleted meanwhile, or
    that was built by somebody else, is left out.

    Args:
        conn: where; the caller has locked the table or dataset, and it has this version.
        builds: of one version.
        rows_key: of the rows file of this version when the work began; None = there was none.

    Raises:
        Superseded: the version has another rows file by now.
    """
    if not builds:
        return
    version_id = builds[0].version_id
    mine = [build.index_id for build in builds]
    query = select(indexes.c.id).where(indexes.c.id.in_(mine)).with_for_update()
    alive = set(conn.scalars(query.order_by(indexes.c.id)))
    present = set(_rows_keys(conn, version_id))
    if present != ({rows_key} - {None}):
        raise Superseded("Another index of this table was built meanwhile")
    done = select(index_builds.c.index_id).where(
        index_builds.c.version_id == version_id, index_builds.c.index_id.in_(mine)
    )
    alive -= set(conn.scalars(done))
    wanted = [build for build in builds if build.index_id in alive]
    _drop_builds(
        conn,
        and_(index_builds.c.index_id.in_(alive), index_builds.c.version_id != version_id),
    )
    for build in wanted:
        values = {column.name: getattr(build, column.name) for column in _BUILD}
        conn.execute(index_builds.insert().values(values))
        conn.execute(
            index_files.insert(),
            [
                {"build_id": build.id, "name": f.name, "key": f.key, "size_bytes": f.size_bytes}
                for f in build.files
            ],
        )
    conn.execute(
        update(indexes)
        .where(indexes.c.id.in_(alive))
        .values(error_message=None, updated_at=utc_now())
    )
    _share_rows(conn, wanted, version_id)


def delete_index(conn: Connection, workspace_id: str, owner_id: str, name: str) -> Index:
    """Delete an index with what was built, and return it; searches under way may finish.

    Raises:
        NotFound: the table or dataset has no such index.
    """
    index = get_index(conn, workspace_id, owner_id, name)
    conn.execute(select(indexes.c.id).where(indexes.c.id == index.id).with_for_update())
    _drop_builds(conn, index_builds.c.index_id == index.id)
    conn.execute(delete(indexes).where(indexes.c.id == index.id))
    return index


def drop_builds(conn: Connection, owner_ids: Collection[str]) -> None:
    """Forget what was built of some tables or datasets (some hundreds at most); the indexes stay."""
    owned = select(indexes.c.id).where(
        or_(indexes.c.table_id.in_(owner_ids), indexes.c.dataset_id.in_(owner_ids))
    )
    _drop_builds(conn, index_builds.c.index_id.in_(owned))


def record_failure(conn: Connection, index_ids: Collection[str], message: str) -> None:
    """Say why indexes could not be built."""
    conn.execute(
        update(indexes)
        .where(indexes.c.id.in_(index_ids))
        .values(error_message=message, updated_at=utc_now())
    )


def _find(conn: Connection, owner_id: str, name: str) -> Index | None:
    query = select(*_INDEX).where(_is_of(owner_id), indexes.c.name == name)
    row = conn.execute(query).mappings().first()
    return None if row is None else Index(**row)


def _is_of(owner_id: str) -> ColumnElement[bool]:
    return or_(indexes.c.table_id == owner_id, indexes.c.dataset_id == owner_id)


def _read_builds(
    conn: Connection, index_ids: list[str], version_id: str | None
) -> dict[str, IndexBuild]:
    query = (
        select(*_BUILD, index_files.c.name, index_files.c.key, index_files.c.size_bytes)
        .join(index_files, index_files.c.build_id == index_builds.c.id)
        .where(index_builds.c.index_id.in_(index_ids), index_builds.c.version_id == version_id)
        .order_by(index_builds.c.id, index_files.c.name)
    )
    grouped: dict[str, list[RowMapping]] = {}
    for row in conn.execute(query).mappings():
        grouped.setdefault(row["index_id"], []).append(row)
    return {
        index_id: IndexBuild(
            **{column.name: rows[0][column.name] for column in _BUILD},
            files=tuple(IndexFile(row["name"], row["key"], row["size_bytes"]) for row in rows),
        )
        for index_id, rows in grouped.items()
    }


def _listing() -> Any:  # noqa: ANN401 - SQLAlchemy's
    version_id = _read_version()
    size_bytes = (
        select(func.sum(index_files.c.size_bytes))
        .where(index_files.c.build_id == index_builds.c.id)
        .scalar_subquery()
    )
    return (
        select(
            *_INDEX,
            remote_tables.c.connection_id,
            func.coalesce(connections.c.name, "datasets").label("catalog_name"),
            func.coalesce(remote_tables.c.schema_name, datasets.c.schema_name).label("schema_name"),
            func.coalesce(remote_tables.c.table_name, datasets.c.table_name).label("table_name"),
            index_builds.c.id.label("build_id"),
            index_builds.c.row_count,
            size_bytes.label("size_bytes"),
        )
        .select_from(indexes)
        .outerjoin(remote_tables, remote_tables.c.id == indexes.c.table_id)
        .outerjoin(connections, connections.c.id == remote_tables.c.connection_id)
        .outerjoin(datasets, datasets.c.id == indexes.c.dataset_id)
        .outerjoin(
            index_builds,
            and_(index_builds.c.index_id == indexes.c.id, index_builds.c.version_id == version_id),
        )
    )


def _read_version() -> Any:  # noqa: ANN401 - SQLAlchemy's
    """The version SQL reads; NULL where there is no copy, or none is read."""
    mode = func.coalesce(remote_tables.c.mode, connections.c.mode)
    copy = case((mode == ReadMode.LIVE, None), else_=remote_tables.c.version_id)
    return func.coalesce(copy, _effective_version())


def _effective_version() -> Any:  # noqa: ANN401 - SQLAlchemy's
    versions = dataset_versions.alias()
    return (
        select(versions.c.id)
        .where(
            versions.c.dataset_id == datasets.c.id,
            versions.c.version
            == func.coalesce(datasets.c.pinned_version, datasets.c.latest_version),
        )
        .scalar_subquery()
    )


def _rows_keys(conn: Connection, version_id: str) -> list[str]:
    query = (
        select(index_files.c.key)
        .join(index_builds, index_builds.c.id == index_files.c.build_id)
        .where(index_builds.c.version_id == version_id, index_files.c.name == ROWS_FILE)
        .distinct()
    )
    return list(conn.scalars(query))


def _share_rows(conn: Connection, builds: Sequence[IndexBuild], version_id: str) -> None:
    """Point all builds of a version at the newest rows file: it has every column the others had."""
    newest = [file for build in builds for file in build.files if file.name == ROWS_FILE]
    if not newest:
        return
    shared = newest[-1]
    others = select(index_builds.c.id).where(index_builds.c.version_id == version_id)
    old = [key for key in _rows_keys(conn, version_id) if key != shared.key]
    conn.execute(
        update(index_files)
        .where(index_files.c.build_id.in_(others), index_files.c.name == ROWS_FILE)
        .values(key=shared.key, size_bytes=shared.size_bytes)
    )
    drop_blobs(conn, old, utc_now())


def _drop_builds(conn: Connection, which: ColumnElement[bool]) -> None:
    builds = conn.scalars(select(index_builds.c.id).where(which)).all()
    if not builds:
        return
    mine = index_files.c.build_id.in_(builds)
    keys = set(conn.scalars(select(index_files.c.key).where(mine)))
    conn.execute(delete(index_files).where(mine))
    shared = set(conn.scalars(select(index_files.c.key).where(index_files.c.key.in_(keys))))
    drop_blobs(conn, keys - shared, utc_now())
    conn.execute(delete(index_builds).where(index_builds.c.id.in_(builds)))


def _name_taken(name: str) -> Conflict:
    return Conflict(f"Index '{name}' already exists on this table")
