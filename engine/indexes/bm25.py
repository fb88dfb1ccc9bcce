"""Full-text indexes: the words of text columns with the rows that have them, ranked by BM25.

For each term and column in which a row has it ``count`` times, the row scores::

    idf * (k1 + 1) * count / (count + k1 * (1 - b + b * length / average_length))
    idf = ln(1 + (rows - rows_with_it + 0.5) / (rows_with_it + 0.5)), k1 = 1.2, b = 0.75

The numbers are those of the whole index, however many segments it has; the length of a text is kept
in one byte, as Lucene does (up to 40 words exactly, then within an eighth), the average is exact.

The invariant: a finished folder is written never again, so it may be copied, and read by many.
The trap: tantivy locks a file in the folder of an index it opens, even to read. A worker may not
write there, so it opens a folder of links; that is removed at once: all files are mapped by then.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import tantivy

from engine.errors import InvalidRequest
from engine.indexes.analyzers import DEFAULT_LANGUAGE, open_analyzer, separate_words
from engine.indexes.hits import Hits
from engine.indexes.search_text import parse
from engine.indexes.text_query import SearchTarget, build_query

WRITER_BYTES_MIN, WRITER_BYTES_MAX = 16_000_000, 1_000_000_000
"""What tantivy allows at least, and what no index gains from."""
_SLICE_ROWS, _SLICE_BYTES = 8192, 4 << 20
_COUNTED_FROM = 1000
"""Above this many rows it pays to count the matches first: tantivy makes room for the limit."""
_PAGE_ROWS = 1 << 20
"""Hits are Python objects, some 150 bytes each, until they are arrays."""
ROW = "row"
"""The field with the number of a row."""
ANALYZER = "words"
"""The tokenizer of the fields of columns, as a schema names it."""
_FILES_OF_WRITERS = (".tantivy-meta.lock", ".tantivy-writer.lock", ".managed.json")

Rows: TypeAlias = npt.NDArray[np.int64]
Scores: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Bm25Spec:
    """What is indexed: columns of text, and one of ``analyzers.LANGUAGES`` for all of them."""

    columns: tuple[str, ...]
    language: str = DEFAULT_LANGUAGE


class Bm25Builder:
    """Writes the index of a table version; ``finish`` ends it."""

    def __init__(self, spec: Bm25Spec, folder: Path, *, memory_bytes: int) -> None:
        """Begin an index.

        Args:
            spec: the columns that every batch has.
            folder: exists and is empty.
            memory_bytes: the words that wait in memory; more makes fewer, larger segments.

        Raises:
            InvalidRequest: there is no such language.
        """
        self._spec = spec
        self._folder = folder
        index = tantivy.Index(schema_of(spec).build(), str(folder))
        index.register_tokenizer(ANALYZER, open_analyzer(spec.language))
        self._writer: tantivy.IndexWriter | None = open_writer(index, memory_bytes)

    def add(self, batch: pa.RecordBatch | pa.Table, first_row: int) -> None:
        """Index rows; row ``i`` of the batch is row number ``first_row + i``.

        The columns hold strings, large strings, string views, or dictionaries of these.
        """
        columns = [batch.column(name).cast(pa.large_string()) for name in self._spec.columns]
        texts = pa.table(columns, [field_of(number) for number in range(len(columns))])
        rows_max = min(_SLICE_ROWS, _SLICE_BYTES * texts.num_rows // max(texts.nbytes, 1))
        for piece in texts.to_batches(max_chunksize=max(rows_max, 1)):
            self._add_rows(piece, first_row)
            first_row += piece.num_rows

    def finish(self) -> None:
        """Write what is left and close: the folder is complete."""
        assert self._writer is not None
        close_writer(self._writer, self._folder)
        self._writer = None

    def _add_rows(self, batch: pa.RecordBatch, first_row: int) -> None:
        assert self._writer is not None
        fields = batch.schema.names
        columns = [separate_words(column) for column in batch.columns]
        add_document = self._writer.add_document
        for row, texts in enumerate(zip(*columns, strict=True), first_row):
            document = tantivy.Document()
            document.add_integer(ROW, row)
            for field, text in zip(fields, texts, strict=True):
                if text:
                    document.add_text(field, text)
            add_document(document)


class Bm25Index:
    """A finished index, open for searches from one thread at a time.

    Attributes:
        schema: of tantivy.
        searcher: over all of it.
    """

    def __init__(self, index: tantivy.Index, spec: Bm25Spec, bases: Rows | None = None) -> None:
        """Begin searches.

        Args:
            index: open.
            spec: the builder's.
            bases: for each segment of tantivy what is added to the numbers of its rows; by default 0.
        """
        self._spec = spec
        self._bases = bases
        self.schema = index.schema
        self.searcher = index.searcher()
        self._fields = {column: field_of(number) for number, column in enumerate(spec.columns)}

    @classmethod
    def open(cls, folder: Path, spec: Bm25Spec, scratch: Path) -> "Bm25Index":
        """Open a folder that a builder has finished.

        Args:
            folder: is only read.
            spec: the builder's.
            scratch: exists and may be written; as good as nothing is left in it.

        Raises:
            ValueError: the folder does not hold a whole index.
        """
        # tantivy may look after its lock file while the folder goes: what is left then goes with scratch.
        with tempfile.TemporaryDirectory(
            prefix="bm25-", dir=scratch, ignore_cleanup_errors=True
        ) as links:
            for file in folder.iterdir():
                Path(links, file.name).symlink_to(file.absolute())
            return cls(tantivy.Index.open(links), spec)

    @property
    def row_count(self) -> int:
        """How many rows are indexed, with or without words."""
        return self.searcher.num_docs

    def search(self, query: str, *, columns: Sequence[str] | None = None, limit: int) -> Hits:
        """Find the rows that match a text best.

        Args:
            query: any text, in the syntax of :mod:`engine.indexes.search_text`.
            columns: those searched where the text names none; all by default.
            limit: how many rows at most; room is made only for those that match.

        Returns:
            The scores descend; equal ones are in the order of the rows.

        Raises:
            InvalidRequest: the text is too long, or a column is not in the index.
        """
        searched = self._spec.columns if columns is None else tuple(dict.fromkeys(columns))
        for column in searched:
            if column not in self._fields:
                raise InvalidRequest(f"Column {column!r} is not in this full-text index.")
        target = SearchTarget(self.schema, self._fields, searched, self._spec.language)
        built = build_query(parse(query, self._fields), target)
        limit = 0 if built is None else min(limit, self.row_count)
        if built is not None and limit > _COUNTED_FROM:
            found: Any = self.searcher.search(built, 1)  # the stubs lack the count
            limit = min(limit, found.count)
        if built is None or limit < 1:
            return Hits(np.empty(0, np.int64), np.empty(0, np.float32))
        pages = [
            self._page(built, offset, min(limit - offset, _PAGE_ROWS))
            for offset in range(0, limit, _PAGE_ROWS)
        ]
        rows, scores = (np.concatenate(parts) for parts in zip(*pages, strict=True))
        order = np.lexsort((rows, -scores))
        return Hits(rows[order], scores[order])

    def _page(self, query: tantivy.Query, offset: int, limit: int) -> tuple[Rows, Scores]:
        hits = self.searcher.search(query, limit, count=False, offset=offset).hits
        rows = self.rows_at([address for _, address in hits])
        return rows, np.array([score for score, _ in hits], np.float32)

    def rows_at(self, addresses: list[tantivy.DocAddress]) -> Rows:
        """Return the numbers of the rows of documents that a search of tantivy found."""
        rows = np.array(self.searcher.fast_field_values(ROW, addresses), np.int64)
        if self._bases is None or not addresses:
            return rows
        return rows + self._bases[[address.segment_ord for address in addresses]]


def field_of(number: int) -> str:
    """Return the tantivy field of a column; a name of a column may be any text, a field's not."""
    return f"c{number}"


def schema_of(spec: Bm25Spec) -> tantivy.SchemaBuilder:
    """Begin the schema of an index: the fields of its rows and columns."""
    builder = tantivy.SchemaBuilder().add_integer_field(ROW, fast=True)
    for number in range(len(spec.columns)):
        builder = builder.add_text_field(field_of(number), tokenizer_name=ANALYZER)
    return builder


def open_writer(index: tantivy.Index, memory_bytes: int) -> tantivy.IndexWriter:
    """Open what writes an index, with about so much memory for the words that wait."""
    heap_bytes = min(max(memory_bytes, WRITER_BYTES_MIN), WRITER_BYTES_MAX)
    # A second thread gains nothing (Python feeds them) and costs a second segment.
    return index.writer(heap_bytes, num_threads=1)


def close_writer(writer: tantivy.IndexWriter, folder: Path) -> None:
    """Write what waits, and leave nothing but the index in its folder."""
    writer.commit()
    writer.wait_merging_threads()
    for name in _FILES_OF_WRITERS:
        (folder / name).unlink(missing_ok=True)
