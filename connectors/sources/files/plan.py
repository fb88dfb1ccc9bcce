"""From a listing and a scan to parts: which files, cut where, with which partition values."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import After, Part, Scan, SourceContext, SourceTable
from connectors.errors import SourceFailed
from connectors.sources.files.layout import DataFile, TableFiles
from connectors.sources.files.reader import FileReader, Unit, Wanted
from connectors.sources.files.text_values import convert_declared

Scalar: TypeAlias = Any
"""A ``pa.Scalar``."""
SPLIT_BATCHES_MIN = 4
"""A file of fewer batches than this is not cut."""


@dataclass(frozen=True, slots=True)
class FilesPart(Part):
    """Some files of a table.

    Attributes:
        reader: of their format.
        units: what to read.
        wanted: of each file.
        partitions: by the path of each file, the values of its partition columns.
        limit: rows at most.
    """

    reader: FileReader
    units: tuple[Unit, ...]
    wanted: Wanted
    partitions: dict[str, dict[str, Scalar]]
    limit: int | None


def plan_parts(
    table: SourceTable,
    scan: Scan,
    files: TableFiles,
    reader: FileReader,
    overridden: frozenset[str],
    context: SourceContext,
) -> list[FilesPart]:
    """Cut a scan into parts of about the same number of bytes.

    Args:
        table: as described.
        scan: what is wanted of it.
        files: its files now.
        reader: of their format.
        overridden: names of the columns whose type the user declared.
        context: its bounds.

    Raises:
        SourceFailed: a partition is no value of its column, or the table has changed.
    """
    schema, keys = table.arrow_schema, files.partition_keys
    new = next((key for key in keys if key not in schema.names), None)
    if new is not None:
        raise SourceFailed(f"The table has a new partition column '{new}': discover it again")
    selected = [column.name for column in table.select(scan.columns)]
    after = _after_value(scan.after, schema)
    needed = {*selected, after[0]} if after else set(selected)
    declared = pa.schema([field for field in schema if field.name not in keys])
    wanted = Wanted(
        declared=declared,
        hidden=frozenset(keys),
        names=tuple(name for name in declared.names if name in needed),
        overridden=overridden,
        after=after if after and after[0] not in keys else None,
    )
    partitions = {file.file.path: _partition_values(file, schema) for file in files.files}
    chosen = [file for file in files.files if _is_after(partitions[file.file.path], after)]
    parts_max = context.parts_max if scan.limit is None else 1
    units = _units(chosen, reader, parts_max, SPLIT_BATCHES_MIN * context.batch_bytes)
    return [
        FilesPart(
            schema=pa.schema([schema.field(name) for name in selected]),
            reader=reader,
            units=tuple(share),
            wanted=wanted,
            partitions={unit.file.path: partitions[unit.file.path] for unit in share},
            limit=scan.limit,
        )
        for share in _shares(units, parts_max)
    ]


def _after_value(after: After | None, schema: pa.Schema) -> tuple[str, Scalar] | None:
    if after is None:
        return None
    if after.column not in schema.names:
        raise SourceFailed(f"There is no column '{after.column}'")
    dtype = schema.field(after.column).type
    text = pa.array([after.value], pa.string())
    try:
        value = text.cast(dtype) if pa.types.is_binary(dtype) else convert_declared(text, dtype)
        pc.greater(value, value)
    except (ValueError, pa.ArrowException) as error:
        raise SourceFailed(
            f"Column '{after.column}' of type {dtype} cannot be compared with the last value"
        ) from error
    return after.column, value[0]


def _partition_values(file: DataFile, schema: pa.Schema) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {}
    for key, text in file.partitions.items():
        dtype = schema.field(key).type
        try:
            values[key] = convert_declared(pa.array([text], pa.string()), dtype)[0]
        except (ValueError, pa.ArrowException) as error:
            raise SourceFailed(
                f"'{file.file.path}': the partition '{key}' is no {dtype}; declare a type that fits"
                " with column_types"
            ) from error
    return values


def _is_after(partitions: dict[str, Scalar], after: tuple[str, Scalar] | None) -> bool:
    if after is None or after[0] not in partitions:
        return True
    return bool(pc.greater(partitions[after[0]], after[1]).as_py())


def _units(
    files: Sequence[DataFile], reader: FileReader, parts_max: int, cut_bytes_min: int
) -> list[Unit]:
    """Whole files, and pieces of those that are larger than a fair share."""
    total = sum(file.file.size_bytes for file in files)
    units: list[Unit] = []
    for file in (item.file for item in files):
        pieces = math.ceil(file.size_bytes * parts_max / max(1, total))
        if pieces > 1 and file.size_bytes >= cut_bytes_min:
            units += reader.split(file, pieces)
        else:
            units.append(Unit(file, file.size_bytes))
    return units


def _shares(units: Iterable[Unit], parts_max: int) -> list[list[Unit]]:
    """Deal units out, the largest first, each to the share that has least; at least one share."""
    shares: list[list[Unit]] = [[] for _ in range(parts_max)]
    sizes = [0] * parts_max
    for unit in sorted(units, key=lambda unit: -unit.size_bytes):
        least = sizes.index(min(sizes))
        shares[least].append(unit)
        sizes[least] += unit.size_bytes
    return [share for share in shares if share] or [[]]
