"""JSON objects as typed blocks: newline-delimited, or one array of objects, printed in any way.

Arrow parses; objects become structs and arrays lists, a missing key is null. A JSON string is
text even when it looks like a date: declare a type to have it converted. Where values of
different kinds meet (a number here, an object there) the column, or the nested field, becomes
text: strings as they are, everything else as JSON. Whole numbers beyond int64 become decimals. A
number that no float can hold is refused: it would become infinity.

The trap: Arrow names such a place only in its error text ("Column(/a/[]/b) changed from number to
string"), which is why that text is parsed here, and the version of pyarrow is pinned.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from engine.arrow_types import map_leaves
from engine.datasets.arrow_values import Column, Type
from engine.datasets.column_names import refuse_missing, refuse_undeclared
from engine.datasets.columns import convert_or_explain
from engine.datasets.compression import InputStream
from engine.datasets.errors import LoadError, TypeContradiction
from engine.datasets.json_blocks import DEPTH_MAX, NESTED_TOO_DEEP, json_blocks
from engine.datasets.widening import BIG_INTEGER, join_all, settled

_MIXED = re.compile(r"Column\(/(.*)\) changed from (\w+) to (\w+) in row", re.DOTALL)
_NOT_BLANK = re.compile(r"[^ \t\r\n]")
_TOO_BIG = "Number too big"
_INT64_BOUND = float(1 << 63)
_DECIMAL_BOUND = 1e38


@dataclass(frozen=True, slots=True)
class JsonBlock:
    """Some consecutive lines, one object in each; ``first_row`` counts lines from 1."""

    text: bytes
    first_row: int

    @property
    def row_count(self) -> int:
        """Lines in this block."""
        return int(np.count_nonzero(np.frombuffer(self.text, np.uint8) == ord("\n")))


@dataclass(frozen=True, slots=True)
class JsonInput:
    """A JSON file; ``declared`` maps every key to its type, None means that types are inferred."""

    path: str
    declared: dict[str, pa.DataType] | None

    def open(self) -> InputStream:
        """Open the file for one pass."""
        return InputStream(self.path)

    def blocks(self, stream: InputStream) -> Iterator[JsonBlock]:
        """Read all lines.

        Raises:
            LoadError: the text is not JSON objects.
        """
        row = 1
        for text in json_blocks(stream):
            block = JsonBlock(text, row)
            row += block.row_count
            yield block

    def first_schema(self, first: list[JsonBlock]) -> pa.Schema:
        """Return the declared schema with sorted names, checked; or that of the first blocks."""
        schema = join_all(self.infer(block) for block in first)
        if self.declared is None:
            return schema
        refuse_undeclared(schema.names, self.declared)
        refuse_missing(schema.names, self.declared)
        return pa.schema(sorted(self.declared.items()))

    def infer(self, block: JsonBlock) -> pa.Schema:
        """Return the narrowest schema for one block.

        Raises:
            LoadError: the block is not valid JSON objects, or nests too deep.
        """
        try:
            return _infer(block)
        except RecursionError:
            raise LoadError(NESTED_TOO_DEEP) from None

    def read(self, block: JsonBlock, schema: pa.Schema) -> pa.RecordBatch:
        """Convert one block.

        Raises:
            TypeContradiction: types are inferred and a value does not fit.
            LoadError: types are declared and a value does not fit, or a key was not declared.
        """
        if self.declared is not None:
            return _read_declared(block, schema)
        batch = _parse_with_texts(block.text, schema)
        if any(_lists_nulls(dtype) for dtype in schema.types):
            # The parser builds invalid lists of nulls; with nothing else in them, text will do.
            batch = _parse_with_texts(block.text, settled(schema))
        return batch


def _read_declared(block: JsonBlock, schema: pa.Schema) -> pa.RecordBatch:
    """Let the parser convert numbers; where it cannot, convert from text, which explains why."""
    as_text = pa.schema([pa.field(field.name, pa.string()) for field in schema])
    try:
        direct = pa.schema(
            [pa.field(f.name, f.type if _parses(f.type) else pa.string()) for f in schema]
        )
        batch = _parse_with_texts(block.text, direct)
    except TypeContradiction:
        refuse_undeclared(_infer(block).names, dict(zip(schema.names, schema.types, strict=True)))
        batch = _parse_with_texts(block.text, as_text)
    columns = [
        column
        if column.type.equals(field.type)
        else convert_or_explain(column, field, first_row=block.first_row)
        for field, column in zip(schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _parses(dtype: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(dtype)
        or pa.types.is_floating(dtype)
        or pa.types.is_decimal(dtype)
        or pa.types.is_boolean(dtype)
    )


def _parse(text: bytes, schema: pa.Schema | None) -> pa.RecordBatch:
    """Parse lines of objects, in ``schema`` exactly when there is one."""
    source: Any = pa.BufferReader(text)
    table = pyarrow.json.read_json(
        source,
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(text) + 1),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=schema,
            unexpected_field_behavior="infer" if schema is None else "error",
        ),
    )
    batches = table.combine_chunks().to_batches()
    if not batches:
        return pa.RecordBatch.from_pylist([], schema=table.schema)
    if any(_has_infinity(column) for column in batches[0].columns):
        raise pa.ArrowInvalid(_TOO_BIG)
    return batches[0]


def _has_infinity(values: Column) -> bool:
    """Whether a float, in lists and structs too, came out infinite; JSON cannot spell infinity."""
    dtype = values.type
    if pa.types.is_struct(dtype):
        return any(_has_infinity(values.field(i)) for i in range(dtype.num_fields))
    if pa.types.is_list(dtype):
        return _has_infinity(values.flatten())
    return pa.types.is_floating(dtype) and bool(pc.any(pc.is_inf(values)).as_py())


def _parse_with_texts(text: bytes, schema: pa.Schema) -> pa.RecordBatch:
    """Parse in a schema; where it has text and the data something else, that becomes JSON text.

    Raises:
        TypeContradiction: the data does not fit the schema.
    """
    seen: set[str] = set()
    while True:
        try:
            return _parse(text, schema)
        except pa.ArrowInvalid as exc:
            mixed = _MIXED.search(str(exc))
            if mixed is None or mixed[2] != "string" or mixed[1] in seen:
                raise TypeContradiction from exc
            seen.add(mixed[1])
            text = _with_texts_at(text, mixed[1])


def _infer(block: JsonBlock) -> pa.Schema:
    text = block.text
    seen: set[str] = set()
    while True:
        try:
            batch = _parse(text, None)
            path = _empty_object("", pa.struct(list(batch.schema)))
        except pa.ArrowInvalid as exc:
            path = _mixed_path(exc, block.first_row)
        if path is None:
            return _exact(text, batch)
        if path in seen:
            raise LoadError(f"Parse error: the values of '{path}' cannot be read")
        seen.add(path)
        text = _with_texts_at(text, path)


def _mixed_path(exc: Exception, first_row: int) -> str:
    mixed = _MIXED.search(str(exc))
    if mixed:
        return mixed[1]
    if twice := re.search(r"Column\(/(.*)\) was specified twice", str(exc)):
        raise LoadError(f"Parse error: the key '{twice[1]}' is twice in one object") from exc
    if "changed from object" in str(exc):
        raise LoadError("Parse error: expected JSON objects, one a line or in an array") from exc
    row = re.search(r"in row (\d+)", str(exc))
    line = first_row + int(row[1]) if row else first_row
    if _TOO_BIG in str(exc):
        where = f" near line {line}" if row else ""
        raise LoadError(f"Parse error: a number{where} is out of the range of numbers") from exc
    raise LoadError(f"Parse error: not valid JSON near line {line}") from exc


def _empty_object(path: str, dtype: pa.DataType) -> str | None:
    """The path of the first object type without any key, which Parquet cannot hold."""
    if pa.types.is_list(dtype):
        return _empty_object(f"{path}/[]", dtype.value_type)
    if not pa.types.is_struct(dtype):
        return None
    if path and not dtype.num_fields:
        return path.removeprefix("/")
    found = (_empty_object(f"{path}/{field.name}", field.type) for field in dtype.fields)
    return next((inner for inner in found if inner is not None), None)


def _exact(text: bytes, batch: pa.RecordBatch) -> pa.Schema:
    """The schema of an inferred batch, guessed times as text and big whole numbers as decimals."""
    fields = zip(batch.schema.names, batch.columns, strict=True)
    schema = pa.schema([pa.field(name, _exact_type(column, 1)) for name, column in fields])
    try:
        _parse_with_texts(text, schema)
    except TypeContradiction:
        return pa.schema([pa.field(f.name, map_leaves(f.type, _decimal_as_float)) for f in schema])
    return schema


def _exact_type(values: Column, depth: int) -> pa.DataType:
    if depth > DEPTH_MAX:
        raise LoadError(NESTED_TOO_DEEP)
    dtype = values.type
    if pa.types.is_struct(dtype):
        return pa.struct(
            [(f.name, _exact_type(values.field(i), depth + 1)) for i, f in enumerate(dtype.fields)]
        )
    if pa.types.is_list(dtype):
        return pa.list_(_exact_type(values.flatten(), depth + 1))
    if pa.types.is_timestamp(dtype):
        return pa.string()
    return BIG_INTEGER if pa.types.is_floating(dtype) and _are_big_integers(values) else dtype


def _are_big_integers(values: Column) -> bool:
    floats = values.drop_null().to_numpy()
    if not len(floats) or not np.isfinite(floats).all():
        return False
    largest = np.abs(floats).max()
    return bool(_INT64_BOUND <= largest < _DECIMAL_BOUND and (floats == np.trunc(floats)).all())


def _lists_nulls(dtype: Type) -> bool:
    if pa.types.is_list(dtype):
        return bool(pa.types.is_null(dtype.value_type)) or _lists_nulls(dtype.value_type)
    return pa.types.is_struct(dtype) and any(_lists_nulls(field.type) for field in dtype.fields)


def _decimal_as_float(dtype: pa.DataType) -> pa.DataType:
    return pa.float64() if pa.types.is_decimal(dtype) else dtype


def _with_texts_at(text: bytes, path: str) -> bytes:
    """Rewrite lines so that every value at ``path`` is a string or null."""
    try:
        rows = list(_objects(text.decode()))
        for row in rows:
            _make_text(row, path)
        return "\n".join(map(_dump, rows)).encode() + b"\n"
    except ValueError as exc:
        raise LoadError("Parse error: not valid JSON") from exc


def _objects(text: str) -> Iterator[Any]:
    decode = json.JSONDecoder().raw_decode
    position = _NOT_BLANK.search(text)
    while position:
        row, end = decode(text, position.start())
        yield row
        position = _NOT_BLANK.search(text, end)


def _dump(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _make_text(value: Any, path: str) -> None:  # noqa: ANN401 - any JSON value
    if isinstance(value, list) and path.startswith("[]"):
        for position, item in enumerate(value):
            if path == "[]":
                value[position] = _as_text(item)
            else:
                _make_text(item, path[3:])
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == path:
                value[key] = _as_text(item)
            elif path.startswith(f"{key}/"):
                _make_text(item, path[len(key) + 1 :])


def _as_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if value is None or isinstance(value, str):
        return value
    return _dump(value)
