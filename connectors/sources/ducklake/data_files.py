"""Reads the rows of one Parquet file that belong to a snapshot.

Positions count all rows of the file, so rows are only ever dropped after they were counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.errors import SourceFailed
from connectors.sources.ducklake.columns import LakeColumn
from connectors.sources.ducklake.lake import DataFile, MappedName
from connectors.sources.ducklake.shapes import FieldIds, ids_by_name, ids_of_fields
from connectors.sources.ducklake.storage import Storage

_SNAPSHOT_FIELD = "_ducklake_internal_snapshot_id"
_POSITION_FIELD = "pos"
_BATCH_ROWS_MAX = 4096
"""A text that repeats is small in the file: its size says too little to read more rows at once."""
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class Held:
    """Rows as they are held; ``ids`` says for which columns, one for each field."""

    rows: pa.RecordBatch
    ids: tuple[FieldIds, ...]


def read_data_file(
    storage: Storage,
    file: DataFile,
    columns: tuple[LakeColumn, ...],
    *,
    snapshot: int,
    batch_bytes: int,
) -> Iterator[Held]:
    """Yield the rows of a file that are in a snapshot.

    Args:
        storage: opens it.
        file: which one.
        columns: what is wanted of it; what it does not hold is left out.
        snapshot: later rows are left out.
        batch_bytes: a batch should hold about so many.

    Raises:
        SourceFailed: it is missing, or cannot be read.
    """
    deleted = _deleted_positions(storage, file, snapshot)
    with storage.open(file.path) as handle, pq.ParquetFile(handle) as parquet:
        fields = list(parquet.schema_arrow)
        ids = _field_ids(fields, file)
        wanted = {column.id for column in columns}
        chosen = [position for position, field in enumerate(ids) if field.id in wanted]
        names = [fields[position].name for position in chosen]
        if len(set(names)) < len(names):
            raise SourceFailed("A data file has two fields of the same name")
        held_ids = tuple(ids[position] for position in chosen)
        filtered = [_SNAPSHOT_FIELD] if file.has_later_rows else []
        if filtered and _SNAPSHOT_FIELD not in parquet.schema_arrow.names:
            raise SourceFailed("A data file does not say of which snapshots its rows are")
        start = 0
        for batch in _batches(parquet, [*names, *filtered], batch_bytes):
            keep = _kept(batch, start, deleted, snapshot if filtered else None)
            start += batch.num_rows
            rows = batch.select([batch.schema.get_field_index(name) for name in names])
            yield Held(rows if keep is None else rows.filter(keep), held_ids)


def partition_texts(file: DataFile) -> dict[int, str | None]:
    """Return the values that the path of a foreign file holds, as text, by the column's id."""
    folders = file.path.split("/")[:-1]
    values = dict(folder.split("=", 1) for folder in folders if "=" in folder)
    found: dict[int, str | None] = {}
    for name in _names_in_path(file.mapping or ()):
        if name.name not in values:
            raise SourceFailed(f"The path of a data file has no value of the column '{name.name}'")
        text = unquote(values[name.name])
        found[name.column_id] = None if text == _HIVE_NULL else text
    return found


def _names_in_path(names: tuple[MappedName, ...]) -> list[MappedName]:
    return [name for name in names if name.in_path]


def _field_ids(fields: list["pa.Field[Any]"], file: DataFile) -> tuple[FieldIds, ...]:
    if file.mapping is not None:
        return ids_by_name(fields, file.mapping)
    ids = ids_of_fields(fields)
    if all(field.id is None for field in ids):
        raise SourceFailed("A data file does not say which columns its fields are")
    return ids


def _batches(
    parquet: pq.ParquetFile, names: list[str], batch_bytes: int
) -> Iterator[pa.RecordBatch]:
    # One row group after the other: all of them at once would be read ahead into memory.
    for number in range(parquet.metadata.num_row_groups):
        group = parquet.metadata.row_group(number)
        row_bytes = max(1, group.total_byte_size // max(1, group.num_rows))
        rows = min(_BATCH_ROWS_MAX, max(1, batch_bytes // row_bytes))
        yield from parquet.iter_batches(rows, row_groups=[number], columns=names)


def _kept(
    batch: pa.RecordBatch,
    start: int,
    deleted: npt.NDArray[np.int64],
    snapshot: int | None,
) -> "pa.Array[Any] | None":
    first, last = np.searchsorted(deleted, [start, start + batch.num_rows])
    if first == last and snapshot is None:
        return None
    keep = np.ones(batch.num_rows, np.bool_)
    keep[deleted[first:last] - start] = False
    mask = pa.array(keep)
    if snapshot is None:
        return mask
    is_old: pa.BooleanArray = _is_at_most(batch.column(_SNAPSHOT_FIELD), snapshot)
    return pc.and_(mask, is_old)


def _is_at_most(snapshots: Any, newest: int) -> Any:  # noqa: ANN401 - an array, chunked or not
    return pc.less_equal(snapshots, pa.scalar(newest, pa.int64()))


def _deleted_positions(storage: Storage, file: DataFile, snapshot: int) -> npt.NDArray[np.int64]:
    found = [np.array(file.deleted, np.int64)]
    for path in file.deletes:
        with storage.open(path) as handle, pq.ParquetFile(handle) as parquet:
            has_snapshots = _SNAPSHOT_FIELD in parquet.schema_arrow.names
            names = [_POSITION_FIELD, *([_SNAPSHOT_FIELD] if has_snapshots else [])]
            if _POSITION_FIELD not in parquet.schema_arrow.names:
                raise SourceFailed("A file of deletes has no positions")
            rows = parquet.read(names)
        if has_snapshots:
            rows = rows.filter(_is_at_most(rows[_SNAPSHOT_FIELD], snapshot))
        positions = rows[_POSITION_FIELD]
        if positions.null_count or not pa.types.is_int64(positions.type):
            raise SourceFailed("A file of deletes holds something else than positions")
        found.append(positions.to_numpy())
    return np.unique(np.concatenate(found))
