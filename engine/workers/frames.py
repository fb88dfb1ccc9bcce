"""The framing between parent and worker: one kind byte, four length bytes, the body.

Both sides trust each other to frame correctly, but not to be alive: an end of stream inside a
frame is a crash of the other side.
"""

import struct
from enum import IntEnum

HEADER = struct.Struct("<BI")
FRAME_BYTES_MAX = 64 * 1024 * 1024


class Kind(IntEnum):
    """What a frame's body is."""

    TASK = 1  # parent -> worker: one JSON task
    TABLES = 2  # parent -> worker: bindings asked for by ASK, a JSON array
    VECTOR = 3  # parent -> worker: the vector asked for by EMBED, a JSON array
    READY = 10  # worker -> parent: warm, waiting for a task
    SCHEMA = 11  # worker -> parent: {"columns": [...]} before any BODY
    BODY = 12  # worker -> parent: encoded bytes
    ASK = 13  # worker -> parent: {"catalog", "schema", "table"} the plan wants to know
    PROGRESS = 14  # worker -> parent: {"rows", "bytes", "bytes_total"}
    DONE = 15  # worker -> parent: the task's report, after the last BODY
    INLINE = 16  # worker -> parent: the whole answer as an Arrow IPC stream
    KEPT = 17  # worker -> parent: {"size_bytes"} the Parquet at persist_path is complete
    FAILED = 18  # worker -> parent: {"error", "message"}
    EMBED = 20  # worker -> parent: {"how", "text"} a text of the statement to embed
    END = 19  # worker -> parent: the task is over, the worker is free


def frame(kind: Kind, body: bytes = b"") -> bytes:
    """Build one frame."""
    return HEADER.pack(kind, len(body)) + body
