"""Tables as Arrow IPC files: written whole, read mapped into memory."""

from pathlib import Path

import pyarrow as pa


def read_table(path: Path) -> pa.Table:
    """Read a file; its buffers stay in the mapped file, which must not change."""
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as a new file."""
    with pa.ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table)
