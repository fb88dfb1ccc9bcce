"""Copies rows of a source into Parquet files.

The parts of a table are read side by side, each by a thread into files of its own. Invariants: memory is
bounded by bytes, whatever the width of a row; the files have one schema, the declared one as
``engine.datasets.widening`` settles it; the first failure stops all parts and nothing counts.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import After, Connector, Part, Scan, SourceTable
from engine.arrow_types import read_schema, write_schema
from engine.datasets.parquet_output import LoadedFile, ParquetOutput
from engine.datasets.widening import settled
from engine.errors import RemoteError
from engine.sources.tasks import FetchTask, LiveQueryTask, LiveScanTask
from engine.workers.channel import Channel
from engine.workers.frames import Kind

CopyTask = FetchTask | LiveScanTask | LiveQueryTask
_BEAT_S = 2.0
# Of the memory of the process; what else needs memory are batches, and the buffers of the source.
_ROW_GROUP_SHARE = 16


class _Stopped(Exception):
    """Another part failed."""


class Copier:
    """One copy; reports progress in rows and bytes of Arrow data."""

    def __init__(self, connector: Connector[Any, Any], channel: Channel) -> None:
        self._connector = connector
        self._channel = channel
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._rows = 0
        self._bytes = 0
        self._greatest: pa.Scalar[Any] | None = None
        self._is_whole = True

    def copy(self, task: CopyTask) -> dict[str, Any]:
        """Do it.

        Returns:
            files (name in the output folder, size_bytes, row_count), row_count, schema_hex,
            warnings, cursor_value (the text of the greatest value of the cursor column), and
            is_whole: False when only rows beyond the cursor were copied.
        """
        folder = Path(task.output_folder)
        row_group_bytes = task.source.memory_bytes // _ROW_GROUP_SHARE
        if isinstance(task, LiveQueryTask):
            schema = read_schema(bytes.fromhex(task.schema_hex))
            batches = self._connector.query(task.sql, schema)
            files = self._write(batches, schema, folder, row_group_bytes)
        else:
            schema, files = self._copy_table(task, folder, row_group_bytes)
        greatest = self._greatest
        return {
            "files": [
                {"name": file.name, "size_bytes": file.size_bytes, "row_count": file.row_count}
                for file in files
            ],
            "row_count": sum(file.row_count for file in files),
            "schema_hex": _hex_of(schema),
            "warnings": self._connector.context.losses.warnings(),
            "is_whole": self._is_whole,
            "cursor_value": None if greatest is None else greatest.cast(pa.string()).as_py(),
        }

    def _copy_table(
        self, task: FetchTask | LiveScanTask, folder: Path, row_group_bytes: int
    ) -> tuple[pa.Schema, list[LoadedFile]]:
        table = self._connector.describe(task.schema, task.table)
        _check_columns(task, table)
        cursor = _cursor_of(task, table)
        scan = _scan_of(task, table, cursor)
        self._is_whole = scan.after is None
        parts = self._connector.plan_fetch(table, scan)
        schema: pa.Schema = parts[0].schema
        bounds = row_group_bytes // len(parts)
        if len(parts) == 1:
            return schema, self._copy_part(parts[0], folder, bounds, cursor)
        with ThreadPoolExecutor(len(parts), thread_name_prefix="part") as threads:
            folders = [folder / str(number) for number in range(len(parts))]
            for each in folders:
                each.mkdir()
            copies = [
                threads.submit(self._copy_part, part, each, bounds, cursor)
                for part, each in zip(parts, folders, strict=True)
            ]
            done, _ = wait(copies, return_when=FIRST_EXCEPTION)
            self._stop.set()
            failures = [error for copy in done if (error := copy.exception()) is not None]
            real = [error for error in failures if not isinstance(error, _Stopped)]
            if failures:
                raise (real or failures)[0]
        return schema, [
            LoadedFile(f"{each.name}/{file.name}", file.size_bytes, file.row_count)
            for each, copy in zip(folders, copies, strict=True)
            for file in copy.result()
        ]

    def _copy_part(
        self, part: Part, folder: Path, row_group_bytes: int, cursor: str | None
    ) -> list[LoadedFile]:
        # The declared schema is what the files must have: else the rows go through our own writer.
        if cursor is None and settled(part.schema).equals(part.schema):
            path = folder / "part-0.parquet"
            with self._beating(lambda: path.stat().st_size if path.exists() else 0):
                row_count = self._connector.write_parquet(part, path)
            if row_count is not None:
                self._count(row_count, path.stat().st_size)
                _sync(path)
                return [LoadedFile(path.name, path.stat().st_size, row_count)]
        batches = self._connector.open(part)
        return self._write(batches, part.schema, folder, row_group_bytes, cursor)

    def _write(
        self,
        batches: Iterator[pa.RecordBatch],
        schema: pa.Schema,
        folder: Path,
        row_group_bytes: int,
        cursor: str | None = None,
    ) -> list[LoadedFile]:
        for column in schema:
            if _is_hollow(column.type):
                raise RemoteError(
                    f"column '{column.name}' is a structure without fields, which no file can hold"
                )
        with ParquetOutput(folder, schema, row_group_bytes_max=row_group_bytes) as output:
            for batch in batches:
                if self._stop.is_set():
                    raise _Stopped
                output.write(batch)
                if cursor is not None:
                    self._follow(batch.column(cursor))
                self._count(batch.num_rows, batch.nbytes)
            return output.finish()

    def _follow(self, values: "pa.Array[Any]") -> None:
        greatest = pc.max(values)
        with self._lock:
            if self._greatest is None or pc.greater(greatest, self._greatest).as_py():
                self._greatest = greatest if greatest.is_valid else self._greatest

    def _count(self, rows: int, size_bytes: int) -> None:
        with self._lock:
            self._rows += rows
            self._bytes += size_bytes
            self._report(self._bytes)

    def _report(self, size_bytes: int) -> None:
        self._channel.send_json(Kind.PROGRESS, {"rows": self._rows, "bytes": size_bytes})
        self._channel.flush()

    @contextmanager
    def _beating(self, written_bytes: Callable[[], int]) -> Iterator[None]:
        """Report while the source itself writes, as it does not say how far it is."""
        is_over = threading.Event()

        def beat() -> None:
            seen_bytes = 0
            while not is_over.wait(_BEAT_S):
                now_bytes = written_bytes()
                if now_bytes > seen_bytes:  # one that hangs must fall silent
                    seen_bytes = now_bytes
                    with self._lock:
                        self._report(self._bytes + now_bytes)

        thread = threading.Thread(target=beat, name="beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            is_over.set()
            thread.join()


def _is_hollow(dtype: pa.DataType) -> bool:
    """Tell a type that has a structure without fields somewhere."""
    inner = [dtype.field(place).type for place in range(dtype.num_fields)]
    return (pa.types.is_struct(dtype) and not inner) or any(map(_is_hollow, inner))


def _check_columns(task: FetchTask | LiveScanTask, table: SourceTable) -> None:
    """Refuse a scan of columns that are gone: what is left, perhaps none, would be another answer."""
    wanted = (task.columns or ()) if isinstance(task, LiveScanTask) else ()
    if gone := sorted(set(wanted) - {column.name for column in table.columns}):
        raise RemoteError(f"it has no column '{gone[0]}' any more; refresh its connection")


def _cursor_of(task: FetchTask | LiveScanTask, table: SourceTable) -> str | None:
    """The cursor column, while the table still has it."""
    cursor = task.cursor_column if isinstance(task, FetchTask) else None
    return cursor if any(column.name == cursor for column in table.columns) else None


def _scan_of(task: FetchTask | LiveScanTask, table: SourceTable, cursor: str | None) -> Scan:
    if isinstance(task, LiveScanTask):
        return Scan(columns=task.columns, where=task.where, limit=task.limit)
    known = task.known_schema_hex
    if cursor is None or task.after is None or known != _hex_of(table.arrow_schema):
        return Scan()
    return Scan(after=After(cursor, task.after))


def _hex_of(schema: pa.Schema) -> str:
    return write_schema(settled(schema)).hex()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
