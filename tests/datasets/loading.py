"""Load bytes through real files, and read back what was written."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.datasets.load import LoadError, LoadReport, LoadSpec, load_file

MEMORY_BYTES = 1 << 30


@dataclass(frozen=True)
class Loaded:
    """What one load wrote."""

    report: LoadReport
    table: pa.Table
    sorting_columns: list[list[int]]
    """For each file, the positions its first row group says it is sorted by."""

    @property
    def types(self) -> dict[str, str]:
        return {field.name: str(field.type) for field in self.table.schema}

    @property
    def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.table.to_pylist()
        return rows


def load(
    content: bytes | str, format_name: str, columns: Mapping[str, Any] | None = None
) -> Loaded:
    """Load content; after a failure, check that nothing was left behind and no path was told."""
    with TemporaryDirectory() as name:
        source, output = Path(name) / "input", Path(name) / "output"
        source.write_bytes(content.encode() if isinstance(content, str) else content)
        output.mkdir()
        spec = LoadSpec(
            str(source), format_name, dict(columns) if columns else None, str(output), MEMORY_BYTES
        )
        try:
            report = load_file(spec, on_progress=lambda _rows, _read, _total: None)
        except LoadError as error:
            left = [file.name for file in output.iterdir()]
            if left or name in str(error):
                pytest.fail(f"left {left}, said {error}")
            raise
        return _read_back(report, output)


def _read_back(report: LoadReport, folder: Path) -> Loaded:
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        file.name for file in report.files
    )
    files = [pq.ParquetFile(folder / file.name) for file in report.files]
    for file, told in zip(files, report.files, strict=True):
        assert file.metadata.num_rows == told.row_count
        assert (folder / told.name).stat().st_size == told.size_bytes
    table = pa.concat_tables([file.read() for file in files])
    assert table.num_rows == report.row_count
    schema = pa.ipc.read_schema(pa.py_buffer(report.schema_ipc))
    assert schema.names == table.schema.names
    return Loaded(report, table, [_sorting(file) for file in files])


def _sorting(file: pq.ParquetFile) -> list[int]:
    return [column.column_index for column in file.metadata.row_group(0).sorting_columns]
