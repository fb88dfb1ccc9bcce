"""Cuts a document into chunks: the pieces that have a vector each and that a search finds.

The invariant: a chunk is exactly ``text[char_start:char_end]``, has at most ``tokens_max`` tokens as the
built-in model counts them, and without overlap what is not white space is in exactly one chunk.
The trap: the number of tokens of a piece is not the sum over its parts, so each chunk is counted when
it is cut, and cut again if it is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pyarrow as pa

from engine.documents.chunks.cutting import Cutter, Span
from engine.documents.chunks.headings import Outline, heading_paths, last_at, read_outline
from engine.documents.chunks.parameters import SCHEMA, ChunkParameters, check_parameters
from engine.documents.chunks.tokens import count_tokens
from engine.documents.content import Content, PageSpan

# The tokens of a chunk differ from those of its lines by a few; most chunks need not be cut again.
_SLACK_SHARE = 64


def chunk_text(content: Content, parameters: Mapping[str, Any]) -> pa.Table:
    """Cut a document into chunks.

    A heading begins a chunk, unless what came before is too short to stand alone, and never ends one
    unless nothing follows it. Overlap repeats whole sentences, or words, of the chunk before, and only
    within a section.

    Args:
        content: the document; a text of white space has no chunks.
        parameters: see :func:`engine.documents.chunks.parameters.check_parameters`.

    Returns:
        Columns of ``SCHEMA``. ``heading_path`` has the titles in force where the chunk begins, outermost
        first, with those it begins with; offsets count code points; pages are those it touches.

    Raises:
        InvalidRequest: a parameter is not allowed.
    """
    chosen = check_parameters(parameters)
    outline = read_outline(content.text)
    chunks = _Chunker(content.text, outline, chosen).chunks()
    spans = [span for span, _ in chunks]
    pages = _pages_of(spans, content.pages)
    columns: dict[str, Sequence[Any]] = {
        "chunk_index": range(len(spans)),
        "chunk_text": [content.text[span.start : span.end] for span in spans],
        "heading_path": _paths_of(content.text, spans, outline),
        "page_start": [first for first, _ in pages],
        "page_end": [last for _, last in pages],
        "char_start": [span.start for span in spans],
        "char_end": [span.end for span in spans],
        "token_count": [tokens for _, tokens in chunks],
    }
    return pa.table(columns, SCHEMA)


class _Chunker:
    def __init__(self, text: str, outline: Outline, chosen: ChunkParameters) -> None:
        self._text = text
        self._chosen = chosen
        self._cutter = Cutter(text, outline)
        self._tokens_max = chosen.tokens_max - chosen.tokens_overlap

    def chunks(self) -> list[tuple[Span, int]]:
        """Return the chunks, each with its tokens."""
        aim = self._tokens_max - max(2, self._tokens_max // _SLACK_SHARE)
        spans = self._cutter.cut_all(aim, by_headings=self._chosen.by_headings)
        chunks = self._fit(spans)
        return self._overlap(chunks) if self._chosen.tokens_overlap else chunks

    def _fit(self, spans: list[Span]) -> list[tuple[Span, int]]:
        fitting = []
        for span, tokens in zip(spans, self._count(spans), strict=True):
            if tokens <= self._tokens_max:
                fitting.append((span, tokens))
            else:
                fitting += self._fit(self._cut_again(span, tokens))
        return fitting

    def _cut_again(self, span: Span, tokens: int) -> list[Span]:
        pieces = self._cutter.cut(span, max(self._tokens_max**2 // tokens - 1, 1))
        return pieces if len(pieces) > 1 else self._cutter.halve(span)

    def _overlap(self, chunks: list[tuple[Span, int]]) -> list[tuple[Span, int]]:
        spans = [span for span, _ in chunks]
        longer = spans[:1]
        for before, span in pairwise(spans):
            start = self._cutter.overlap_start(before, self._chosen.tokens_overlap)
            has_none = span.opens or start >= before.end
            longer.append(span if has_none else replace(span, start=start))
        counts = self._count(longer)
        return [
            (span, tokens) if tokens <= self._chosen.tokens_max else chunk
            for span, tokens, chunk in zip(longer, counts, chunks, strict=True)
        ]

    def _count(self, spans: list[Span]) -> list[int]:
        return count_tokens([self._text[span.start : span.end] for span in spans])


def _paths_of(text: str, spans: list[Span], outline: Outline) -> list[list[str]]:
    starts = [heading.start for heading in outline.headings]
    paths = [*heading_paths(outline), []]  # the last one is found at -1
    found = []
    for span in spans:
        heading = last_at(starts, span.start)
        # The headings that a chunk begins with are in force for it.
        if heading >= 0 and span.start < outline.headings[heading].end:
            while _is_next(text, outline, heading, span):
                heading += 1
        found.append(paths[heading])
    return found


def _is_next(text: str, outline: Outline, heading: int, span: Span) -> bool:
    if heading + 1 == len(outline.headings):
        return False
    start = outline.headings[heading + 1].start
    return start < span.end and not text[outline.headings[heading].end : start].strip()


def _pages_of(
    spans: list[Span], pages: tuple[PageSpan, ...]
) -> list[tuple[int | None, int | None]]:
    starts, ends = [page.start for page in pages], [page.end for page in pages]
    found: list[tuple[int | None, int | None]] = []
    for span in spans:
        first, last = last_at(ends, span.start) + 1, last_at(starts, span.end - 1)
        is_on_page = first <= last
        found.append((pages[first].page, pages[last].page) if is_on_page else (None, None))
    return found
