"""Decides which files of a bound table a statement reads, and sees that they are there."""

import re
from dataclasses import replace
from pathlib import Path

from engine.errors import Unavailable
from engine.query.parse import names_all_columns
from engine.query.tokens import body_start, words_of
from engine.workers.distance_sql import has_vector_distance
from engine.workers.segment_rows import is_there
from engine.workers.tasks import TableBinding

_DESCRIBES = re.compile(r"\s*DESC(?:RIBE)?\b", re.IGNORECASE)


def as_read(binding: TableBinding, sql: str) -> TableBinding:
    """Read generated columns, which only the rows by number have, when the statement may name them."""
    if not binding.generated or (binding.rows is None and binding.documents is None):
        return binding
    body = sql[body_start(sql) :]
    words = {name.lower() for name in binding.generated}
    if (
        words.isdisjoint(words_of(body))
        and not _DESCRIBES.match(sql)
        and not has_vector_distance(sql)
        and not names_all_columns(body)
    ):
        return binding
    if binding.documents is not None:
        return replace(binding, documents=replace(binding.documents, reads_vectors=True))
    return replace(binding, file=binding.rows)


def check_files(binding: TableBinding) -> None:
    """Refuse a folder that has lost files: it would be read as a smaller table, or an empty one."""
    if binding.documents is not None and not is_there(binding):
        raise Unavailable("Stored data of a table is missing.")
    if binding.folder is None or not binding.file_count:
        return
    found = sum(path.suffix == ".parquet" for path in Path(binding.folder).iterdir())
    if found != binding.file_count:
        raise Unavailable("Stored data of a table is missing.")
