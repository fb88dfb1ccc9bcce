"""What the parent may ask a document process to do, as pure data.

A document comes from a stranger: the process that reads it has no sockets, reads stored files alone, and
is for this one alone.
"""

from dataclasses import dataclass, field
from typing import Any

import orjson

from engine.workers.pure_data import dump_data, load_data


@dataclass(frozen=True, slots=True)
class Document:
    """The original file of an entry: where it is, and what it should be."""

    path: str
    file_name: str
    media_type: str
    sha256: str


@dataclass(frozen=True, slots=True)
class StageTask:
    """Do the work of one component of a pipeline: see ``engine.documents.stages``.

    ``inputs`` are folders with what earlier steps made, by artifact; ``output_folder`` exists, is empty, and
    has what this one made afterwards. ``document`` is None for steps that work on what others made.
    """

    component: str
    parameters: dict[str, Any]
    output_folder: str
    document: Document | None = None
    inputs: dict[str, str] = field(default_factory=dict)


def dump_stage_task(task: StageTask) -> bytes:
    """Write a task as JSON."""
    return dump_data(task)


def load_stage_task(data: bytes | bytearray) -> StageTask:
    """Read what :func:`dump_stage_task` wrote."""
    return load_data(StageTask, orjson.loads(data))
