"""What a catalog says of one snapshot: its tables, their columns, files and deletes.

Everything in the catalog was written by somebody else: names of tables are only ever quoted, paths
are judged where they are opened, and a version or feature that is not known is an error.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlglot import exp, select

from connectors.errors import SourceFailed, TableGone
from connectors.sources.ducklake.catalogs import CatalogReader, Row
from connectors.sources.ducklake.columns import LakeColumn
from connectors.sources.ducklake.options import DuckLakeOptions

VERSIONS = ("1.0",)
"""Versions of the catalog that this was tested with."""


@dataclass(frozen=True, slots=True)
class LakeTable:
    """A table in one snapshot; ``path`` is the folder of its relative files."""

    id: int
    schema: str
    name: str
    path: str
    comment: str | None
    row_estimate: int | None


@dataclass(frozen=True, slots=True)
class MappedName:
    """A column of a foreign Parquet file, told by its name.

    ``in_path`` says that its value is a part of the path instead, as Hive writes it.
    """

    name: str
    column_id: int
    in_path: bool
    children: tuple["MappedName", ...]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A Parquet file of a table.

    Attributes:
        has_later_rows: some of its rows are newer than the snapshot, and say so.
        mapping: names of its columns, when its fields have no ids.
        deletes: paths of Parquet files with positions of deleted rows.
        deleted: positions of further deleted rows.
    """

    id: int
    path: str
    size_bytes: int
    has_later_rows: bool
    mapping: tuple[MappedName, ...] | None
    deletes: tuple[str, ...] = ()
    deleted: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class InlinedTable:
    """A table of the catalog with rows of a table; ``columns`` are those of its time."""

    name: str
    columns: tuple[LakeColumn, ...]


@dataclass(slots=True)
class _Deletes:
    paths: list[str] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)


class Lake:
    """One snapshot of a catalog."""

    def __init__(self, reader: CatalogReader, options: DuckLakeOptions) -> None:
        """Check the version and choose the snapshot.

        Raises:
            SourceFailed: there is no catalog, or none of a known version, or no such snapshot.
        """
        self._reader = reader
        if not reader.has_table("ducklake_metadata"):
            raise SourceFailed(f"There is no DuckLake catalog in the schema '{reader.schema}'")
        settings = self._settings()
        version = settings.get("version")
        if version not in VERSIONS:
            raise SourceFailed(
                f"The version '{version}' of the DuckLake catalog is not supported; "
                f"supported: {', '.join(VERSIONS)}"
            )
        self.data_path = options.data_path or settings.get("data_path") or ""
        self.snapshot = self._choose_snapshot(options)

    def tables(self) -> list[LakeTable]:
        """Return all tables, without views."""
        schemas = {
            row[0]: (str(row[1]), _joined(self.data_path, row[2], row[3]))
            for row in self._visible("ducklake_schema", _SCHEMA_COLUMNS)
        }
        comments = {
            row[0]: row[1]
            for row in self._visible("ducklake_tag", ("object_id", "value", "key"))
            if row[2] == "comment"
        }
        estimates: dict[int, int] = dict(
            self._all("ducklake_table_stats", ("table_id", "record_count"))
        )
        return [
            LakeTable(
                id=table_id,
                schema=schemas[schema_id][0],
                name=name,
                path=_joined(schemas[schema_id][1], path, is_relative),
                comment=comments.get(table_id),
                row_estimate=estimates.get(table_id),
            )
            for table_id, schema_id, name, path, is_relative in self._visible(
                "ducklake_table", _TABLE_COLUMNS
            )
            if schema_id in schemas
        ]

    def table(self, schema: str, name: str) -> LakeTable:
        """Return one table.

        Raises:
            TableGone: there is none.
        """
        found = [t for t in self.tables() if (t.schema, t.name) == (schema, name)]
        if not found:
            raise TableGone(f"There is no table '{schema}.{name}'")
        return found[0]

    def columns(
        self, table: LakeTable | None = None, *, snapshot: int | None = None
    ) -> dict[int, tuple[LakeColumn, ...]]:
        """Return the columns of one table, or of all, by the table's id.

        Args:
            table: None = all.
            snapshot: another one than the lake's.
        """
        only = [_is_of(table)] if table is not None else []
        rows = self._visible("ducklake_column", _COLUMN_COLUMNS, *only, snapshot=snapshot)
        by_table: dict[int, list[Row]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: (row[0], row[1])):
            by_table[row[0]].append(row)
        return {table_id: _column_trees(found) for table_id, found in by_table.items()}

    def files(self, table: LakeTable) -> list[DataFile]:
        """Return the data files of a table.

        Raises:
            SourceFailed: one is encrypted, or of a kind that cannot be read.
        """
        deletes = self._deletes(table)
        mappings = self._mappings(table)
        found = []
        for row in self._visible("ducklake_data_file", _FILE_COLUMNS, _is_of(table)):
            file_id, path, is_relative, kind, size, key, mapping_id, newest = row
            _check_file(kind, key)
            if mapping_id is not None and mapping_id not in mappings:
                raise SourceFailed("The catalog maps a data file in a way that is not known")
            mine = deletes.get(file_id, _Deletes())
            found.append(
                DataFile(
                    id=file_id,
                    path=_joined(table.path, path, is_relative),
                    size_bytes=size or 0,
                    has_later_rows=newest is not None and newest > self.snapshot,
                    mapping=None if mapping_id is None else mappings[mapping_id],
                    deletes=tuple(mine.paths),
                    deleted=tuple(mine.positions),
                )
            )
        return found

    def largest_values(self, table: LakeTable, column: LakeColumn) -> dict[int, str]:
        """Return the largest value of a column by file, as text, where the catalog knows it."""
        rows = self._all(
            "ducklake_file_column_stats",
            ("data_file_id", "max_value"),
            _is_of(table).and_(exp.column("column_id").eq(column.id)),
        )
        return {file_id: value for file_id, value in rows if value is not None}

    def inlined_tables(self, table: LakeTable) -> list[InlinedTable]:
        """Return the tables of the catalog that may hold rows of a table."""
        versions = self._all(
            "ducklake_schema_versions", ("schema_version", "begin_snapshot"), _is_of(table)
        )
        begin_of: dict[int, int] = dict(versions)
        found = []
        for name, version in self._all(
            "ducklake_inlined_data_tables", ("table_name", "schema_version"), _is_of(table)
        ):
            begin = begin_of.get(version)
            if begin is None or begin <= self.snapshot:
                columns = self.columns(table, snapshot=begin).get(table.id, ())
                found.append(self._inlined_table(name, columns))
        return found

    @property
    def is_visible(self) -> exp.Condition:
        """The condition on rows that they are a part of the snapshot."""
        return _visible_in(self.snapshot)

    def _inlined_table(self, name: str, columns: tuple[LakeColumn, ...]) -> InlinedTable:
        names = self._reader.column_names(name)[len(_INLINED_OWN) :]
        if names != [column.name for column in columns]:
            # Its values would be taken for those of other columns, or for missing.
            raise SourceFailed("The catalog no longer says which columns its inlined data have")
        return InlinedTable(name, columns)

    def _settings(self) -> Mapping[str, str]:
        rows = self._all("ducklake_metadata", ("key", "value", "scope"))
        return {key: value for key, value, scope in rows if scope is None}

    def _choose_snapshot(self, options: DuckLakeOptions) -> int:
        if options.as_of is not None:
            times = self._all(
                "ducklake_snapshot",
                (exp.column("snapshot_id"), exp.cast(exp.column("snapshot_time"), "TEXT")),
            )
            known: list[int] = [number for number, text in times if _time_of(text) <= options.as_of]
            if not known:
                raise SourceFailed("The catalog has no snapshot as old as that")
            return max(known)
        wanted = options.snapshot_version
        only = [] if wanted is None else [exp.column("snapshot_id").eq(wanted)]
        newest = exp.Max(this=exp.column("snapshot_id"))
        found: int | None = self._all("ducklake_snapshot", (newest,), *only)[0][0]
        if found is None:
            raise SourceFailed(f"The catalog has no snapshot {wanted if only else ''}".rstrip())
        return found

    def _deletes(self, table: LakeTable) -> dict[int, _Deletes]:
        found: dict[int, _Deletes] = defaultdict(_Deletes)
        for row in self._visible("ducklake_delete_file", _DELETE_COLUMNS, _is_of(table)):
            file_id, path, is_relative, kind, key = row
            _check_file(kind, key)
            found[file_id].paths.append(_joined(table.path, path, is_relative))
        inlined = f"ducklake_inlined_delete_{table.id}"
        if self._reader.has_table(inlined):
            is_done = exp.column("begin_snapshot") <= self.snapshot
            for file_id, position in self._all(inlined, ("file_id", "row_id"), is_done):
                found[file_id].positions.append(position)
        return found

    def _mappings(self, table: LakeTable) -> dict[int, tuple[MappedName, ...]]:
        of_table = self._all("ducklake_column_mapping", ("mapping_id", "type"), _is_of(table))
        by_name = [mapping_id for mapping_id, kind in of_table if kind == "map_by_name"]
        if not by_name:
            return {}
        names: dict[int, list[Row]] = defaultdict(list)
        wanted = exp.column("mapping_id").isin(*by_name)
        for row in self._all("ducklake_name_mapping", _NAME_COLUMNS, wanted):
            names[row[0]].append(row)
        return {mapping_id: tuple(_mapped(names[mapping_id], None)) for mapping_id in by_name}

    def _visible(
        self,
        table: str,
        columns: Iterable[str],
        *conditions: exp.Condition,
        snapshot: int | None = None,
    ) -> list[Row]:
        number = self.snapshot if snapshot is None else snapshot
        return self._all(table, columns, *conditions, _visible_in(number))

    def _all(
        self, table: str, columns: Iterable[str | exp.Expression], *conditions: exp.Condition
    ) -> list[Row]:
        named = [exp.column(c, quoted=True) if isinstance(c, str) else c for c in columns]
        query = select(*named).from_(self._reader.table(table))
        return self._reader.rows(query.where(*conditions) if conditions else query)


_DEPTH_MAX = 100
_INLINED_OWN = ("row_id", "begin_snapshot", "end_snapshot")
_SCHEMA_COLUMNS = ("schema_id", "schema_name", "path", "path_is_relative")
_TABLE_COLUMNS = ("table_id", "schema_id", "table_name", "path", "path_is_relative")
_COLUMN_COLUMNS = (
    "table_id",
    "column_order",
    "column_id",
    "column_name",
    "column_type",
    "nulls_allowed",
    "initial_default",
    "parent_column",
)
_FILE_COLUMNS = (
    "data_file_id",
    "path",
    "path_is_relative",
    "file_format",
    "file_size_bytes",
    "encryption_key",
    "mapping_id",
    "partial_max",
)
_DELETE_COLUMNS = ("data_file_id", "path", "path_is_relative", "format", "encryption_key")
_NAME_COLUMNS = (
    "mapping_id",
    "column_id",
    "source_name",
    "target_field_id",
    "parent_column",
    "is_partition",
)


def _visible_in(snapshot: int) -> exp.Condition:
    end = exp.column("end_snapshot")
    return (exp.column("begin_snapshot") <= snapshot).and_(end.is_(exp.null()).or_(end > snapshot))


def _is_of(table: LakeTable) -> exp.Condition:
    return exp.column("table_id").eq(table.id)


def _column_trees(rows: list[Row]) -> tuple[LakeColumn, ...]:
    below: dict[int | None, list[Row]] = defaultdict(list)
    for row in rows:
        below[row[-1]].append(row)

    def trees(parent: int | None, depth: int = 0) -> Iterator[LakeColumn]:
        if depth > _DEPTH_MAX:
            raise SourceFailed("The catalog has a column that is nested too deeply")
        for _, _, column_id, name, kind, nullable, default, _ in below[parent]:
            yield LakeColumn(
                id=column_id,
                name=name,
                type=str(kind).lower(),
                nullable=bool(nullable),
                initial_default=default,
                children=tuple(trees(column_id, depth + 1)),
            )

    return tuple(trees(None))


def _mapped(rows: list[Row], parent: int | None) -> Iterator[MappedName]:
    for _, node, name, column_id, above, in_path in rows:
        if above == parent:
            children = tuple(_mapped(rows, node))
            yield MappedName(name, column_id, bool(in_path), children)


def _check_file(kind: str | None, key: str | None) -> None:
    if key:
        raise SourceFailed("The data files are encrypted, which is not supported")
    if (kind or "parquet").lower() != "parquet":
        raise SourceFailed(f"The catalog names a file of the format '{kind}', not supported")


def _joined(folder: str, path: str | None, is_relative: Any) -> str:  # noqa: ANN401 - a flag of any database
    if not path:
        return folder
    return f"{folder.rstrip('/')}/{path}" if is_relative else path


def _time_of(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise SourceFailed("The catalog holds a time of a snapshot that is none") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
