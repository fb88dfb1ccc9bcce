"""The files that stages leave, and what is embedded of them; light enough for the server to know."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from engine.arrow_files import read_table

CHUNKS_FILE = "chunks.arrow"
VECTORS_STEM = "vectors-"
VECTORS_FILE = f"{VECTORS_STEM}000000.arrow"


def vector_files(names: Iterable[str]) -> list[str]:
    """Name those of the files of an entry that hold vectors, in the order of its chunks.

    >>> vector_files(["vectors-000001.arrow", "vectors-field.png", "vectors-000000.arrow"])
    ['vectors-000000.arrow', 'vectors-000001.arrow']
    """
    return sorted(name for name in names if fnmatchcase(name, f"{VECTORS_STEM}*.arrow"))


def read_embedded(chunks: Path) -> list[str]:
    """Return what is embedded of each chunk: it below its headings, for a paragraph seldom says what it is about."""
    table = read_table(chunks)
    headings: list[Any] = table.column("heading_path").to_pylist()
    bodies: list[Any] = table.column("chunk_text").to_pylist()
    return ["\n".join([*path, body]) for path, body in zip(headings, bodies, strict=True)]
