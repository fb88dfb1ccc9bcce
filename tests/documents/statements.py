"""Statements over bound tables, planned and run as a worker does, without its process."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.documents.segments.tables import bind_document_table
from engine.workers.document_tasks import DocumentPart, SegmentBinding
from engine.workers.index_use import use_indexes
from engine.workers.session import READ_ONLY, Sessions
from engine.workers.statement import plan
from engine.workers.tasks import EmbeddingBinding, ScanMode, TableBinding
from tests.documents.staged import WIDTH

DEFAULTS = ("datasets", "main")
EMBEDDING = EmbeddingBinding("provider", None, WIDTH, "print")


def document_tables(
    slug: str, segments: Sequence[SegmentBinding], *, width: int | None = WIDTH
) -> list[TableBinding]:
    embedding = None if width is None else EMBEDDING
    return [
        bind_document_table(
            ("documents", slug, part),
            segments,
            language="english",
            dimensions=width,
            embedding=embedding,
        )
        for part in DocumentPart
    ]


class Statements:
    """Runs statements in one worker's session; ``vector`` is what any text becomes."""

    def __init__(self, data_folder: Path) -> None:
        (data_folder / "spill").mkdir(exist_ok=True)
        self.sessions = Sessions(data_folder)
        self.vector: Sequence[float] = [0.0] * WIDTH

    def run(self, sql: str, tables: Sequence[TableBinding]) -> pa.Table:
        return self.plan_and_run(sql, tables)[0]

    def rows(self, sql: str, tables: Sequence[TableBinding]) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.run(sql, tables).to_pylist()]

    def plan_and_run(self, sql: str, tables: Sequence[TableBinding]) -> tuple[pa.Table, str]:
        context = self.sessions.open(
            tables,
            default_catalog=DEFAULTS[0],
            default_schema=DEFAULTS[1],
            memory_bytes=1 << 28,
            scan=ScanMode.SINGLE,
            sql=sql,
        )
        frame, renamed = plan(
            sql, context, self.sessions, lambda _: (), lambda _how, _text: self.vector
        )
        if use_indexes(frame, context, self.sessions, DEFAULTS):
            frame = context.sql(renamed.sql, options=READ_ONLY)
        batches = [batch.to_pyarrow() for batch in frame.execute_stream()]
        rows = pa.Table.from_batches(batches, frame.schema())
        return rows, frame.logical_plan().display_indent()
