"""Answers a search of documents inside a worker: entries by words, chunks by meaning, or both.

The invariant: what is found is live and passes the filters, and pages follow each other: what is near
is in the order of its distance, not of the shown score, which is 0 for all that is far. Rows are read only
of what is answered.
The trap: two fused lists have another order when they are longer. So their length goes in steps: pages
that end within the first 100 share one order, those within the first 1,000 another, and so on.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from engine.documents.search.entries import EntrySearch
from engine.documents.search.filters import allowed_entries
from engine.documents.search.marks import Marker
from engine.documents.search.scope import OpenSegments, SearchScope
from engine.documents.segments.files import Ints, Mask
from engine.indexes.fusion import fuse
from engine.indexes.hits import Hits
from engine.workers.document_tasks import DocumentSearchTask, SearchMode

if TYPE_CHECKING:
    import pyarrow as pa

_CREATED_AT = "created_at"
_ENTRY_COLUMNS = (
    "id",
    "dataset_id",
    "name",
    "title",
    "description",
    "mime_type",
    "tags",
    "metadata",
    _CREATED_AT,
)
_CHUNK_COLUMNS = (
    "entry_id",
    "dataset_id",
    "chunk_index",
    "text",
    "heading_path",
    "page_start",
    "page_end",
    "char_start",
    "char_end",
    "metadata",
)
_MARKED = ("name", "title", "description")
_TEXT = "text"
_MATCHING_MAX = 5
"""Chunks that are shown of an entry."""
_DEPTH_TIMES, _DEPTH_MAX = 4, 16_384
_FUSED_DEPTH, _FUSED_STEP = 400, 10
"""How long fused lists are for usual pages, and how much longer each step is."""
_TIES = 16
_BEST_FUSED = 1 / 61
"""What is first in both of two fused lists."""

Found = dict[str, Any]


def search_documents(task: DocumentSearchTask, open_segments: OpenSegments) -> Found:
    """Search as a task says.

    Args:
        task: what to search for, and where.
        open_segments: opens segments, or has them open.

    Returns:
        ``hits``, the best first, and ``total``. Of entries: their columns, ``score`` from 0 to 1,
        ``highlighted`` (field to text with ``<mark>``, **not escaped**), for ``entries`` their ``chunks``
        instead; ``total`` is how many match (``hybrid``: at least), and ``facets`` counts these by value.
        Of chunks: their columns and ``score``, 1 minus the cosine distance and not below 0; ``total`` is how
        many are answered. What is equally near is in the order of ``entry_id`` and ``chunk_index``, unless more
        than 16,384 chunks are.

    Raises:
        InvalidRequest: a vector has a number that is not finite.
    """
    scope = SearchScope(task, open_segments)
    # An index has room made for all it is to leave out, and there is nothing beyond the last.
    rows = int(max(scope.whole.entry_bases[-1], scope.whole.chunk_bases[-1]))
    task = replace(task, offset=min(task.offset, rows))
    match task.mode:
        case SearchMode.KEYWORD:
            return _by_words(task, scope)
        case SearchMode.HYBRID:
            return _by_both(task, scope)
        case SearchMode.CHUNKS:
            return _chunks(task, scope)
        case SearchMode.ENTRIES:
            return _entries(task, scope)


def _by_words(task: DocumentSearchTask, scope: SearchScope) -> Found:
    search = EntrySearch(scope.whole, task)
    found = search.find(task.limit, task.offset, task.score_min)
    return {
        "hits": _entry_hits(task, scope, found.hits, search),
        "total": found.total,
        "facets": search.count_values(found) if task.with_facets else None,
    }


def _by_both(task: DocumentSearchTask, scope: SearchScope) -> Found:
    search = EntrySearch(scope.whole, task)
    depth = _fused_depth(task.offset + task.limit)
    named = search.find(depth)
    allowed = allowed_entries(scope.whole, task.filters)
    near = _best_of_each(scope, scope.nearest_chunks(depth, allowed))
    fused = fuse(named.hits, near, share=0.5, limit=2 * depth)
    scores = np.minimum(fused.values / np.float32(_BEST_FUSED), np.float32(1))
    if task.score_min is not None:
        good = scores >= task.score_min
        fused, scores = Hits(fused.rows[good], fused.values[good]), scores[good]
    page = slice(task.offset, task.offset + task.limit)
    return {
        "hits": _entry_hits(task, scope, Hits(fused.rows[page], scores[page]), search),
        "total": len(fused.rows)
        if task.score_min is not None
        else max(named.total, len(fused.rows)),
        "facets": search.count_values(named) if task.with_facets else None,
    }


def _chunks(task: DocumentSearchTask, scope: SearchScope) -> Found:
    allowed = allowed_entries(scope.whole, task.filters)
    wanted = task.offset + task.limit
    hits = _in_order(scope, _with_ties(scope, wanted, allowed))
    page = slice(task.offset, wanted)
    answered = _chunk_hits(task, scope, Hits(hits.rows[page], hits.values[page]))
    return {"hits": answered, "total": len(answered)}


def _entries(task: DocumentSearchTask, scope: SearchScope) -> Found:
    allowed = allowed_entries(scope.whole, task.filters)
    wanted = task.offset + task.limit
    chunks = _in_order(scope, _chunks_of_entries(scope, wanted, allowed))
    owners = scope.whole.entries_of(chunks.rows)
    best = _first_of_each(owners)
    page = owners[best][task.offset : wanted]
    scores = _scores(chunks.values[best])[task.offset : wanted]
    if task.score_min is not None:
        page, scores = page[scores >= task.score_min], scores[scores >= task.score_min]
    hits = _entry_hits(task, scope, Hits(page, scores), None)
    for row, hit in zip(page, hits, strict=True):
        its = np.flatnonzero(owners == row)[:_MATCHING_MAX]
        matching = Hits(chunks.rows[its], chunks.values[its])
        hit["chunks"] = _chunk_hits(task, scope, matching)
    return {"hits": hits, "total": len(hits)}


def _fused_depth(wanted: int) -> int:
    """Return the least step that is ``_DEPTH_TIMES`` what is wanted.

    >>> [_fused_depth(wanted) for wanted in (1, 100, 101, 1_000, 1_001)]
    [400, 400, 4000, 4000, 40000]
    """
    depth = _FUSED_DEPTH
    while depth < _DEPTH_TIMES * wanted:
        depth *= _FUSED_STEP
    return depth


def _best_of_each(scope: SearchScope, chunks: Hits) -> Hits:
    """Return the entries that chunks belong to, each with its nearest: numbers and distances."""
    owners = scope.whole.entries_of(chunks.rows)
    best = _first_of_each(owners)
    return Hits(owners[best], chunks.values[best])


def _chunks_of_entries(scope: SearchScope, wanted: int, allowed: Mask | None) -> Hits:
    """Find the nearest chunks, so many that they are of enough entries, and of all as near as the last."""
    depth = _DEPTH_TIMES * wanted
    while True:
        chunks = scope.nearest_chunks(depth, allowed)
        best = _first_of_each(scope.whole.entries_of(chunks.rows))
        is_enough = len(best) >= wanted and chunks.values[-1] > chunks.values[best[wanted - 1]]
        if is_enough or len(chunks.rows) < depth or depth >= _DEPTH_MAX:
            return chunks
        depth *= _DEPTH_TIMES


def _with_ties(scope: SearchScope, wanted: int, allowed: Mask | None) -> Hits:
    """Find the nearest chunks and, if there are not too many, all that are as near as the last."""
    depth = wanted + _TIES
    while True:
        hits = scope.nearest_chunks(depth, allowed)
        is_cut = len(hits.rows) == depth and hits.values[-1] == hits.values[wanted - 1]
        if not is_cut or depth >= _DEPTH_MAX:
            break
        depth *= _DEPTH_TIMES
    if len(hits.rows) <= wanted:
        return hits
    kept = hits.values <= hits.values[wanted - 1]
    return Hits(hits.rows[kept], hits.values[kept])


def _in_order(scope: SearchScope, chunks: Hits) -> Hits:
    """Sort chunks by distance, entry id, and number, which within an entry is the order of the index."""
    entry_ids = scope.whole.entry_ids[scope.whole.entries_of(chunks.rows)]
    order = np.lexsort((chunks.rows, entry_ids, chunks.values))
    return Hits(chunks.rows[order], chunks.values[order])


def _first_of_each(owners: Ints) -> Ints:
    """Return the places at which a number comes for the first time, in order."""
    _, places = np.unique(owners, return_index=True)
    return np.sort(places)


def _scores(distances: np.ndarray) -> np.ndarray:
    return np.clip(1 - distances.astype(np.float64), 0, 1)


def _chunk_hits(task: DocumentSearchTask, scope: SearchScope, hits: Hits) -> list[Found]:
    scores = _scores(hits.values)
    if task.score_min is not None:
        good = scores >= task.score_min
        hits, scores = Hits(hits.rows[good], hits.values[good]), scores[good]
    rows = scope.whole.chunk_rows(None).take(hits.rows, _CHUNK_COLUMNS).to_pylist()
    for row, score in zip(rows, scores.tolist(), strict=True):
        row["chunk_text"] = row.pop(_TEXT)
        row["metadata"] = _parsed(row["metadata"])
        row["score"] = score
    return rows


def _entry_hits(
    task: DocumentSearchTask, scope: SearchScope, hits: Hits, search: EntrySearch | None
) -> list[Found]:
    """Return the columns of entries; with a search what it found in them is marked."""
    marked = search if task.with_highlights else None
    columns = _ENTRY_COLUMNS if marked is None else (*_ENTRY_COLUMNS, _TEXT)
    taken = scope.whole.entry_rows.take(hits.rows, columns)
    times = _written_times(taken.column(_CREATED_AT))
    rows = taken.drop_columns([_CREATED_AT]).to_pylist()
    for row, created_at, score in zip(rows, times, hits.values.tolist(), strict=True):
        row["entry_id"] = row.pop("id")
        row["metadata"] = _parsed(row["metadata"])
        row[_CREATED_AT] = created_at
        row["score"] = score
    if marked is not None:
        _mark(rows, hits.rows, marked, task.language)
    return rows


def _mark(rows: Sequence[Found], entries: Ints, search: EntrySearch, language: str) -> None:
    """Put passages with marks in place of the texts of entries."""
    marker = Marker(search.sought, language)
    fields = [_marked_fields(row) for row in rows]
    marker.read(text for each in fields for text in each.values())
    passages = _passages(marker, [row.pop(_TEXT) or "" for row in rows], entries, search)
    for row, each, passage in zip(rows, fields, passages, strict=True):
        found = {name: marker.whole(value) for name, value in each.items()}
        found[_TEXT] = passage
        row["highlighted"] = {name: value for name, value in found.items() if value is not None}


def _passages(
    marker: Marker, texts: Sequence[str], entries: Ints, search: EntrySearch
) -> list[str | None]:
    """Mark the best part of each text. Of phrases the index says where they are."""
    having = {number: search.in_text(number, entries) for number in marker.phrases}
    passages: list[str | None] = []
    missing = np.zeros((len(search.sought), len(texts)), np.bool_)
    wanted: list[list[int]] = []
    for place, text in enumerate(texts):
        words = range(len(search.sought))
        wanted.append([n for n in words if n not in having or having[n][place]])
        opened = marker.open(text, wanted[place])
        passages.append(opened.best_part())
        missing[opened.missing, place] = True
    for place in _hidden_in(missing, entries, search):
        passages[place] = marker.part(texts[place], wanted[place])
    return passages


def _hidden_in(missing: Mask, entries: Ints, search: EntrySearch) -> list[int]:
    """Return which texts have a word, as the index says, that was not seen in them.

    Args:
        missing: (words, texts), which word was not seen in which text.
        entries: (texts,), whose texts they are.
        search: knows the words.
    """
    hidden = np.zeros(len(entries), np.bool_)
    for number in np.flatnonzero(missing.any(axis=1)).tolist():
        places = np.flatnonzero(missing[number])
        hidden[places] |= search.in_text(number, entries[places])
    found: list[int] = np.flatnonzero(hidden).tolist()
    return found


def _marked_fields(row: Found) -> dict[str, str]:
    """Return the texts of an entry, besides its own, in which words are marked."""
    fields = {name: row[name] for name in _MARKED} | {
        f"metadata.{field}": value
        for field, value in (row["metadata"] or {}).items()
        if isinstance(value, str)
    }
    return {name: text for name, text in fields.items() if text}


def _written_times(times: "pa.ChunkedArray[Any]") -> list[str | None]:
    """Write times as the rest of the Data API does; the column is in UTC."""
    written = np.datetime_as_string(times.to_numpy()).tolist()
    return [None if text == "NaT" else f"{text}Z" for text in written]


def _parsed(metadata: str | None) -> dict[str, Any]:
    return orjson.loads(metadata) if metadata else {}
