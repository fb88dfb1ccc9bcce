"""What the parent may ask a worker to do, as pure data.

A task names files by their path below the data folder and carries no secret, no URL and nothing
of the catalog. It crosses the process border as JSON (:func:`dump_task`, :func:`load_task`); bytes
travel as base64 inside it, so they must stay small.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson
import pyarrow as pa


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
class TableBinding:
    """A name as the SQL resolves it, and where its rows are.

    One of ``folder`` (Parquet files of one table version), ``file`` (one Parquet file) and ``ipc`` (a
    small Arrow IPC stream) is set, or ``file`` and ``ipc`` for the rows of both. ``folder`` and ``file``
    are absolute local paths; ``file_count`` is how many files the folder must have.
    """

    catalog: str
    schema: str
    table: str
    folder: str | None = None
    file: str | None = None
    ipc: bytes | None = None
    size_bytes: int = 0
    file_count: int = 0


@dataclass(frozen=True, slots=True)
class QueryTask:
    """Plan and run one read-only statement.

    ``encoding`` is ``json``, ``arrow``, ``csv``, ``md`` or ``none`` (no body). ``persist_path`` is
    where rows go as Parquet when they are more than ``inline_bytes_max`` of Arrow data; None keeps
    nothing.
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
        return pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(self.schema_hex)))


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


Task = QueryTask | ReadTask | LoadTask | ClassifyTask | ProfileTask | LivePlanTask

_TASKS: dict[str, type[Task]] = {
    "query": QueryTask,
    "read": ReadTask,
    "load": LoadTask,
    "classify": ClassifyTask,
    "profile": ProfileTask,
    "live_plan": LivePlanTask,
}
_NAMES = {task: name for name, task in _TASKS.items()}


def dump_task(task: Task) -> bytes:
    """Write a task as JSON: its kind and its fields."""
    return orjson.dumps([_NAMES[type(task)], task], default=_dump_bytes)


def load_task(data: bytes | bytearray) -> Task:
    """Read what :func:`dump_task` wrote."""
    name, fields = orjson.loads(data)
    if "tables" in fields:
        fields["tables"] = load_bindings(fields["tables"])
    if "live" in fields:
        fields["live"] = tuple(LiveTable(**table) for table in fields["live"])
    if "table" in fields:
        (fields["table"],) = load_bindings([fields["table"]])
    if "scan" in fields:
        fields["scan"] = ScanMode(fields["scan"])
    if fields.get("ipc") is not None:
        fields["ipc"] = base64.b64decode(fields["ipc"])
    return _TASKS[name](**fields)


def dump_bindings(bindings: Sequence[TableBinding]) -> bytes:
    """Write bindings as one JSON array."""
    return orjson.dumps(bindings, default=_dump_bytes)


def load_bindings(items: list[dict[str, Any]]) -> tuple[TableBinding, ...]:
    """Read bindings from their JSON objects."""
    return tuple(
        TableBinding(**{**item, "ipc": base64.b64decode(item["ipc"]) if item["ipc"] else None})
        for item in items
    )


def _dump_bytes(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(type(value).__name__)
