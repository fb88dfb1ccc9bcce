"""Several full-text indexes searched as one, by the statistics of all of them.

tantivy searches the segments that ``meta.json`` lists, wherever they came from. So a folder of links to
the files of all indexes, with one list of all their segments, is an index of everything: its scores are
those of one index that was built over all rows.

The invariant: the row numbers of an index follow those of the index before it. Rows that are left out
are marked in a file of deletions as tantivy writes them, so they are in no count either; until they are
gone from the index itself they are still in its statistics, as in Lucene.
The trap: this is tantivy's own format, and so are these files: they live as long as the process.
"""

import json
import os
import struct
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tantivy

from engine.indexes.bm25 import ROW, Bm25Index, Bm25Spec

_META_FILE = "meta.json"
_OPSTAMP = 1
_FOOTER_END = struct.Struct("<II")  # its length, and a magic number
_WORD_BITS = 64

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Bm25Part:
    """A finished index: its folder, how many rows it counts, and which are left out (None = no row)."""

    folder: Path
    row_count: int
    left_out: Mask | None = None


def open_union(parts: Sequence[Bm25Part], spec: Bm25Spec, scratch: Path) -> Bm25Index | None:
    """Open indexes that were built alike as one; None when there is none.

    Args:
        parts: of the same spec, each over rows from 0.
        spec: the builders'.
        scratch: exists and may be written; as good as nothing is left in it.

    Raises:
        ValueError: a folder does not hold a whole index.
    """
    if not parts:
        return None
    with tempfile.TemporaryDirectory(prefix="bm25-", dir=scratch, ignore_cleanup_errors=True) as at:
        links = Path(at)
        metas = [json.loads((part.folder / _META_FILE).read_bytes()) for part in parts]
        segments: list[dict[str, Any]] = []
        bases: list[int] = []
        base = 0
        for part, meta in zip(parts, metas, strict=True):
            assert meta["schema"] == metas[0]["schema"], "the indexes are built alike"
            segments += _link(part, meta, links)
            bases += [base] * len(meta["segments"])
            base += part.row_count
        whole = metas[0] | {"segments": segments, "opstamp": _OPSTAMP}
        (links / _META_FILE).write_text(json.dumps(whole), encoding="utf-8")
        return Bm25Index(tantivy.Index.open(at), spec, np.array(bases, np.int64))


def _link(part: Bm25Part, meta: dict[str, Any], links: Path) -> list[dict[str, Any]]:
    """Link the files of an index; return its segments with their deletions."""
    for file in part.folder.iterdir():
        if file.name != _META_FILE:
            (links / file.name).symlink_to(file.absolute())
    if part.left_out is None or not part.left_out.any():
        return list(meta["segments"])
    rows_of = _rows_by_segment(part.folder, meta, links)
    return [
        _delete(segment, part.left_out[rows], links)
        for segment, rows in zip(meta["segments"], rows_of, strict=True)
    ]


def _rows_by_segment(
    folder: Path, meta: dict[str, Any], links: Path
) -> list[npt.NDArray[np.int64]]:
    """Return the row of each document of each segment."""
    with tempfile.TemporaryDirectory(dir=links, ignore_cleanup_errors=True) as alone:
        for file in folder.iterdir():
            Path(alone, file.name).symlink_to(file.absolute())
        searcher = tantivy.Index.open(alone).searcher()
    rows = []
    for order, segment in enumerate(meta["segments"]):
        documents = [tantivy.DocAddress(order, doc) for doc in range(segment["max_doc"])]
        rows.append(np.array(searcher.fast_field_values(ROW, documents), np.int64))
    return rows


def _delete(segment: dict[str, Any], is_deleted: Mask, links: Path) -> dict[str, Any]:
    """Write the deletions of a segment: its documents that are left, as bits, and a footer."""
    count = int(np.count_nonzero(is_deleted))
    if not count:
        return segment
    name = segment["segment_id"].replace("-", "")
    padded = np.zeros(-(-len(is_deleted) // _WORD_BITS) * _WORD_BITS, np.bool_)
    padded[: len(is_deleted)] = ~is_deleted
    body = struct.pack("<I", len(is_deleted)) + np.packbits(padded, bitorder="little").tobytes()
    footer, magic = _footer(links / f"{name}.idx")
    footer["crc"] = zlib.crc32(body)
    written = json.dumps(footer).encode()
    end = _FOOTER_END.pack(len(written), magic)
    (links / f"{name}.{_OPSTAMP}.del").write_bytes(body + written + end)
    return segment | {"deletes": {"num_deleted_docs": count, "opstamp": _OPSTAMP}}


def _footer(path: Path) -> tuple[dict[str, Any], int]:
    """Read the footer of a file of tantivy: the version it is of, and the magic number.

    The file may have gigabytes, so nothing else is read.
    """
    with path.open("rb") as file:
        file.seek(-_FOOTER_END.size, os.SEEK_END)
        length, magic = _FOOTER_END.unpack(file.read())
        file.seek(-_FOOTER_END.size - length, os.SEEK_END)
        footer: dict[str, Any] = json.loads(file.read(length))
    return footer, magic
