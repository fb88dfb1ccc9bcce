"""CSV: Arrow cuts the text into fields, the rules of ``text_values`` make values of them.

No field is interpreted before those rules see it. An empty field is NULL; a quoted empty one is an
empty text, and NULL in a column of another type. Empty lines are skipped, unless there is one column
only: there each is a row with a NULL.

The trap: a block must hold at least one whole row, so a larger row makes the reader start again
with larger blocks.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
from typing_extensions import override

from connectors.errors import SourceFailed
from connectors.sources.files.options import FilesOptions
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
from connectors.sources.files.text_values import (
    convert_declared,
    convert_inferred,
    explained,
    infer_type,
)

SAMPLES_MAX = 16
"""Files of a table whose first rows are looked at."""
BLOCK_BYTES_MAX = 4 << 20
LONG_ROW_BLOCK_BYTES = 64 << 20
"""The longest row there may be."""
HEAD_BYTES = 1 << 16
COLUMNS_MAX = 10_000
NATIVE_TYPE = "text"
DELIMITERS = ",;\t|"
"""Tried in this order."""


@dataclass(frozen=True, slots=True)
class _Block:
    """Some consecutive rows, every column as text; ``first_row`` counts data rows from 1."""

    texts: pa.RecordBatch
    first_row: int


class CsvReader(FileReader):
    """Reads CSV."""

    @override
    def look(
        self, files: Sequence[File], each: EachFile, overridden: frozenset[str] = frozenset()
    ) -> Found:
        looked = spread(files, SAMPLES_MAX)
        samples: dict[str, list[Any]] = {}
        for batch in each(self._sample, looked):
            if batch is None:
                continue
            for name, texts in zip(batch.schema.names, batch.columns, strict=True):
                samples.setdefault(name, []).append(texts)
        fields = [
            pa.field(name, infer_type(pa.concat_arrays(texts))) for name, texts in samples.items()
        ]
        return Found(pa.schema(fields), (NATIVE_TYPE,) * len(fields))

    @override
    def batches(self, unit: Unit, wanted: Wanted) -> Iterator[pa.RecordBatch]:
        place = f"'{unit.file.path}', column"
        for block in self._blocks(unit.file, min(self.batch_bytes, BLOCK_BYTES_MAX)):
            texts: Any = block.texts
            wanted.refuse_unknown(unit.file, texts.schema.names)
            arrays = []
            for field in wanted.schema:
                if field.name not in texts.schema.names:
                    arrays.append(pa.nulls(texts.num_rows, field.type))
                    continue
                is_declared = field.name in wanted.overridden
                convert: Any = convert_declared if is_declared else convert_inferred
                arrays.append(
                    explained(
                        texts.column(field.name),
                        partial(convert, dtype=field.type),
                        place=f"{place} '{field.name}'",
                        first_row=block.first_row,
                        kind=str(field.type),
                    )
                )
            if arrays:
                yield pa.RecordBatch.from_arrays(arrays, schema=wanted.schema)
            else:
                yield no_columns(texts.num_rows)

    def _sample(self, file: File) -> pa.RecordBatch | None:
        """The first rows as text; none for a file of blank lines."""
        texts = None
        for block in islice(self._blocks(file, self.options.sample_bytes), 2):
            texts = block.texts
        return texts

    def _blocks(self, file: File, block_bytes: int) -> Iterator[_Block]:
        """Yield all rows of a file, after a block without rows that tells the columns."""
        try:
            yield from self._read_blocks(file, block_bytes)
        except _RowTooLong as too_long:
            for block in self._read_blocks(file, LONG_ROW_BLOCK_BYTES):
                yield from _rows_after(block, too_long.rows_before)

    def _read_blocks(self, file: File, block_bytes: int) -> Iterator[_Block]:
        with self.store.reading(file) as opened:
            stream = TextStream(opened, self.options.encoding)
            head = stream.peek(HEAD_BYTES)
            if head.strip() or len(head) == HEAD_BYTES:
                dialect = _dialect(head, self.options)
                yield from _parsed(stream, dialect, block_bytes, file.path)


class _RowTooLong(Exception):
    def __init__(self, rows_before: int) -> None:
        super().__init__()
        self.rows_before = rows_before


@dataclass(frozen=True, slots=True)
class _Dialect:
    """``blank_lines`` come before the header."""

    delimiter: str
    quote: str
    has_header: bool
    null_texts: tuple[str, ...]
    is_one_column: bool
    blank_lines: int


def _dialect(head: bytes, options: FilesOptions) -> _Dialect:
    filled = head.lstrip(b"\r\n")
    blank_lines = len(head[: len(head) - len(filled)].splitlines())
    quote = re.escape(options.quote.encode())
    bare = re.sub(quote + rb".*?" + quote, b"", filled, flags=re.DOTALL) if quote else filled
    first_line = re.split(rb"[\r\n]", bare, maxsplit=1)[0]
    marks = DELIMITERS if options.delimiter is None else options.delimiter
    delimiter = next((mark for mark in marks if mark.encode() in first_line), None)
    return _Dialect(
        delimiter=delimiter or marks[0],
        quote=options.quote,
        has_header=options.header,
        null_texts=tuple(options.null_texts),
        is_one_column=delimiter is None,
        blank_lines=blank_lines,
    )


def _parsed(stream: TextStream, dialect: _Dialect, block_bytes: int, path: str) -> Iterator[_Block]:
    bad_rows: list[pyarrow.csv.InvalidRow] = []

    def remember(row: pyarrow.csv.InvalidRow) -> Literal["error"]:
        bad_rows.append(row)
        return "error"

    rows, last = 0, None
    try:
        reader = _open(stream, dialect, block_bytes, remember)
        names = _header_names(
            reader.schema.names if dialect.has_header else [""] * len(reader.schema)
        )
        if len(names) > COLUMNS_MAX:
            raise SourceFailed(f"'{path}' has more than {COLUMNS_MAX} columns")
        columns = pa.schema([pa.field(name, pa.string()) for name in names])
        yield _Block(pa.RecordBatch.from_pylist([], schema=columns), 1)
        for batch in reader:
            if batch.num_rows:
                yield _Block(batch.rename_columns(names), rows + 1)
                rows, last = rows + batch.num_rows, batch
    except pa.ArrowInvalid as error:
        if "straddling" in str(error) and block_bytes < LONG_ROW_BLOCK_BYTES:
            raise _RowTooLong(rows) from error
        raise SourceFailed(f"'{path}'{_explained(error, bad_rows, rows, dialect)}") from error
    if dialect.quote and _is_quote_open(last, stream.tail, dialect.quote.encode()):
        raise SourceFailed(f"'{path}': a quote is opened in the last row and never closed")


def _open(stream: TextStream, dialect: _Dialect, block_bytes: int, on_bad_row: Any) -> Any:  # noqa: ANN401 - the stubs know neither a callable here nor the reader
    source: Any = stream
    all_text: Any = {"default_column_type": pa.string()}
    quote: Any = dialect.quote or False
    return pyarrow.csv.open_csv(
        source,
        # With one thread the reader counts rows.
        read_options=pyarrow.csv.ReadOptions(
            use_threads=False,
            block_size=block_bytes,
            autogenerate_column_names=not dialect.has_header,
            skip_rows=dialect.blank_lines if dialect.is_one_column else 0,
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=quote,
            newlines_in_values=bool(dialect.quote),
            ignore_empty_lines=not dialect.is_one_column,
            invalid_row_handler=on_bad_row,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            **all_text,
            null_values=["", *dialect.null_texts],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _header_names(header: Sequence[str]) -> list[str]:
    """Name all columns; an empty name is its position, a repeated one gets a number.

    >>> _header_names(["", " a", "a"])
    ['column0', 'a', 'a_1']
    """
    names = [name.strip() or f"column{position}" for position, name in enumerate(header)]
    taken, unique = set(names), dict.fromkeys(names[:0])
    for name in names:
        chosen, number = name, 0
        while chosen in unique or (number and chosen in taken):
            number += 1
            chosen = f"{name}_{number}"
        unique[chosen] = None
    return list(unique)


def _is_quote_open(last: Any, tail: bytes, quote: bytes) -> bool:  # noqa: ANN401 - a batch
    """Whether a quote was never closed; Arrow takes the rest of the file as the last value."""
    if last is None:
        return False
    value = last.columns[-1][-1].as_py() or ""
    return "\n" in value and not tail.rstrip(b"\r\n").endswith(quote)


def _rows_after(block: _Block, rows_before: int) -> Iterator[_Block]:
    skipped = max(0, rows_before - (block.first_row - 1))
    if skipped < block.texts.num_rows:
        yield _Block(block.texts.slice(skipped), block.first_row + skipped)


def _explained(error: Exception, bad_rows: list[Any], rows: int, dialect: _Dialect) -> str:
    text = str(error)
    if bad_rows:
        row = bad_rows[-1]
        number = (row.number or 0) - dialect.has_header
        return f", row {number}: {row.actual_columns} fields instead of {row.expected_columns}"
    if "straddling" in text:
        return (
            f": the row after row {rows} is longer than {LONG_ROW_BLOCK_BYTES >> 20} MiB, or a"
            " quote is not closed"
        )
    return f" is not CSV after row {rows}"
