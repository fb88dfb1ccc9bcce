"""What the parent may ask a source process to do, as pure data.

A task carries the options and the credential of one connection or embedding provider; it crosses the
process border as JSON over a private socket, and is never written down.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.embeddings.base import EmbedderSpec


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """How to reach a source: see ``connectors.base.SourceContext`` for the bounds.

    ``credential`` stays out of representations.
    """

    source_type: str
    config: dict[str, Any]
    credential: str | None = field(repr=False)
    allow_private: bool
    local_files: tuple[str, ...]
    connect_timeout_s: float
    statement_timeout_s: float
    memory_bytes: int
    batch_bytes: int
    parts_max: int


@dataclass(frozen=True, slots=True)
class CheckTask:
    """Prove that the source can be read."""

    source: SourceSpec
    scratch: str


@dataclass(frozen=True, slots=True)
class DiscoverTask:
    """List the tables of the source; they leave in BODY frames."""

    source: SourceSpec
    scratch: str


@dataclass(frozen=True, slots=True)
class FetchTask:
    """Copy a table, or what of it lies beyond a cursor, to Parquet files in ``output_folder``.

    With ``after``, the Arrow text of the greatest value of ``cursor_column`` that is here already,
    only rows beyond it are copied, unless the table has another schema than ``known_schema_hex`` by now.
    """

    source: SourceSpec
    scratch: str
    schema: str
    table: str
    output_folder: str
    cursor_column: str | None = None
    after: str | None = None
    known_schema_hex: str | None = None


@dataclass(frozen=True, slots=True)
class LiveScanTask:
    """Copy the rows of a table that one query needs to Parquet files in ``output_folder``.

    ``where`` is a condition in the source's dialect.
    """

    source: SourceSpec
    scratch: str
    schema: str
    table: str
    output_folder: str
    columns: tuple[str, ...] | None
    where: str | None
    limit: int | None


@dataclass(frozen=True, slots=True)
class LiveQueryTask:
    """Run a statement in the source and copy its rows, in a given schema, as :class:`LiveScanTask`.

    ``schema_hex`` is the serialized Arrow schema in hexadecimal digits.
    """

    source: SourceSpec
    scratch: str
    sql: str
    schema_hex: str
    output_folder: str


@dataclass(frozen=True, slots=True)
class EmbedTask:
    """Write the vectors of the texts of a file: see ``engine.sources.embedding``.

    A chunk file of ``output_folder`` is complete with ``chunk_rows`` texts, or after ``chunk_s`` seconds.
    """

    embedder: EmbedderSpec
    scratch: str
    texts: str
    output_folder: str
    chunk_rows: int
    chunk_s: float


SourceTask = CheckTask | DiscoverTask | FetchTask | LiveScanTask | LiveQueryTask | EmbedTask

_TASKS: dict[str, type[SourceTask]] = {
    "check": CheckTask,
    "discover": DiscoverTask,
    "fetch": FetchTask,
    "live_scan": LiveScanTask,
    "live_query": LiveQueryTask,
    "embed": EmbedTask,
}
_NAMES = {task: name for name, task in _TASKS.items()}


def dump_source_task(task: SourceTask) -> bytes:
    """Write a task as JSON: its kind and its fields."""
    return orjson.dumps([_NAMES[type(task)], task])


def load_source_task(data: bytes | bytearray) -> SourceTask:
    """Read what :func:`dump_source_task` wrote."""
    name, fields = orjson.loads(data)
    for key, kind in (("source", SourceSpec), ("embedder", EmbedderSpec)):
        if key in fields:
            inner = fields[key]
            fields[key] = kind(**{**inner, "local_files": tuple(inner["local_files"])})
    if fields.get("columns") is not None:
        fields["columns"] = tuple(fields["columns"])
    return _TASKS[name](**fields)
