"""One Parquet file of a table of a segment, for SQL: rows in the order in which they come.

The rows wait until they are worth a row group, in bytes: texts are long.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.datasets.parquet_output import COMPRESSION, PAGE_ROWS, ROW_GROUP_ROWS

_ROW_GROUP_BYTES = 32 << 20
_COMPARED = (pa.types.is_integer, pa.types.is_timestamp)
_REPEATED = ("dataset_id", "entry_id", "registration", "heading", "mime_type", "kind", "slug")


class ParquetRows:
    """Writes the file; ``finish`` ends it."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._schema = schema
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        compared = [f.name for f in schema if any(is_kind(f.type) for is_kind in _COMPARED)]
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression=COMPRESSION,
            use_dictionary=[name for name in _REPEATED if name in schema.names],  # type: ignore[arg-type]  # the stubs lack it
            write_statistics=compared,
            write_page_index=True,
            max_rows_per_page=PAGE_ROWS,
        )

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        self._waiting.append(batch)
        self._waiting_bytes += batch.nbytes
        if self._waiting_bytes > _ROW_GROUP_BYTES:
            self._put()

    def finish(self) -> None:
        """Write what is left; the file is whole."""
        self._put()
        self._writer.close()

    def _put(self) -> None:
        rows = pa.Table.from_batches(self._waiting, self._schema)
        self._writer.write_table(rows.combine_chunks(), row_group_size=ROW_GROUP_ROWS)
        self._waiting, self._waiting_bytes = [], 0
