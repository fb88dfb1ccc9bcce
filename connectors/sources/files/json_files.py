"""JSON: Arrow parses what is as expected, and Python the blocks that are not.

The invariant is that both agree. Arrow rounds numbers to DOUBLE without a word, so a block that has
one too long for it goes to the exact reader, as does every block that Arrow refuses: that one makes
text of mixed values, or names the row and column that do not fit.
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from typing_extensions import override

from connectors.errors import SourceFailed
from connectors.sources.files.json_lines import Lines, json_lines
from connectors.sources.files.json_values import Misfit, Shape, parse_object, value_of
from connectors.sources.files.reader import (
    EachFile,
    FileReader,
    Found,
    Unit,
    Wanted,
    no_columns,
    spread,
)
from connectors.sources.files.stores import File
from connectors.sources.files.text_stream import TextStream
from connectors.sources.files.text_values import convert_declared, explained, is_exact_double

SAMPLES_MAX = 16
"""Files of a table whose first rows are looked at."""
BLOCK_BYTES_MAX = 4 << 20
NATIVE_TYPE = "json"

_LONG_NUMBER = re.compile(rb"[:,\[\s](-?[0-9.]{17,}(?:[eE][-+]?[0-9]+)?)")
_TINY_NUMBER = re.compile(rb"[:,\[\s]-?[0-9.]+[eE]-[0-9]{3}")
_WHOLE_DOUBLE_MAX = float(1 << 53)


class JsonReader(FileReader):
    """Reads JSON."""

    @override
    def look(
        self, files: Sequence[File], each: EachFile, overridden: frozenset[str] = frozenset()
    ) -> Found:
        whole = Shape()
        for shape in each(self._sample, spread(files, SAMPLES_MAX)):
            whole.merge(shape)
        fields = [pa.field(key, inner.type()) for key, inner in whole.fields.items()]
        return Found(pa.schema(fields), (NATIVE_TYPE,) * len(fields))

    @override
    def batches(self, unit: Unit, wanted: Wanted) -> Iterator[pa.RecordBatch]:
        for lines in self._lines(unit.file, min(self.batch_bytes, BLOCK_BYTES_MAX)):
            batch = _parse(lines.text, wanted)
            if batch is None:
                with self.store.wrapping(unit.file.path):
                    batch = _parse_exactly(lines, wanted, unit.file)
            yield _selected(batch, lines, wanted, unit.file)

    def _lines(self, file: File, block_bytes: int) -> Iterator[Lines]:
        with self.store.reading(file) as opened:
            yield from json_lines(TextStream(opened), block_bytes, file.path)

    def _sample(self, file: File) -> Shape:
        shape = Shape()
        for lines in islice(self._lines(file, self.options.sample_bytes), 1):
            for _, value in _objects(lines, file):
                shape.add(value)
        return shape


def _parse(text: bytes, wanted: Wanted) -> pa.RecordBatch | None:
    """Let Arrow parse; None when it cannot, or might have rounded a number."""
    schema = pa.schema([pa.field(f.name, _parsed_type(f.type)) for f in wanted.declared])
    doubles = [f.name for f in schema if _has_double(f.type)]
    if doubles and _may_be_rounded(text):
        return None
    source: Any = pa.BufferReader(text)
    try:
        table = pyarrow.json.read_json(
            source,
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(text) + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="error"
            ),
        )
    except pa.ArrowInvalid:
        return None
    batches = table.combine_chunks().to_batches()
    if not batches:
        return pa.RecordBatch.from_pylist([], schema=schema)
    if any(_has_large_double(batches[0].column(name)) for name in doubles):
        return None
    return batches[0]


def _parse_exactly(lines: Lines, wanted: Wanted, file: File) -> pa.RecordBatch:
    """Parse value by value.

    Raises:
        SourceFailed: a line is no object, or a value does not fit its column.
    """
    fields = [
        pa.field(f.name, pa.string() if f.name in wanted.overridden else _parsed_type(f.type))
        for f in wanted.schema
    ]
    columns: list[list[Any]] = [[] for _ in fields]
    row_count = 0
    for position, found in _objects(lines, file):
        row_count += 1
        wanted.refuse_unknown(file, found)
        for field, column in zip(fields, columns, strict=True):
            try:
                column.append(value_of(found.get(field.name), field.type))
            except ValueError as error:
                inner = (
                    f", at its key '{error}'" if isinstance(error, Misfit) and str(error) else ""
                )
                raise SourceFailed(
                    f"'{file.path}', column '{field.name}', row {lines.first_row + position}: a value"
                    f" is no {field.type}{inner}; declare a type that fits with column_types"
                ) from error
    if not fields:
        return no_columns(row_count)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, fields, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def _objects(lines: Lines, file: File) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects with the positions of their lines."""
    for position, line in enumerate(lines.text.split(b"\n")):
        if line.strip():
            try:
                yield position, parse_object(line)
            except ValueError as error:
                row = lines.first_row + position
                reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                raise SourceFailed(
                    f"'{file.path}', row {row}: not valid JSON ({reason})"
                ) from error


def _selected(batch: Any, lines: Lines, wanted: Wanted, file: File) -> pa.RecordBatch:  # noqa: ANN401 - a batch
    """Take the wanted columns, those that came as text brought to their types."""
    arrays = [
        column
        if (column := batch.column(field.name)).type.equals(field.type)
        else explained(
            column,
            partial(convert_declared, dtype=field.type),
            place=f"'{file.path}', column '{field.name}'",
            first_row=lines.first_row,
            kind=str(field.type),
        )
        for field in wanted.schema
    ]
    if not arrays:
        return no_columns(batch.num_rows)
    return pa.RecordBatch.from_arrays(arrays, schema=wanted.schema)


def _parsed_type(dtype: pa.DataType) -> pa.DataType:
    """What a column is parsed as: its type when JSON has such values, else text."""
    is_json = (
        pa.types.is_nested(dtype)
        or pa.types.is_boolean(dtype)
        or pa.types.is_integer(dtype)
        or pa.types.is_floating(dtype)
        or pa.types.is_decimal(dtype)
    )
    return dtype if is_json else pa.string()


def _has_double(dtype: Any) -> bool:  # noqa: ANN401 - any type
    if pa.types.is_struct(dtype):
        return any(_has_double(field.type) for field in dtype.fields)
    if pa.types.is_list(dtype):
        return _has_double(dtype.value_type)
    return bool(pa.types.is_floating(dtype))


def _may_be_rounded(text: bytes) -> bool:
    """Whether a number with a fraction is not what its DOUBLE says."""
    # Looking for two bytes is much cheaper than for a number, and mostly enough.
    if (b"e-" in text or b"E-" in text) and _TINY_NUMBER.search(text):
        return True
    numbers = (match[1].decode() for match in _LONG_NUMBER.finditer(text))
    return not all(is_exact_double(number) for number in numbers if "." in number)


def _has_large_double(values: Any) -> bool:  # noqa: ANN401 - any array
    """Whether a DOUBLE, in lists and structs too, may stand for another whole number."""
    if pa.types.is_struct(values.type):
        return any(_has_large_double(values.field(i)) for i in range(values.type.num_fields))
    if pa.types.is_list(values.type):
        return _has_large_double(values.flatten())
    if not pa.types.is_floating(values.type):
        return False
    return bool(pc.any(pc.greater_equal(pc.abs(values), pa.scalar(_WHOLE_DOUBLE_MAX))).as_py())
