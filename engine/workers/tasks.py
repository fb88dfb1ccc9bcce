"""What the parent may ask a worker to do, as pure data.

A task names files by their path below the data folder and carries no secret, no URL and nothing
of the catalog. It crosses the process border as JSON: see ``engine.workers.pure_data``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
import pyarrow as pa

from catalog.index_model import IndexType, Metric, VectorStorage
from engine.arrow_types import read_schema
from engine.pg_catalog.snapshot import CarriedSnapshot
from engine.workers.document_tasks import DocumentBinding, DocumentSearchTask, SegmentTask
from engine.workers.pure_data import dump_data, load_data


class ScanMode(StrEnum):
    """How tables are read.

    ``single`` reads on one thread: the least work for a few rows of a small table. ``late`` decodes
    columns no filter needs only for the rows that pass: the least work for a few rows of a large
    one. ``parallel`` is for everything else.
    """

    SINGLE = "single"
    PARALLEL = "parallel"
    LATE = "late"


@dataclass(frozen=True, slots=True)
class EmbeddingBinding:
    """How texts become the vectors of an index: by which provider, and as how many numbers.

    ``dimensions`` is what the provider is asked for, None = as it has them; ``width`` is how many the
    vectors of the index have. ``fingerprint`` differs when the same text would become another vector.
    """

    provider_id: str
    dimensions: int | None
    width: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class IndexBinding:
    """An index of a bound table: what it is over, and where it is.

    ``folder`` is its own files, built of the very rows of the binding; None when it is not built, and
    ``problem`` says why if that is known. ``dimensions`` is the width of its vectors.
    """

    name: str
    index_type: IndexType
    columns: tuple[str, ...]
    folder: str | None
    problem: str | None = None
    source_column: str | None = None
    metric: Metric | None = None
    storage: VectorStorage | None = None
    language: str | None = None
    dimensions: int | None = None
    embedding: EmbeddingBinding | None = None


@dataclass(frozen=True, slots=True)
class TableBinding:
    """A name as the SQL resolves it, and where its rows are.

    One of ``folder`` (Parquet files of one table version), ``file`` (one Parquet file) and ``ipc`` (a
    small Arrow IPC stream) is set, or ``file`` and ``ipc`` for the rows of both. ``folder`` and ``file``
    are absolute local paths; ``file_count`` is how many files the folder must have.

    ``rows`` is the same rows by number, for searches, with the ``generated`` columns that the folder does
    not have: see ``engine.indexes.row_store``.

    ``documents`` stands for all of these: a table of a document dataset has its rows, and what its
    ``indexes`` are over, in segments. See ``engine.documents.segments.tables``.
    """

    catalog: str
    schema: str
    table: str
    folder: str | None = None
    file: str | None = None
    ipc: bytes | None = None
    size_bytes: int = 0
    file_count: int = 0
    indexes: tuple[IndexBinding, ...] = ()
    rows: str | None = None
    generated: tuple[str, ...] = ()
    documents: DocumentBinding | None = None

    @property
    def name(self) -> tuple[str, str, str]:
        """Catalog, schema and table."""
        return self.catalog, self.schema, self.table


@dataclass(frozen=True, slots=True)
class EmbeddedText:
    """A text of a statement as a vector of one kind."""

    fingerprint: str
    text: str
    vector: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class QueryTask:
    """Plan and run one read-only statement.

    ``encoding`` is ``json``, ``arrow``, ``csv``, ``md`` or ``none`` (no body). ``persist_path`` is
    where rows go as Parquet when they are more than ``inline_bytes_max`` of Arrow data; None keeps
    nothing. With a ``snapshot`` the statement is about the system catalogs of Postgres, and no table.
    """

    sql: str
    tables: tuple[TableBinding, ...]
    default_catalog: str
    default_schema: str
    scan: ScanMode
    terms_max: int | None
    encoding: str
    persist_path: str | None
    inline_bytes_max: int
    memory_bytes: int
    spill_bytes: int
    rows_max: int
    result_bytes_max: int
    embedded: tuple[EmbeddedText, ...] = ()
    snapshot: CarriedSnapshot | None = None


@dataclass(frozen=True, slots=True)
class ReadTask:
    """Encode rows ``offset_rows`` to ``offset_rows + limit_rows`` of a kept result."""

    file: str | None
    ipc: bytes | None
    columns: tuple[str, ...]
    nullable: tuple[bool, ...]
    encoding: str
    offset_rows: int
    limit_rows: int | None


@dataclass(frozen=True, slots=True)
class LoadTask:
    """Turn a file into the Parquet files of a table version: see ``engine.datasets.load``."""

    path: str
    format: str
    columns: dict[str, Any] | None
    output_folder: str
    memory_limit_bytes: int


@dataclass(frozen=True, slots=True)
class ClassifyTask:
    """Describe the unoptimised plan of a statement without running it."""

    sql: str
    tables: tuple[TableBinding, ...]
    default_catalog: str
    default_schema: str
    terms_max: int


@dataclass(frozen=True, slots=True)
class DescribeTask:
    """Say what a statement takes and gives: see ``engine.workers.describe``.

    ``terms_max`` is None when the statement was read already.
    """

    sql: str
    tables: tuple[TableBinding, ...]
    default_catalog: str
    default_schema: str
    terms_max: int | None
    snapshot: CarriedSnapshot | None = None


@dataclass(frozen=True, slots=True)
class ProfileTask:
    """Describe the columns of one table: see ``engine.workers.profiling``."""

    table: TableBinding
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class LiveTable:
    """A table that is read from its source, under the name SQL has for it."""

    catalog: str
    schema: str
    table: str
    dialect: str
    schema_hex: str

    def arrow_schema(self) -> pa.Schema:
        """What its columns are declared as."""
        return read_schema(bytes.fromhex(self.schema_hex))


@dataclass(frozen=True, slots=True)
class LivePlanTask:
    """Decide what the sources of live tables are asked for: see ``engine.workers.live_plan``.

    ``tables`` binds every name, without rows for the live ones. ``is_single`` says that all tables are
    live in one connection. ``inner_sql`` is what an EXPLAIN explains.
    """

    sql: str
    inner_sql: str | None
    tables: tuple[TableBinding, ...]
    live: tuple[LiveTable, ...]
    is_single: bool
    default_catalog: str
    default_schema: str


@dataclass(frozen=True, slots=True)
class TextsTask:
    """Collect the distinct texts of one column that are not embedded yet: see ``engine.workers.texts``.

    ``files`` are the Parquet files of a table version, in order; ``known`` are files of vectors.
    """

    files: tuple[str, ...]
    column: str
    known: tuple[str, ...]
    output_path: str


@dataclass(frozen=True, slots=True)
class IndexOrder:
    """One index to build, into a folder of its own."""

    folder: str
    index_type: IndexType
    columns: tuple[str, ...]
    metric: Metric | None
    storage: VectorStorage | None
    language: str | None


@dataclass(frozen=True, slots=True)
class GeneratedColumn:
    """A column of vectors of a width to make of a text column, from files of vectors by hash."""

    name: str
    source_column: str
    width: int
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IndexTask:
    """Build indexes of one table version: see ``engine.workers.index_build``.

    ``files`` are its Parquet files, in order. ``rows`` is its rows by number if they are laid out
    already, of which the generated columns ``kept`` belong to an index. They are written to ``rows_output``
    when an index needs them and they are not there, or not yet with the columns of ``generated``.
    """

    files: tuple[str, ...]
    rows: str | None
    kept: tuple[str, ...]
    rows_output: str
    generated: tuple[GeneratedColumn, ...]
    orders: tuple[IndexOrder, ...]
    memory_bytes: int

    @property
    def searched(self) -> tuple[IndexOrder, ...]:
        """The orders that need the rows by number."""
        return tuple(each for each in self.orders if each.index_type is not IndexType.SORTED)

    @property
    def writes_rows(self) -> bool:
        """Whether the rows by number are to be written."""
        return bool(self.searched) and (self.rows is None or bool(self.generated))


Task = (
    QueryTask
    | ReadTask
    | LoadTask
    | ClassifyTask
    | DescribeTask
    | ProfileTask
    | LivePlanTask
    | TextsTask
    | IndexTask
    | SegmentTask
    | DocumentSearchTask
)

_TASKS: dict[str, type[Task]] = {
    "query": QueryTask,
    "read": ReadTask,
    "load": LoadTask,
    "classify": ClassifyTask,
    "describe": DescribeTask,
    "profile": ProfileTask,
    "live_plan": LivePlanTask,
    "texts": TextsTask,
    "index": IndexTask,
    "segment": SegmentTask,
    "document_search": DocumentSearchTask,
}
_NAMES = {task: name for name, task in _TASKS.items()}


def dump_task(task: Task) -> bytes:
    """Write a task as JSON: its kind and its fields."""
    return dump_data([_NAMES[type(task)], task])


def load_task(data: bytes | bytearray) -> Task:
    """Read what :func:`dump_task` wrote."""
    name, value = orjson.loads(data)
    return load_data(_TASKS[name], value)


def load_bindings(items: Sequence[dict[str, Any]]) -> tuple[TableBinding, ...]:
    """Make bindings of their JSON objects."""
    return tuple(load_data(TableBinding, item) for item in items)
