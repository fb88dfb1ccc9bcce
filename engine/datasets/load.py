"""Turn a local file into the Parquet files of a dataset version.

Runs inside a worker process: it knows paths and nothing else. Memory is bounded whatever the size
of the input: a few blocks of text and two row groups.

Types of CSV and JSON are inferred from the first rows and hold for all: when a later value does
not fit, the rest of the file is read for its types only, and the file is read once more with
types wide enough for every row. So nothing becomes null and nothing is rounded because of where
it stands, and the cost is one more pass. Text without a row has no types and is refused; Parquet
without a row is an empty table.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pyarrow as pa

from engine.arrow_types import write_schema
from engine.datasets.columns import parse_columns
from engine.datasets.compression import InputStream, compression_of, expand_to_file
from engine.datasets.csv_input import CsvInput
from engine.datasets.errors import LoadError, TypeContradiction
from engine.datasets.json_input import JsonInput
from engine.datasets.parquet_input import open_parquet
from engine.datasets.parquet_output import LoadedFile, ParquetOutput
from engine.datasets.widening import join_schemas

__all__ = ["LoadError", "LoadReport", "LoadSpec", "LoadedFile", "guess_format", "load_file"]

SAMPLE_ROWS = 10_000
SAMPLE_BLOCKS_MAX = 16
PASSES_MAX = 3
CONVERTING_THREADS = 2
BLOCKS_AHEAD = 3
ROW_GROUP_SHARE = 16
"""Part of the memory limit for a row group: two are in memory, and encoding copies them."""
NO_DATA = "No data found in the input"

Progress = Callable[[int, int, int], None]
"""Called with rows and bytes read so far, and bytes in all; a second pass starts from zero."""


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """What to load.

    ``path`` may be gzip or zstd compressed, whatever its name. ``format`` is csv, json or
    parquet. ``columns`` declares the type of every column (not for Parquet). ``output_folder``
    exists and is empty.
    """

    path: str
    format: str
    columns: dict[str, str | dict[str, Any]] | None
    output_folder: str
    memory_limit_bytes: int


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was written: files in row order, and the Arrow schema as an IPC message.

    ``sort_columns`` names the column by which all rows ascend, or is empty.
    """

    files: list[LoadedFile]
    row_count: int
    schema_ipc: bytes
    sort_columns: list[str]


def guess_format(content_type: str | None, name: str | None, head: bytes = b"") -> str:
    """Guess a format from the content type, else the name or URL path, else the first bytes.

    >>> guess_format("application/vnd.apache.parquet", None), guess_format(None, "x.NDJSON.gz")
    ('parquet', 'json')
    >>> guess_format("application/octet-stream", None)
    'csv'
    """
    for known in ("csv", "json", "parquet"):
        if known in (content_type or "").lower():
            return known
    ending = re.search(
        r"\.(csv|tsv|json|jsonl|ndjson|parquet|pq)(\.gz|\.zst|\.zstd)?$", (name or "").lower()
    )
    if ending:
        return {"tsv": "csv", "jsonl": "json", "ndjson": "json", "pq": "parquet"}.get(
            ending[1], ending[1]
        )
    if head.startswith(b"PAR1"):
        return "parquet"
    return "json" if head.lstrip()[:1] in {b"{", b"["} else "csv"


def load_file(spec: LoadSpec, *, on_progress: Progress) -> LoadReport:
    """Convert one file.

    Raises:
        LoadError: the input cannot be a table; nothing is left in the output folder.
    """
    try:
        return _load(spec, on_progress)
    except MemoryError as exc:
        raise LoadError("The input needs more memory than a load may use") from exc
    except pa.ArrowException as exc:
        raise LoadError("Parse error: the input holds values that cannot be stored") from exc


def _load(spec: LoadSpec, on_progress: Progress) -> LoadReport:
    declared = parse_columns(spec.columns) if spec.columns else None
    match spec.format.lower():
        case "csv":
            return _convert_text(CsvInput(spec.path, declared), spec, on_progress)
        case "json":
            return _convert_text(JsonInput(spec.path, declared), spec, on_progress)
        case "parquet":
            return _convert_parquet(spec, on_progress)
        case _:
            raise LoadError(f"Unsupported format: {spec.format}")


def _finished(output: ParquetOutput) -> LoadReport:
    files = output.finish()
    schema_ipc = write_schema(output.schema)
    return LoadReport(files, output.row_count, schema_ipc, output.sort_columns)


def _new_output(spec: LoadSpec, schema: pa.Schema) -> ParquetOutput:
    return ParquetOutput(
        Path(spec.output_folder),
        schema,
        row_group_bytes_max=spec.memory_limit_bytes // ROW_GROUP_SHARE,
    )


def _convert_parquet(spec: LoadSpec, on_progress: Progress) -> LoadReport:
    path = Path(spec.path)
    expanded = Path(spec.output_folder) / "input.expanded"
    try:
        if compression_of(spec.path):
            expand_to_file(spec.path, expanded)
            path = expanded
        source = open_parquet(path)
        with _new_output(spec, source.schema) as output:
            for batch in source.batches():
                output.write(batch)
                read_bytes = source.size_bytes * output.row_count // source.row_count
                on_progress(output.row_count, read_bytes, source.size_bytes)
            return _finished(output)
    finally:
        expanded.unlink(missing_ok=True)


class _Block(Protocol):
    @property
    def row_count(self) -> int: ...


Block = TypeVar("Block", bound=_Block)


class TextInput(Protocol[Block]):
    """A format that is read block by block, and whose types may have to widen."""

    def open(self) -> InputStream:
        """Open the file for one pass."""

    def blocks(self, stream: InputStream) -> Iterator[Block]:
        """Cut the file into blocks of whole rows."""

    def first_schema(self, first: list[Block]) -> pa.Schema:
        """Return the schema to begin with."""

    def infer(self, block: Block) -> pa.Schema:
        """Return the narrowest schema for one block."""

    def read(self, block: Block, schema: pa.Schema) -> pa.RecordBatch:
        """Convert a block, or raise TypeContradiction."""


def _convert_text(source: TextInput[Block], spec: LoadSpec, on_progress: Progress) -> LoadReport:
    schema = source.first_schema(_sample(source))
    if not schema.names:
        raise LoadError(NO_DATA)
    for _ in range(PASSES_MAX):
        with _new_output(spec, schema) as output, source.open() as stream:
            widest = schema
            for block, reading in _read_ahead(source, stream, schema):
                try:
                    batch = reading.result()
                except TypeContradiction:
                    widest = join_schemas(widest, source.infer(block))
                else:
                    if widest is schema:
                        output.write(batch)
                on_progress(output.row_count, stream.position_bytes, stream.size_bytes)
            if widest is schema:
                if not output.row_count:
                    raise LoadError(NO_DATA)
                return _finished(output)
            output.discard()
            schema = widest
    raise LoadError("Parse error: the types of the columns do not settle")


def _sample(source: TextInput[Block]) -> list[Block]:
    blocks: list[Block] = []
    rows = 0
    with source.open() as stream:
        for block in source.blocks(stream):
            blocks.append(block)
            rows += block.row_count
            if rows >= SAMPLE_ROWS or len(blocks) >= SAMPLE_BLOCKS_MAX:
                break
    if not blocks:
        raise LoadError(NO_DATA)
    return blocks


def _read_ahead(
    source: TextInput[Block], stream: InputStream, schema: pa.Schema
) -> Iterator[tuple[Block, Future[pa.RecordBatch]]]:
    """Every block with its conversion under way; a few at a time, in order."""
    with ThreadPoolExecutor(CONVERTING_THREADS, thread_name_prefix="convert") as pool:
        ahead: deque[tuple[Block, Future[pa.RecordBatch]]] = deque()
        for block in source.blocks(stream):
            ahead.append((block, pool.submit(source.read, block, schema)))
            if len(ahead) > BLOCKS_AHEAD:
                yield ahead.popleft()
        yield from ahead
