"""Finds entries by their words: which, how well, how many, and where.

The score of an entry is ``r / (r + n)``, r its relevance and n how many words were sought: from 0 to 1, in
the order of relevance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tantivy
from tantivy import Occur, Query

from engine.documents.search.entry_words import REGISTRATION
from engine.documents.search.filters import count_values, filter_queries, filtered
from engine.documents.search.words import Sought, read_words, text_query, words_query
from engine.documents.segments.files import Ints, Mask
from engine.documents.segments.set import SegmentSet
from engine.indexes.bm25 import Bm25Index
from engine.indexes.hits import Hits
from engine.workers.document_tasks import DocumentSearchTask

_PAGE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class FoundEntries:
    """The best entries, by number, with their scores; of ``total`` that ``query`` finds."""

    hits: Hits
    total: int
    query: Query | None


class EntrySearch:
    """One search for words, over open segments.

    Attributes:
        sought: the words.
    """

    def __init__(self, opened: SegmentSet, task: DocumentSearchTask) -> None:
        self._opened = opened
        self._task = task
        self.sought: list[Sought] = read_words(task.query, task.language)

    def find(self, limit: int, offset: int = 0, score_min: float | None = None) -> FoundEntries:
        """Find the best entries; a text without words finds none, and an empty one all.

        Args:
            limit: entries at most; room is made for no more than there are.
            offset: of the best, so many are left out.
            score_min: what is worse is not found.
        """
        index, query = self._opened.entry_words, self._query()
        if index is None or query is None:
            return FoundEntries(Hits(np.empty(0, np.int64), np.empty(0, np.float32)), 0, None)
        offset = min(offset, index.row_count)
        limit = min(limit, index.row_count - offset)
        if score_min is not None and score_min > 0:
            return self._find_good(index, query, limit, offset, score_min)
        found: Any = index.searcher.search(
            query, max(limit, 1), offset=offset
        )  # the stubs lack the count
        hits = self._hits(index, found.hits[:limit])
        return FoundEntries(hits, found.count, query)

    def count_values(self, found: FoundEntries) -> dict[str, object]:
        """Count what was found by value: see ``search_filters``."""
        return count_values(self._opened, found.query)

    def in_text(self, number: int, rows: Ints) -> Mask:
        """Tell for each of some entries whether its text has a word, the one at a place of the list."""
        index = self._opened.entry_words
        if index is None or not len(rows):
            return np.zeros(len(rows), np.bool_)
        here = _of_registrations(index.schema, self._opened.registrations[rows])
        query = filtered(here, [text_query(index.schema, self.sought[number])])
        hits = index.searcher.search(query, len(rows), count=False).hits
        return np.isin(rows, index.rows_at([address for _, address in hits]))

    def _query(self) -> Query | None:
        index = self._opened.entry_words
        if index is None:
            return None
        filters = filter_queries(index.schema, self._task.filters)
        entry_ids = self._task.filters.entry_ids
        if entry_ids is not None:
            is_wanted = np.isin(self._opened.entry_ids, np.array(entry_ids, np.int64))
            wanted = self._opened.registrations[is_wanted]
            filters.append(_of_registrations(index.schema, wanted))
        if self.sought:
            return filtered(words_query(index.schema, self.sought), filters)
        return None if self._task.query.strip() else filtered(Query.all_query(), filters)

    def _find_good(
        self, index: Bm25Index, query: Query, limit: int, offset: int, score_min: float
    ) -> FoundEntries:
        """Find the entries that are good enough: all of them, to know how many there are."""
        size = _PAGE_ROWS
        while True:
            found: Any = index.searcher.search(query, size)  # the stubs lack the count
            hits = self._hits(index, found.hits)
            good = int(np.count_nonzero(hits.values >= score_min))
            if good < size or size >= found.count:
                break
            size = min(size * 4, found.count)
        if good < found.count:
            kept = self._opened.registrations[hits.rows[:good]]
            query = filtered(query, [_of_registrations(index.schema, kept)])
        page = slice(offset, min(offset + limit, good))
        return FoundEntries(Hits(hits.rows[page], hits.values[page]), good, query)

    def _hits(self, index: Bm25Index, found: Sequence[tuple[float, tantivy.DocAddress]]) -> Hits:
        rows = index.rows_at([address for _, address in found])
        relevance = np.array([score for score, _ in found], np.float64)
        scores = relevance / (relevance + max(len(self.sought), 1))
        return Hits(rows, scores.astype(np.float32))


def _of_registrations(schema: tantivy.Schema, registrations: Ints) -> Query:
    if not len(registrations):
        return Query.boolean_query([(Occur.Must, Query.empty_query())])
    return Query.term_set_query(schema, REGISTRATION, registrations.tolist())
