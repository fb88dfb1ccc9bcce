"""The full-text index of entries: what SQL searches by, and the search of documents.

It is an index as ``engine.indexes.bm25`` makes them, over ``ENTRY_TEXTS``, with more fields: the words as they
are written, for typing errors and beginnings (``HEAD``, ``BODY``), and values to filter and count by.

The trap: a text is indexed in pieces, because what separates its words needs many times its size.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import tantivy

from engine.documents.search.entry_metadata import field_key, field_values, value_term, words
from engine.documents.segments.columns import ENTRY_TEXTS
from engine.indexes.analyzers import PLAIN, open_analyzer, separate_words
from engine.indexes.bm25 import (
    ANALYZER,
    ROW,
    Bm25Spec,
    close_writer,
    field_of,
    open_writer,
    schema_of,
)

HEAD, BODY = "head", "body"
"""The words as they are written: of the text, and of all else."""
TAGS, MIME_TYPE, DATASET = "tags", "mime_type", "dataset_id"
REGISTRATION = "registration"
METADATA = "facts"
"""A JSON field: ``value_term`` of each value by ``field_key``."""
FIELDS_COUNTED_MAX = 64
VALUES_COUNTED_MAX = 100
_PLAIN_ANALYZER = "plain"
_PIECE_CHARS = 1 << 20
_FIELDS_MAX = 1000


@dataclass(frozen=True, slots=True)
class IndexedEntry:
    """An entry as it is indexed; ``texts`` are those of ``ENTRY_TEXTS`` but the last."""

    registration: int
    dataset_id: int
    texts: tuple[str | None, ...]
    mime_type: str | None
    tags: tuple[str, ...]
    metadata: Mapping[str, Any]


def entry_spec(language: str) -> Bm25Spec:
    """Say what the index is of."""
    return Bm25Spec(ENTRY_TEXTS, language)


class EntryWordsBuilder:
    """Writes the index of a segment; ``finish`` ends it."""

    def __init__(self, language: str, folder: Path, *, memory_bytes: int) -> None:
        """Begin an index in an empty folder."""
        self._folder = folder
        index = tantivy.Index(_schema(language), str(folder))
        index.register_tokenizer(ANALYZER, open_analyzer(language))
        index.register_tokenizer(_PLAIN_ANALYZER, open_analyzer(PLAIN))
        self._writer: tantivy.IndexWriter | None = open_writer(index, memory_bytes)
        self._row = 0
        self._values: dict[str, set[str]] = {}

    @property
    def field_values(self) -> dict[str, int]:
        """For each field of metadata how many values it has; no more than one too many is counted."""
        return {field: len(values) for field, values in self._values.items()}

    def add(self, entry: IndexedEntry) -> None:
        """Index the next entry."""
        assert self._writer is not None
        document = tantivy.Document()
        document.add_integer(ROW, self._row)
        document.add_integer(REGISTRATION, entry.registration)
        document.add_text(DATASET, str(entry.dataset_id))
        for tag in dict.fromkeys(entry.tags):
            document.add_text(TAGS, tag)
        if entry.mime_type is not None:
            document.add_text(MIME_TYPE, entry.mime_type)
        self._add_metadata(document, entry.metadata)
        texts = [*entry.texts, "\n".join(words(entry.metadata))]
        for number, (column, text) in enumerate(zip(ENTRY_TEXTS, texts, strict=True)):
            plain = BODY if column == "text" else HEAD
            for piece in _pieces(text or ""):
                (separated,) = separate_words(pa.array([piece], pa.large_string()))
                document.add_text(field_of(number), separated or "")
                document.add_text(plain, separated or "")
        self._writer.add_document(document)
        self._row += 1

    def finish(self) -> None:
        """Write what is left: the folder is complete."""
        assert self._writer is not None
        close_writer(self._writer, self._folder)
        self._writer = None

    def _add_metadata(self, document: tantivy.Document, metadata: Mapping[str, Any]) -> None:
        terms: dict[str, list[str]] = {}
        for field, value in field_values(metadata):
            key, term = field_key(field), value_term(value)
            terms.setdefault(key, []).append(term)
            if field in self._values or len(self._values) < _FIELDS_MAX:
                known = self._values.setdefault(field, set())
                if len(known) <= VALUES_COUNTED_MAX:
                    known.add(term)
        if terms:
            document.add_json(METADATA, terms)


def _schema(language: str) -> tantivy.Schema:
    builder = schema_of(entry_spec(language))
    builder = builder.add_integer_field(REGISTRATION, indexed=True)
    for name in (HEAD, BODY):
        builder = builder.add_text_field(name, tokenizer_name=_PLAIN_ANALYZER, index_option="basic")
    for name in (TAGS, MIME_TYPE, DATASET):
        builder = builder.add_text_field(
            name, fast=True, tokenizer_name="raw", index_option="basic"
        )
    return builder.add_json_field(
        METADATA, fast=True, tokenizer_name="raw", index_option="basic"
    ).build()


def _pieces(text: str) -> Iterator[str]:
    """Cut a text where there is a gap, if there is one."""
    start = 0
    while start < len(text):
        end = start + _PIECE_CHARS
        if end < len(text):
            gap = max(text.rfind(" ", start, end), text.rfind("\n", start, end))
            end = gap if gap > start else end
        yield text[start:end]
        start = end
