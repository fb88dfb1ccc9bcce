"""Which entries a search may find, and how the found ones are spread over values.

Filters are exact: 5 is 5.0, and not "5". What is counted: datasets, types, tags, and the fields of
metadata with few values.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import tantivy
from tantivy import Occur, Query

from engine.documents.search.entry_metadata import field_key, text_of_term, value_key, value_term
from engine.documents.search.entry_words import (
    DATASET,
    FIELDS_COUNTED_MAX,
    METADATA,
    MIME_TYPE,
    TAGS,
    VALUES_COUNTED_MAX,
)
from engine.documents.segments.files import Mask
from engine.documents.segments.set import SegmentSet
from engine.workers.document_tasks import SearchFilters

_COUNTED = (DATASET, MIME_TYPE, TAGS)


def filter_queries(schema: tantivy.Schema, filters: SearchFilters) -> list[Query]:
    """Make the queries that all must find an entry, but for its id."""
    queries = [Query.term_query(schema, TAGS, tag, "basic") for tag in filters.tags]
    if filters.mime_types:
        queries.append(Query.term_set_query(schema, MIME_TYPE, list(filters.mime_types)))
    for each in filters.metadata:
        keys = [key for value in each.values if (key := value_key(value)) is not None]
        path = f"{METADATA}.{field_key(each.field)}"
        found = [Query.term_query(schema, path, value_term(key), "basic") for key in keys]
        queries.append(Query.boolean_query([(Occur.Should, query) for query in found]))
    return queries


def filtered(query: Query, filters: Sequence[Query]) -> Query:
    """Find what a query finds and all filters do; scores are those of the query."""
    if not filters:
        return query
    silent = [(Occur.Must, Query.const_score_query(each, 0.0)) for each in filters]
    return Query.boolean_query([(Occur.Must, query), *silent])


def allowed_entries(opened: SegmentSet, filters: SearchFilters) -> Mask | None:
    """Tell for each entry whether the filters let it; None when they let all."""
    allowed = None
    if filters.entry_ids is not None:
        allowed = np.isin(opened.entry_ids, np.array(filters.entry_ids, np.int64))
    index = opened.entry_words
    if index is None:
        return allowed
    queries = filter_queries(index.schema, filters)
    if not queries:
        return allowed
    found = np.zeros(len(opened.entry_ids), np.bool_)
    every = filtered(Query.all_query(), queries)
    hits = index.searcher.search(every, max(len(found), 1), count=False).hits
    found[index.rows_at([address for _, address in hits])] = True
    return found if allowed is None else allowed & found


def count_values(opened: SegmentSet, query: Query | None) -> dict[str, Any]:
    """Count the entries that a query finds by value.

    Returns:
        ``dataset_id``, ``mime_type`` and ``tags``, each with the most frequent values; ``metadata``: for each
        field with at most ``VALUES_COUNTED_MAX`` values the same, a number together with its text.
    """
    counts: dict[str, Any] = {name: {} for name in _COUNTED} | {"metadata": {}}
    index = opened.entry_words
    if index is None or query is None:
        return counts
    paths = {field: f"{METADATA}.{field_key(field)}" for field in _counted_fields(opened)}
    wanted = {name: _terms(name) for name in _COUNTED}
    wanted |= {path: _terms(path) for path in paths.values()}
    found = index.searcher.aggregate(query, wanted)
    for name in _COUNTED:
        counts[name] = {each["key"]: each["doc_count"] for each in found[name]["buckets"]}
    for field, path in paths.items():
        values = [
            (text, each["doc_count"])
            for each in found[path]["buckets"]
            if (text := text_of_term(each["key"])) is not None
        ]
        if 0 < len(values) <= VALUES_COUNTED_MAX:
            together: Counter[str] = Counter()
            for text, count in values:
                together[text] += count
            counts["metadata"][field] = dict(together)
    return counts


def _counted_fields(opened: SegmentSet) -> list[str]:
    """Name fields that have few values in every segment."""
    most: dict[str, int] = {}
    for segment in opened.segments:
        for field, count in segment.facts.field_values.items():
            most[field] = max(count, most.get(field, 0))
    few = [field for field, count in most.items() if count <= VALUES_COUNTED_MAX]
    return few[:FIELDS_COUNTED_MAX]


def _terms(path: str) -> dict[str, Any]:
    return {"terms": {"field": path, "size": VALUES_COUNTED_MAX + 1}}
