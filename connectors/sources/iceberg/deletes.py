"""Which rows of which data files were deleted, from position delete files and deletion vectors."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.io import FileIO
from pyiceberg.manifest import DataFile, FileFormat
from pyiceberg.table import FileScanTask
from pyiceberg.table.deletion_vector import deletion_vectors_from_puffin_file
from pyiceberg.table.puffin import PuffinFile

from connectors.errors import SourceFailed
from connectors.sources.iceberg.file_io import open_parquet

Positions: TypeAlias = npt.NDArray[np.int64]
"""Places of rows in a file, from 0, ascending, each once."""
BATCH_ROWS = 1 << 16


def read_deletes(io: FileIO, tasks: Iterable[FileScanTask]) -> Mapping[str, Positions]:
    """Read the delete files of some tasks, each once.

    Returns:
        The deleted positions of each data file that has any, by its path. All are in memory: 8
        bytes for each deleted row.

    Raises:
        SourceFailed: a delete file is of another kind than Parquet or Puffin.
    """
    files = {file.file_path: file for task in tasks for file in task.delete_files}
    wanted = pa.array([task.file.file_path for task in tasks if task.delete_files], pa.string())
    found: dict[str, list[Positions]] = defaultdict(list)
    for file in files.values():
        for path, positions in _read_one(io, file, wanted):
            found[path].append(positions)
    return {path: np.unique(np.concatenate(parts)) for path, parts in found.items()}


def _read_one(
    io: FileIO, file: DataFile, wanted: "pa.StringArray"
) -> Iterable[tuple[str, Positions]]:
    if file.file_format == FileFormat.PARQUET:
        return _read_parquet(io, file, wanted)
    if file.file_format == FileFormat.PUFFIN:
        with io.new_input(file.file_path).open() as stream:
            vectors = deletion_vectors_from_puffin_file(PuffinFile(stream.read()))
        return [
            (vector.referenced_data_file, vector.to_vector().to_numpy().astype(np.int64))
            for vector in vectors
        ]
    raise SourceFailed(f"Delete files of the format {file.file_format.value} cannot be read")


def _read_parquet(
    io: FileIO, file: DataFile, wanted: "pa.StringArray"
) -> Iterable[tuple[str, Positions]]:
    with open_parquet(io, file.file_path) as reader:
        for batch in reader.iter_batches(BATCH_ROWS, columns=["file_path", "pos"]):
            paths = batch.column("file_path").cast(pa.string())
            for path in pc.unique(paths.filter(pc.is_in(paths, value_set=wanted))):
                rows = batch.filter(pc.equal(paths, path))
                yield str(path), rows.column("pos").to_numpy().astype(np.int64)
