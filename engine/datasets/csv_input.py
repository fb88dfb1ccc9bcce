"""CSV with a header row as blocks of text columns, and their conversion to types.

Arrow reads every column as text, so no value is interpreted before the rules of ``text_values``
see it. Empty fields, quoted or not, are null. Empty lines are skipped, unless there is one column
only: there they are rows with a null. The separator is a comma unless the header has none and has
a semicolon, tab or bar. An empty column name becomes
``column<position from 0>`` and a repeated one gets ``_1``, ``_2`` …

The trap: a block must hold at least one whole row, so a larger row makes the reader start again
with larger blocks.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv

from engine.datasets.column_names import header_names, refuse_missing, refuse_undeclared
from engine.datasets.columns import convert_or_explain
from engine.datasets.compression import InputStream
from engine.datasets.errors import LoadError
from engine.datasets.text_values import convert_inferred, infer_type
from engine.datasets.widening import join_all

BLOCK_BYTES = 4 << 20
LONG_ROW_BLOCK_BYTES = 64 << 20
"""The longest row there may be."""


@dataclass(frozen=True, slots=True)
class CsvBlock:
    """Some consecutive rows, every column as text; ``first_row`` counts data rows from 1."""

    texts: pa.RecordBatch
    first_row: int

    @property
    def row_count(self) -> int:
        """Rows in this block."""
        return int(self.texts.num_rows)


@dataclass(frozen=True, slots=True)
class CsvInput:
    """A CSV file.

    ``declared`` maps every column to its type; None means that types are inferred.
    """

    path: str
    declared: dict[str, pa.DataType] | None

    def open(self) -> InputStream:
        """Open the file for one pass."""
        return InputStream(self.path)

    def blocks(self, stream: InputStream) -> Iterator[CsvBlock]:
        """Read all rows.

        Raises:
            LoadError: the bytes are not UTF-8 or not CSV, or a row has too few or too many fields.
        """
        dialect = _dialect(self.path)
        try:
            yield from _read_blocks(stream, dialect, BLOCK_BYTES)
        except _RowTooLong as too_long:
            stream.rewind()
            for block in _read_blocks(stream, dialect, LONG_ROW_BLOCK_BYTES):
                yield from _rows_after(block, too_long.rows_before)

    def first_schema(self, first: list[CsvBlock]) -> pa.Schema:
        """Return the declared schema after checking its names, or that of the first blocks."""
        if self.declared is None:
            return join_all(self.infer(block) for block in first)
        names = first[0].texts.schema.names
        refuse_undeclared(names, self.declared)
        refuse_missing(names, self.declared)
        return pa.schema([pa.field(name, self.declared[name]) for name in names])

    def infer(self, block: CsvBlock) -> pa.Schema:
        """Return the narrowest schema for one block."""
        texts = block.texts
        return pa.schema(
            [
                pa.field(name, infer_type(column))
                for name, column in zip(texts.schema.names, texts.columns, strict=True)
            ]
        )

    def read(self, block: CsvBlock, schema: pa.Schema) -> pa.RecordBatch:
        """Convert one block.

        Raises:
            TypeContradiction: types are inferred and a value does not fit.
            LoadError: types are declared and a value does not fit.
        """
        columns = []
        for field, texts in zip(schema, block.texts.columns, strict=True):
            if self.declared is None:
                columns.append(convert_inferred(texts, field.type))
            else:
                columns.append(convert_or_explain(texts, field, first_row=block.first_row))
        return pa.RecordBatch.from_arrays(columns, schema=schema)


class _RowTooLong(Exception):
    def __init__(self, rows_before: int) -> None:
        super().__init__()
        self.rows_before = rows_before


@dataclass(frozen=True, slots=True)
class _Dialect:
    """``blank_lines`` come before the header."""

    delimiter: str
    is_one_column: bool
    blank_lines: int


def _dialect(path: str) -> _Dialect:
    with InputStream(path) as stream:
        head = stream.read(1 << 16)
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise LoadError("Parse error: the text is UTF-16; send it as UTF-8")
    text = head.removeprefix(b"\xef\xbb\xbf")
    filled = text.lstrip(b"\r\n")
    blank_lines = len(text[: len(text) - len(filled)].splitlines())
    header = re.split(rb"[\r\n]", re.sub(rb'"[^"]*"', b"", filled), maxsplit=1)[0]
    delimiter = next((mark for mark in ",;\t|" if mark.encode() in header), None)
    return _Dialect(delimiter or ",", bool(filled) and delimiter is None, blank_lines)


def _read_blocks(stream: InputStream, dialect: _Dialect, block_bytes: int) -> Iterator[CsvBlock]:
    bad_rows: list[pyarrow.csv.InvalidRow] = []

    def remember(row: pyarrow.csv.InvalidRow) -> Literal["error"]:
        bad_rows.append(row)
        return "error"

    # The stubs know neither of these.
    source: Any = stream
    all_text: Any = {"default_column_type": pa.string()}
    rows, last = 0, None
    try:
        reader = pyarrow.csv.open_csv(
            source,
            # One thread is as fast beside the converting and the writing one, and it counts rows.
            read_options=pyarrow.csv.ReadOptions(
                use_threads=False,
                block_size=block_bytes,
                skip_rows=dialect.blank_lines if dialect.is_one_column else 0,
            ),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter,
                newlines_in_values=True,
                ignore_empty_lines=not dialect.is_one_column,
                invalid_row_handler=remember,
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                **all_text, null_values=[""], strings_can_be_null=True
            ),
        )
        names = header_names(reader.schema.names)
        for batch in reader:
            if batch.num_rows:
                yield CsvBlock(batch.rename_columns(names), rows + 1)
                rows, last = rows + batch.num_rows, batch
        _refuse_open_quote(last, stream.tail)
    except UnicodeDecodeError as exc:
        raise LoadError("Parse error: the header is not UTF-8") from exc
    except pa.ArrowInvalid as exc:
        if "straddling" in str(exc) and block_bytes < LONG_ROW_BLOCK_BYTES:
            raise _RowTooLong(rows) from exc
        raise _explained(exc, bad_rows, rows) from exc


def _refuse_open_quote(last: pa.RecordBatch | None, tail: bytes) -> None:
    """Refuse a quote that was never closed; Arrow takes the rest of the file as the last value."""
    if last is None:
        return
    value = last.columns[-1][-1].as_py() or ""
    if "\n" in value and not tail.rstrip(b"\r\n").endswith(b'"'):
        raise LoadError("Parse error: a quote is opened in the last row and never closed")


def _rows_after(block: CsvBlock, rows_before: int) -> Iterator[CsvBlock]:
    skipped = max(0, rows_before - (block.first_row - 1))
    if skipped < block.texts.num_rows:
        yield CsvBlock(block.texts.slice(skipped), block.first_row + skipped)


def _explained(
    exc: pa.ArrowInvalid, bad_rows: list[pyarrow.csv.InvalidRow], rows: int
) -> LoadError:
    text = str(exc)
    if bad_rows:
        row = bad_rows[-1]
        return LoadError(
            f"Parse error: row {(row.number or 0) - 1} has {row.actual_columns} fields, "
            f"expected {row.expected_columns}"
        )
    if "UTF8" in text or "UTF-8" in text:
        return LoadError(f"Parse error: text that is not UTF-8 after row {rows}")
    if "straddling" in text:
        return LoadError(
            f"Parse error: the row after row {rows} is longer than "
            f"{LONG_ROW_BLOCK_BYTES >> 20} MiB or a quote is not closed"
        )
    if "Empty CSV" in text:
        return LoadError("No data found in the input")
    return LoadError(f"Parse error: not CSV after row {rows}")
