"""Reads data files in the schema of their table, row group by row group.

pyiceberg has a reader too; it holds every batch of a file, and of the files it reads ahead, until
they are asked for, so that its memory has no bound. Here it is that of one row group.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile, FileFormat
from pyiceberg.table import FileScanTask
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import NestedField

from connectors.arrow_batches import Field, bounded, conform_batch
from connectors.errors import SourceFailed
from connectors.sources.iceberg.deletes import Positions, read_deletes
from connectors.sources.iceberg.file_io import open_parquet
from connectors.sources.iceberg.projection import (
    Array,
    constant,
    field_id,
    has_ids,
    project,
    with_mapped_ids,
)

ROWS_MAX = 1 << 15

Scalar: TypeAlias = "pa.Scalar[Any]"


@dataclass(frozen=True, slots=True)
class RowReader:
    """Reads the rows of scan tasks.

    Attributes:
        io: opens their files.
        metadata: of the table.
        fields: of the table, in the order of ``schema``.
        schema: of what is read.
        after: a field and the value its rows must be greater than.
        batch_bytes: a batch should hold about so many.
    """

    io: FileIO
    metadata: TableMetadata
    fields: tuple[NestedField, ...]
    schema: pa.Schema
    after: tuple[NestedField, Scalar] | None
    batch_bytes: int

    def read(self, tasks: Sequence[FileScanTask]) -> Iterator[pa.RecordBatch]:
        """Yield the rows of some data files, without the deleted ones.

        Raises:
            SourceFailed: a file is of another kind than Parquet, or holds what does not fit.
        """
        deletes = read_deletes(self.io, tasks)
        for task in tasks:
            deleted = deletes.get(task.file.file_path)
            for batch in self._read_file(task.file, deleted):
                yield from bounded(batch, self.batch_bytes)

    def _read_file(
        self, data_file: DataFile, deleted: Positions | None
    ) -> Iterator[pa.RecordBatch]:
        if data_file.file_format != FileFormat.PARQUET:
            kind = data_file.file_format.value
            raise SourceFailed(f"Data files of the format {kind} cannot be read")
        fields = self.fields if self.after is None else (*self.fields, self.after[0])
        lacking = self._partition_values(data_file)
        with open_parquet(self.io, data_file.file_path) as file:
            sources = self._sources(file.schema_arrow)
            start = 0
            for batch in _batches(file, _names(sources, fields), self.batch_bytes):
                arrays = [_column(batch, sources, field, lacking) for field in fields]
                kept = _kept(arrays, start, batch.num_rows, deleted)
                yield self._finished(kept)
                start += batch.num_rows

    def _sources(self, schema: pa.Schema) -> Mapping[int, Field]:
        """Find the fields of a file by their ids."""
        fields = list(schema)
        if not has_ids(schema):
            mapping = self.metadata.name_mapping()
            if mapping is None:
                raise SourceFailed("A data file has no field ids, and the table no name mapping")
            fields = with_mapped_ids(fields, mapping.root)
        known = ((field_id(field), field) for field in fields)
        return {number: field for number, field in known if number is not None}

    def _partition_values(self, data_file: DataFile) -> Mapping[int, object]:
        """Return what the manifest says of columns that the file itself may lack."""
        spec = self.metadata.specs()[data_file.spec_id]
        return {
            field.source_id: data_file.partition[place]
            for place, field in enumerate(spec.fields)
            if isinstance(field.transform, IdentityTransform)
        }

    def _finished(self, arrays: Sequence[Array]) -> pa.RecordBatch:
        if self.after is not None:
            *wanted, compared = arrays
            after = pc.greater(compared, self.after[1])
            arrays = [array.filter(after) for array in wanted]
        batch = pa.RecordBatch.from_arrays(list(arrays), names=self.schema.names)
        batch.validate(full=True)
        return conform_batch(batch, self.schema)


def _names(sources: Mapping[int, Field], fields: Sequence[NestedField]) -> list[str]:
    found = (sources.get(field.field_id) for field in fields)
    return list(dict.fromkeys(source.name for source in found if source is not None))


def _batches(
    file: pq.ParquetFile, names: Sequence[str], batch_bytes: int
) -> Iterator[pa.RecordBatch]:
    for place in range(file.num_row_groups):
        group = file.metadata.row_group(place)
        columns = (group.column(number) for number in range(group.num_columns))
        size = sum(
            column.total_uncompressed_size
            for column in columns
            if column.path_in_schema.partition(".")[0] in names
        )
        rows = batch_bytes * group.num_rows // max(size, 1)
        yield from file.iter_batches(
            max(1, min(ROWS_MAX, rows)), row_groups=[place], columns=list(names)
        )


def _column(
    batch: pa.RecordBatch,
    sources: Mapping[int, Field],
    field: NestedField,
    lacking: Mapping[int, object],
) -> Array:
    source = sources.get(field.field_id)
    if source is not None:
        return project(batch.column(source.name), source, field)
    value = lacking.get(field.field_id, field.initial_default)
    return constant(value, field.field_type, batch.num_rows)


def _kept(
    arrays: Sequence[Array], start: int, rows: int, deleted: Positions | None
) -> Sequence[Array]:
    """Leave out the deleted ones of the rows that begin at a place of the file."""
    if deleted is None:
        return arrays
    first, end = np.searchsorted(deleted, [start, start + rows])
    if first == end:
        return arrays
    mask = np.ones(rows, dtype=bool)
    mask[deleted[first:end] - start] = False
    return [array.filter(pa.array(mask)) for array in arrays]
